"""Benchmarks: each suite checks correctness first, then times side by side and writes one JSON."""
