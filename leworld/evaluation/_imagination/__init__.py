"""What a model imagines, and maps of its embeddings."""
