"""What the TwoRoom recipe and the model that ships with leworld reach."""
