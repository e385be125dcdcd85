"""Training several models on one task, and measuring them alike."""
