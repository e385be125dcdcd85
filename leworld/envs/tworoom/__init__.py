"""TwoRoom: its exact physics, its pictures, and its gymnasium environments."""
