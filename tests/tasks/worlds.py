"""Small worlds for tests: a bright dot on a line, one that feels its place, one moved by choices."""

import numpy as np

from leworld.tasks import StateTask


class Dot(StateTask):
    """A dot between -1 and 1 that an action pushes; a goal is reached within 0.1."""

    name, environment_id, action_dim, success_radius = "dot", "tests/Dot-v0", 1, 0.1
    frameskip, episode_steps, image_size, budget = 2, 12, 16, 12
    protocols = ("trajectory-5",)

    def draw_states(self, count, generator):
        return generator.uniform(-1, 1, (count, 1))

    def step(self, states, actions):
        return np.clip(states + 0.1 * actions, -1, 1)

    def render(self, states, image_size):
        place = np.linspace(-1, 1, image_size)[:, None]
        level = 255 * np.exp(-20 * (states[..., None] - place) ** 2)
        rows = level.astype(np.uint8)[..., None, :, :].repeat(image_size, axis=-3)
        return rows.repeat(3, axis=-1)


class Feeling(Dot):
    """The dot with a second camera, twice as bright, and with a sense of where it is."""

    name, environment_id = "feeling", "tests/Feeling-v0"

    def sense(self, states):
        wrist = 255 - self.render(states, 8)
        return {"proprio": np.concatenate([states, states**2], axis=-1).astype(np.float32), "wrist": wrist}


class Switched(Dot):
    """The dot moved by three choices: left, nowhere, right."""

    name, environment_id, action_dim, action_choices = "switched", "tests/Switched-v0", 3, 3

    def step(self, states, actions):
        return super().step(states, (actions @ np.float32([-1, 0, 1]))[..., None])
