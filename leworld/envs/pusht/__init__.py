"""Push-T: pushing a T-shaped block with a disc, in pymunk."""
