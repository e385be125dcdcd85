"""Whether a model notices the impossible."""
