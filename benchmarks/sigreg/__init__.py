"""How fast and how lean the Gaussian regularizers are."""
