"""A two-link arm: its exact motion and its pictures."""
