"""Another world: a turtle that turns and walks. Its goal is a place and a heading, and both must be right."""

import numpy as np

from leworld.evaluation import Quantity
from leworld.tasks import LeWMRecipe, StateTask


class Turtle(StateTask):
    """A state is x, y and heading; an action turns and walks."""

    name, environment_id, action_dim = "turtle", "extension/Turtle-v0", 2
    image_size, frameskip, episode_steps, budget, protocols = 16, 2, 24, 8, ("trajectory-4",)
    success_words = "within 0.3 of the place and 0.5 rad of the heading"

    @property
    def quantities(self):
        return {"place": Quantity("state", (0, 1)), "heading": Quantity("state", (2,), "angle")}

    def draw_states(self, count, generator):
        return generator.uniform((-1, -1, -np.pi), (1, 1, np.pi), (count, 3))

    def step(self, states, actions):
        heading = states[..., 2] + 0.4 * actions[..., 0]
        moved = np.stack((np.cos(heading), np.sin(heading)), -1) * 0.2 * actions[..., 1:]
        heading = (heading + np.pi) % (2 * np.pi) - np.pi
        return np.concatenate((np.clip(states[..., :2] + moved, -1, 1), heading[..., None]), -1)

    def distance(self, state, goal):
        """The larger of both, each in units of what counts as reached."""
        place = np.linalg.norm(state[..., :2] - goal[..., :2], axis=-1)
        turn = np.abs((state[..., 2] - goal[..., 2] + np.pi) % (2 * np.pi) - np.pi)
        return np.maximum(place / 0.3, turn / 0.5)

    def reached(self, state, goal):
        return self.distance(state, goal) <= 1

    def render(self, states, image_size):
        axis = np.linspace(-1.2, 1.2, image_size)
        heading = states[..., 2, None, None]
        dx, dy = axis - states[..., 0, None, None], axis[:, None] - states[..., 1, None, None]
        body = 255 * np.exp(-8 * (dx**2 + dy**2))
        front = 255 * np.exp(-20 * ((dx - 0.3 * np.cos(heading)) ** 2 + (dy - 0.3 * np.sin(heading)) ** 2))
        return np.stack((body, front, body), axis=-1).astype(np.uint8)


TASK = Turtle()
CLASSES = ()
TERMS = ("prediction", "regularizer")


def recipe(**options):
    return LeWMRecipe(task=TASK, num_episodes=12, embedding_dim=8, num_slices=8, **options)


def build(processor):
    return recipe().build(processor)
