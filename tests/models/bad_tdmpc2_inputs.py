"""Mistakes at the door of `leworld.models.TDMPC2`, and what they must say."""

import torch

from leworld.errors import ConfigError, LeWorldError, ShapeError
from leworld.heads import GaussianPolicy, TerminationHead
from leworld.models import TDMPC2
from leworld.nn import NormedMLP
from tests.bad_input import BadInput
from tests.models.rewarded import batch, without
from tests.models.tdmpc2 import tdmpc2


def row(name: str, case: str, call, error: type[LeWorldError], *mentions: str) -> BadInput:
    return BadInput(f"leworld.models.{name}", case, call, error, mentions)


def build(**changes) -> TDMPC2:
    right = tdmpc2()
    names = ("encoder", "predictor", "reward", "value", "policy", "termination")
    return TDMPC2(**{name: getattr(right, name) for name in names} | changes)


def sized(size: str = "1M", actions: int = 2, **options) -> TDMPC2:
    return TDMPC2.of_size(size, actions, **options)


def longer() -> object:
    model = tdmpc2()
    return model.loss(batch(model, time=5))


ROWS: list[BadInput] = [
    row("TDMPC2", "no discount", lambda: build(discount=0.0), ConfigError, "discount"),
    row("TDMPC2", "a growing step", lambda: build(step_decay=1.5), ConfigError, "step_decay"),
    row("TDMPC2", "entropy", lambda: build(entropy_weight=-1.0), ConfigError, "entropy_weight"),
    row("TDMPC2", "an unknown weight", lambda: build(weights={"q": 1.0}), ConfigError, "`consistency`"),
    row("TDMPC2", "a negative weight", lambda: build(weights={"value": -1.0}), ConfigError, "'value'"),
    row("TDMPC2", "latents", lambda: build(encoder=NormedMLP(3, 6)), ConfigError, "8 and 6"),
    row("TDMPC2", "actions", lambda: build(policy=GaussianPolicy(8, 3)), ConfigError, "policy.action_dim"),
    row("TDMPC2", "an end of others", lambda: build(termination=TerminationHead(4)), ConfigError, "4 and 8"),
    row("TDMPC2.loss", "no rewards", lambda: without(tdmpc2(), "reward"), ConfigError, "`reward`"),
    row("TDMPC2.loss", "no ends", lambda: without(tdmpc2(), "terminated"), ConfigError, "`terminated`"),
    row("TDMPC2.loss", "a window too long", longer, ShapeError, "time=5"),
    row("TDMPC2.of_size", "unknown", lambda: sized("2M", observation_dim=3), ConfigError, "`19M`"),
    row("TDMPC2.of_size", "nothing to read", lambda: sized(), ConfigError, "`image_size`"),
    row("TDMPC2.of_size", "pictures", lambda: sized(image_size=64), ConfigError, "128", "512"),
    row("TDMPC2.of_size", "no vector", lambda: sized(observation_dim=0), ConfigError, "observation_dim"),
    row(
        "TDMPC2.of_size",
        "no step",
        lambda: sized(observation_dim=3, episode_length=0),
        ConfigError,
        "episode_length",
    ),
    row(
        "TDMPC2.encode",
        "another vector",
        lambda: tdmpc2().encode(torch.zeros(1, 1, 4)),
        ShapeError,
        "in_dim",
    ),
]
