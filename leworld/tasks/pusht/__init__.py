"""Push-T as a task: pairs, collecting policy and recipe around the physics in `leworld.envs`."""
