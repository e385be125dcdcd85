"""Measurements of Push-T's physics and pictures."""
