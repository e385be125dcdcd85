"""Size and speed of encoders and predictors, side by side: `python -m benchmarks.parts`."""
