"""The world that most stubs live in: a bright point in a dark square, pushed along two axes."""

import numpy as np

from leworld.tasks import StateTask


class Point(StateTask):
    name, environment_id, action_dim, success_radius = "point", "extension/Point-v0", 2, 0.3
    image_size, frameskip, episode_steps, budget, protocols = 12, 2, 24, 8, ("trajectory-4",)

    def draw_states(self, count, generator):
        return generator.uniform(-1, 1, (count, 2))

    def step(self, states, actions):
        return np.clip(states + 0.2 * actions, -1, 1)

    def render(self, states, image_size):
        place = np.linspace(-1, 1, image_size)
        x, y = states[..., 0, None, None], states[..., 1, None, None]
        level = 255 * np.exp(-6 * ((place - x) ** 2 + (place[:, None] - y) ** 2))
        return level.astype(np.uint8)[..., None].repeat(3, axis=-1)
