"""Mistakes that users make with probes, and what they must be told."""

import torch

from leworld.errors import ConfigError, NonFiniteError, ShapeError
from leworld.probes import ProbeScore, RidgeProbe, split_by_episode
from tests.bad_input import BadInput

_NAN = float("nan")


def _embeddings(rows: int = 10, dim: int = 4) -> torch.Tensor:
    return torch.arange(float(rows * dim)).reshape(rows, dim).sin()


def _make(case, mentions, *sizes, **options):
    return BadInput(
        "leworld.probes.RidgeProbe", case, lambda: RidgeProbe(*sizes, **options), ConfigError, mentions
    )


def _fit(case, error, mentions, *, penalties=(1.0,), **changes):
    arguments = {"embeddings": _embeddings(), "targets": _embeddings(10, 2)} | changes
    embeddings, targets = arguments.pop("embeddings"), arguments.pop("targets")

    def call():
        return RidgeProbe(4, 2, penalties=penalties).fit(embeddings, targets, **arguments)

    return BadInput("leworld.probes.RidgeProbe.fit", case, call, error, mentions)


def _fitted():
    return RidgeProbe(4, 2, penalties=(1.0,)).fit(_embeddings(), _embeddings(10, 2))


def _forward(case, error, mentions, embeddings):
    return BadInput("leworld.probes.RidgeProbe.forward", case, lambda: _fitted()(embeddings), error, mentions)


def _score(case, error, mentions, *arguments):
    entry = "leworld.probes.RidgeProbe.score"
    return BadInput(entry, case, lambda: _fitted().score(*arguments), error, mentions)


def _split(case, error, mentions, episode, **options):
    entry = "leworld.probes.split_by_episode"
    return BadInput(entry, case, lambda: split_by_episode(episode, **options), error, mentions)


_CONSTANT = _embeddings(10, 2).index_fill(1, torch.tensor([1]), 0.7)
ROWS = [
    _make("no embedding", ("embedding_dim",), 0, 2),
    _make("fractional target", ("target_dim", "integer"), 4, 2.5),
    _make("no penalties", ("penalties",), 4, 2, penalties=()),
    _make("one number for penalties", ("penalties",), 4, 2, penalties=1.0),
    _make("penalty of 0", ("penalties", "above 0"), 4, 2, penalties=(0.0, 1.0)),
    _make("NaN penalty", ("penalties",), 4, 2, penalties=(_NAN,)),
    _fit("embeddings with time", ShapeError, ("embeddings",), embeddings=torch.ones(5, 2, 4)),
    _fit("embeddings of another size", ShapeError, ("4", "it is 3"), embeddings=_embeddings(10, 3)),
    _fit("targets of another size", ShapeError, ("targets",), targets=_embeddings(10, 3)),
    _fit("fewer targets", ShapeError, ("sample=9",), targets=_embeddings(9, 2)),
    _fit("integer targets", ShapeError, ("targets", "floating-point"), targets=torch.ones(10, 2).long()),
    _fit("pixels", ShapeError, ("embeddings", "floating-point"), embeddings=torch.ones(10, 4).byte()),
    _fit("one sample", ShapeError, ("sample=1",), embeddings=_embeddings(1), targets=_embeddings(1, 2)),
    _fit("no samples", ShapeError, ("sample=0",), embeddings=_embeddings(0), targets=_embeddings(0, 2)),
    _fit("NaN embeddings", NonFiniteError, ("embeddings",), embeddings=torch.full((10, 4), _NAN)),
    _fit("NaN targets", NonFiniteError, ("targets",), targets=torch.full((10, 2), _NAN)),
    _fit("constant target", ConfigError, ("dimension 1", "constant"), targets=_CONSTANT),
    _fit("several penalties, no validation", ConfigError, ("validation_embeddings",), penalties=(1.0, 2.0)),
    _fit(
        "validation without targets",
        ConfigError,
        ("validation_targets",),
        validation_embeddings=_embeddings(),
    ),
    _fit(
        "validation of another size",
        ShapeError,
        ("validation_embeddings",),
        validation_embeddings=_embeddings(10, 3),
        validation_targets=_embeddings(10, 2),
    ),
    _fit(
        "no validation samples",
        ShapeError,
        ("validation_embeddings", "sample=0"),
        validation_embeddings=_embeddings(0),
        validation_targets=_embeddings(0, 2),
    ),
    _forward("another size", ShapeError, ("embeddings", "it is 3"), torch.ones(2, 3)),
    _forward("integers", ShapeError, ("floating-point",), torch.ones(2, 4).long()),
    _forward("NaN", NonFiniteError, ("embeddings",), torch.full((2, 4), _NAN)),
    BadInput(
        "leworld.probes.RidgeProbe.predict",
        "before fit",
        lambda: RidgeProbe(4, 2).predict(torch.ones(2, 4)),
        ConfigError,
        ("fit",),
    ),
    _score("one sample", ShapeError, ("sample=1",), torch.ones(1, 4), torch.ones(1, 2)),
    _score("fewer targets", ShapeError, ("targets",), torch.ones(3, 4), torch.ones(2, 2)),
    _score("NaN targets", NonFiniteError, ("targets",), torch.ones(3, 4), torch.full((3, 2), _NAN)),
    _split("two episodes", ShapeError, ("3 episodes",), torch.tensor([0, 0, 1, 1])),
    _split("no samples", ShapeError, ("3 episodes",), torch.zeros(0, dtype=torch.int64)),
    _split("floats", ShapeError, ("episode",), torch.arange(10.0)),
    _split("two axes", ShapeError, ("episode",), torch.zeros(4, 2, dtype=torch.int64)),
    _split("nothing left to train", ConfigError, ("test",), torch.arange(10), test=0.9, validation=0.1),
    _split("no test", ConfigError, ("test",), torch.arange(10), test=0.0),
    _split("share in percent", ConfigError, ("validation",), torch.arange(10), validation=10),
    _split("negative seed", ConfigError, ("seed",), torch.arange(10), seed=-1),
    BadInput(
        "leworld.probes.ProbeScore",
        "fields of different lengths",
        lambda: ProbeScore(r2=(1.0,), pearson=(), mse=(0.0,), rmse=(0.0,), num_samples=3),
        ShapeError,
        ("[1, 0, 1, 1]",),
    ),
]
