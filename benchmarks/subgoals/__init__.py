"""Sub-goals from recorded episodes against plain planning, for goals that lie several plans away."""
