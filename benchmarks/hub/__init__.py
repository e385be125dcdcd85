"""Loading a checkpoint of the published size."""
