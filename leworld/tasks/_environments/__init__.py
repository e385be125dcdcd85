"""Tasks around single environments that can be set to a state."""
