"""Play policies on pairs of start and goal, and judge what they reached."""
