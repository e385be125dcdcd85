"""Files in stable-worldmodel's HDF5 layout: read as a stranger's, written whole or not at all."""
