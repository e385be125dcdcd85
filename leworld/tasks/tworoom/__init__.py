"""TwoRoom as a task: pairs, held-out data, policies and recipe around the physics in `leworld.envs`."""
