"""A two-link arm as a task; the guide `docs/guides/own_task.md` shows the same class."""
# ruff: noqa: D102 -- the methods do what StateTask says of them

import numpy as np

from leworld.evaluation import Quantity
from leworld.tasks import StateTask


def wrapped(angles: np.ndarray) -> np.ndarray:
    """Bring angles into -pi .. pi."""
    return (angles + np.pi) % (2 * np.pi) - np.pi


class Arm(StateTask):
    """A two-link arm, seen from the side. A state is its two joint angles, an action their velocities."""

    name, environment_id, action_dim = "arm", "example/Arm-v0", 2
    success_words, distance_unit = "with both joints within 0.3 rad of the goal's", "rad"

    @property
    def quantities(self):
        return {name: Quantity("state", (i,), "angle") for i, name in enumerate(["shoulder", "elbow"])}

    def draw_states(self, count, generator):
        return generator.uniform(-np.pi, np.pi, (count, 2))

    def step(self, states, actions):
        return wrapped(states + 0.06 * actions)

    def distance(self, state, goal):
        return np.abs(wrapped(state - goal)).max(axis=-1)

    def reached(self, state, goal):
        return self.distance(state, goal) <= 0.3

    def render(self, states, image_size):
        centres = (np.arange(image_size, dtype=np.float32) + 0.5) / image_size - 0.5  # of pixels
        x, y = centres, centres[:, None]  # from the joint that a link starts at
        picture = np.full((*states.shape[:-1], image_size, image_size, 3), 255, np.float32)
        angles, looks = (states[..., 0], states.sum(-1)), ((30, 60, 200), (220, 40, 30))
        for angle, colour, length, width in zip(angles, looks, (0.22, 0.24), (0.05, 0.04), strict=True):
            angle = angle[..., None, None].astype(np.float32)
            dx, dy = length * np.cos(angle), length * np.sin(angle)
            along = np.clip((x * dx + y * dy) / length**2, 0, 1)  # to the nearest point of the link
            apart = np.sqrt((x - along * dx) ** 2 + (y - along * dy) ** 2)
            cover = np.clip((width - apart) * image_size + 0.5, 0, 1)[..., None]
            picture += cover * (np.float32(colour) - picture)
            x, y = x - dx, y - dy
        return picture.round().astype(np.uint8)
