"""What the arm's recipe and the model that ships with leworld reach."""
