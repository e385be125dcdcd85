"""The two-link arm as a task."""
