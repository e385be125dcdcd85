"""Mistakes at the door of `leworld.models.RSSM`, and what they must say."""

import torch

from leworld.encoders import NormedConvEncoder
from leworld.errors import ConfigError, LeWorldError, ShapeError
from leworld.heads import ActorCritic, GaussianPolicy, ScalarHead, StateValue, TerminationHead
from leworld.models import RSSM
from leworld.nn import NormedMLP
from leworld.predictors import GRUPredictor
from leworld.regularizers import SIGReg
from tests.bad_input import BadInput
from tests.models.rewarded import batch, without
from tests.models.rssm import LATENT, rssm


def row(name: str, case: str, call, error: type[LeWorldError], *mentions: str) -> BadInput:
    return BadInput(f"leworld.models.{name}", case, call, error, mentions)


def build(**changes) -> RSSM:
    right = rssm()
    names = ("encoder", "predictor", "decoder", "reward", "termination", "actor_critic")
    return RSSM(**{name: getattr(right, name) for name in names} | changes)


def learner(latent: int, actions: int) -> ActorCritic:
    small = {"hidden_dims": (4,)}
    return ActorCritic(GaussianPolicy(latent, actions, **small), StateValue(latent, **small))


def sized(size: str = "1M", actions: int = 2, **options) -> RSSM:
    return RSSM.of_size(size, actions, **options)


def drawn(decoder: torch.nn.Module) -> object:
    model = build(decoder=decoder)
    return model.loss(batch(model))


ROWS: list[BadInput] = [
    row("RSSM", "nats", lambda: build(free_nats=-1.0), ConfigError, "free_nats"),
    row("RSSM", "an unknown weight", lambda: build(weights={"kl": 1.0}), ConfigError, "`dynamics`"),
    row(
        "RSSM", "a predictor of others", lambda: build(predictor=GRUPredictor(20)), ConfigError, "StateSpace"
    ),
    row("RSSM", "no size", lambda: build(encoder=torch.nn.Identity()), ConfigError, "embedding_dim"),
    row("RSSM", "a reward of others", lambda: build(reward=ScalarHead(4)), ConfigError, "4 and 20"),
    row(
        "RSSM",
        "a reward of actions",
        lambda: build(reward=ScalarHead(LATENT, 4)),
        ConfigError,
        "action_dim=4",
    ),
    row("RSSM", "an end of others", lambda: build(termination=TerminationHead(4)), ConfigError, "4 and 20"),
    row("RSSM", "actions", lambda: build(actor_critic=learner(LATENT, 3)), ConfigError, "action_dim"),
    row("RSSM", "latents", lambda: build(actor_critic=learner(8, 4)), ConfigError, "8 and 20"),
    row("RSSM", "nothing earned", lambda: build(reward=None), ConfigError, "`reward` is None"),
    row(
        "RSSM",
        "nothing seen",
        lambda: RSSM(NormedConvEncoder(8, (4, 6)), rssm().predictor),
        ConfigError,
        "decoder",
    ),
    row(
        "RSSM",
        "a regularizer alone",
        lambda: build(decoder=None, regularizer=SIGReg(16)),
        ConfigError,
        "regularizer",
    ),
    row("RSSM.loss", "another drawing", lambda: drawn(NormedMLP(LATENT, 5)), ShapeError, "(3, 8, 8)", "(5,)"),
    row("RSSM.loss", "no rewards", lambda: without(rssm(), "reward"), ConfigError, "`reward`"),
    row("RSSM.loss", "no ends", lambda: without(rssm(), "terminated"), ConfigError, "`terminated`"),
    row("RSSM.of_size", "unknown", lambda: sized("2M"), ConfigError, "`12M`"),
    row("RSSM.of_size", "no vector", lambda: sized(observation_dim=0), ConfigError, "observation_dim"),
    row("RSSM.of_size", "an odd picture", lambda: sized(image_size=40), ConfigError, "image_size=40"),
]
