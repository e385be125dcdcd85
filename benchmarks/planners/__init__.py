"""Planners on problems with known optima, against evaluations, seconds, and two public packages."""
