"""Which checkpoints have a name, what is known about them, and how a card tells it."""
