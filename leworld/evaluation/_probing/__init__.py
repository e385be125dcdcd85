"""What embeddings know of the world's quantities."""
