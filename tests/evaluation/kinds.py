"""Models of every kind in a small world, and what evaluations of them must come to, computed plainly."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leworld.data import Episodes, fit_processor
from leworld.models import WorldModel, model_input, to_weights
from leworld.tasks import StateTask
from tests.models.toys import Parts, Recurrent, Tokens

SIDE, SKIP = 8, 2
KINDS = (Tokens, Parts, Recurrent)


class Glow(StateTask):
    """Two lights between 0 and 1 that actions turn up and down; a second camera sees them from behind."""

    name, environment_id, action_dim, success_radius = "glow", "tests/Glow-v0", 2, 0.05
    frameskip, episode_steps, image_size, budget = SKIP, 16, SIDE, 6
    protocols = ("trajectory-6",)

    def draw_states(self, count, generator):
        return generator.uniform(0.1, 0.9, (count, 2))

    def step(self, states, actions):
        return np.clip(states + 0.08 * actions, 0, 1)

    def render(self, states, image_size):
        colours = np.concatenate([states, states.mean(-1, keepdims=True)], axis=-1)
        picture = (200 * colours[..., None, None, :]).repeat(image_size, -3).repeat(image_size, -2)
        picture = picture.copy()
        picture[..., : image_size // 2, :, :] *= 0.5  # so that a picture is not one colour
        return picture.astype(np.uint8)

    def sense(self, states):
        wrist = np.ascontiguousarray(self.render(states[..., ::-1], 6))
        return {"wrist": wrist, "proprio": np.asarray(states, np.float32)}


TASK = Glow()


def episodes(count: int = 12, *, seed: int = 0) -> Episodes:
    return TASK.held_out(count, seed=seed)


def model(kind: type[WorldModel]) -> WorldModel:
    made = kind()
    further = tuple(name for name in made.observation_parts if name != "pixels")
    made.processor = fit_processor(episodes(6, seed=9), frameskip=SKIP, parts=further)
    return made.eval()


def moments(made: WorldModel, data: Episodes, index: int) -> tuple[Any, Tensor]:
    """Normalised parts (1, time, ...) of the kept frames of one episode, and the blocks between them."""
    processor = made.processor
    rows = np.arange(data.rows(index).start, data.rows(index).stop, SKIP)
    seen = model_input(made, data.observation(processor.observation_parts, rows))
    actions = torch.from_numpy(data.actions[rows[0] : rows[-1]])
    blocks = to_weights(made, processor.action_blocks(actions))
    return seen.map(lambda part: part[None]), blocks[None]


@torch.no_grad()
def true_latents(made: WorldModel, data: Episodes, index: int) -> Tensor:
    """Latents (time, *latent) of one episode as the contract has them."""
    seen, blocks = moments(made, data, index)
    return made.encode(seen, blocks)[0]


@torch.no_grad()
def futures(made: WorldModel, data: Episodes, index: int, now: int, horizon: int) -> Tensor:
    """What the model imagines after frame `now` of an episode, seen from its start, by `observe`."""
    seen, blocks = moments(made, data, index)
    state = None
    for time in range(now + 1):
        past = blocks[:, time - 1] if time else None
        state = made.observe(state, seen.at((slice(None), time)), past)
    return made.imagine(state, blocks[:, None, now : now + horizon])[0, 0]


def apart(one: Tensor, other: Tensor) -> float:
    return float((one.double() - other.double()).square().sum())


def expected_errors(made: WorldModel, data: Episodes) -> list[list[float]]:
    """The surprise of every frame."""
    return [
        [apart(futures(made, data, index, now, 1)[0], latents[now + 1]) for now in range(len(latents) - 1)]
        for index in range(len(data))
        for latents in (true_latents(made, data, index),)
    ]


def expected_open_loop(made: WorldModel, data: Episodes, horizon: int) -> list[float]:
    """The error by step, over all windows."""
    errors = []
    for index in range(len(data)):
        latents = true_latents(made, data, index)
        for now in range(made.history_size - 1, len(latents) - horizon):
            imagined = futures(made, data, index, now, horizon)
            errors.append([apart(imagined[h], latents[now + 1 + h]) for h in range(horizon)])
    return np.mean(errors, axis=0).tolist()


def num_entries(made: WorldModel) -> int:
    return math.prod(made.latent_shape)


class LastAxisOnly(Tokens):
    """Measures the first token alone."""

    def latent_distance(self, one, other):
        return (one - other).square().sum(-1)[..., 0]


class Forgetful(Recurrent):
    """Begins anew at every frame."""

    def _observe(self, state, observation, past_action, generator):
        return super()._observe(None, observation, None, generator)


def swapped(data: Episodes) -> Episodes:
    """The two cameras exchanged."""
    return replace(data, pixels=data.columns["wrist"], columns={**data.columns, "wrist": data.pixels})


def late(data: Episodes) -> Episodes:
    """The actions one row late."""
    return replace(data, actions=np.roll(np.nan_to_num(data.actions), 1, axis=0))
