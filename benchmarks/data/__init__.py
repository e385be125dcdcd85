"""How fast batches come from the disk, and how much memory training from there takes."""
