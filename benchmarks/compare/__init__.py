"""Several models, trained and measured alike in one task after the other."""
