"""Which command made which committed result, how long it took, and which page shows it."""
