"""The two worlds of LeWorldModel's paper that MuJoCo simulates."""
