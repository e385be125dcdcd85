"""Mistakes that users make with probes, and what they must be told."""

import torch

from leworld.errors import ConfigError, NonFiniteError, ShapeError
from leworld.probes import (
    AttentiveProbe,
    EpisodeSplit,
    KNNProbe,
    LinearProbe,
    LogisticProbe,
    MLPProbe,
    ProbeScore,
    RidgeProbe,
    fit_probe,
    split_by_episode,
)
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


def _option(cls, case, mentions, *sizes, **options):
    return BadInput(
        f"leworld.probes.{cls.__name__}", case, lambda: cls(*sizes, **options), ConfigError, mentions
    )


def _other(cls, case, error, mentions, **changes):
    """A mistake in fitting one of the probes that train or remember."""
    x = _embeddings(30, 4)
    x = x[:, None] if cls is AttentiveProbe else x
    y = _embeddings(30, 2)
    arguments = {
        "embeddings": x,
        "targets": y,
        "validation_embeddings": x[20:],
        "validation_targets": y[20:],
    } | changes
    entry = f"leworld.probes.{cls.__name__}.fit"
    return BadInput(entry, case, lambda: cls(4, 2).fit(**arguments), error, mentions)


def _all_probes():
    rows = []
    for cls in (LinearProbe, MLPProbe, AttentiveProbe, KNNProbe):
        wrong = torch.ones(30, 5) if cls is AttentiveProbe else torch.ones(30, 2, 4)
        rows += [
            _option(cls, "no embedding", ("embedding_dim",), 0, 2),
            _option(cls, "fractional target", ("target_dim",), 4, 1.5),
            _other(cls, "wrong axes", ShapeError, ("embeddings",), embeddings=wrong),
            _other(cls, "fewer targets", ShapeError, ("targets",), targets=torch.ones(9, 2)),
            _other(cls, "NaN targets", NonFiniteError, ("targets",), targets=torch.full((30, 2), _NAN)),
            _other(cls, "constant targets", ConfigError, ("constant",), targets=torch.ones(30, 2)),
            _other(cls, "integer targets", ShapeError, ("floating-point",), targets=torch.ones(30, 2).long()),
            _other(cls, "no validation", ConfigError, ("validation",), validation_embeddings=None),
            BadInput(
                f"leworld.probes.{cls.__name__}.forward",
                "before fit",
                lambda cls=cls: cls(4, 2)(torch.ones(2, 3, 4)),
                ConfigError,
                ("fit",),
            ),
        ]
    for cls in (LinearProbe, MLPProbe, AttentiveProbe):
        rows += [
            _option(cls, "no learning rate", ("learning_rate",), 4, 2, learning_rate=0),
            _option(cls, "negative decay", ("weight_decay",), 4, 2, weight_decay=-1),
            _option(cls, "no batch", ("batch_size",), 4, 2, batch_size=0),
            _option(cls, "no epochs", ("max_epochs",), 4, 2, max_epochs=0),
            _option(cls, "no patience", ("patience",), 4, 2, patience=0),
        ]
    return rows


def _fit_all(case, error, mentions, **changes):
    episode = torch.arange(10).repeat_interleave(3)
    arguments = {
        "probe": RidgeProbe(4, 2),
        "embeddings": _embeddings(30),
        "targets": _embeddings(30, 2),
        "split": split_by_episode(episode),
    } | changes
    probe, embeddings = arguments.pop("probe"), arguments.pop("embeddings")
    return BadInput(
        "leworld.probes.fit_probe", case, lambda: fit_probe(probe, embeddings, **arguments), error, mentions
    )


_THREE = EpisodeSplit(train=torch.arange(20), validation=torch.arange(20, 25), test=torch.arange(15, 30))
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
    *_all_probes(),
    _option(LogisticProbe, "one class", ("target_dim",), 4, 1),
    _option(LogisticProbe, "no penalties", ("penalties",), 4, 2, penalties=()),
    _option(LogisticProbe, "penalty of 0", ("penalties", "above 0"), 4, 2, penalties=(0.0,)),
    _option(LogisticProbe, "no iterations", ("max_iterations",), 4, 2, max_iterations=0),
    _other(LogisticProbe, "targets that are no probabilities", ConfigError, ("one-hot", "class")),
    _other(LogisticProbe, "constant targets", ConfigError, ("constant",), targets=torch.ones(30, 2)),
    _other(LogisticProbe, "NaN targets", NonFiniteError, ("targets",), targets=torch.full((30, 2), _NAN)),
    _other(LogisticProbe, "fewer targets", ShapeError, ("targets",), targets=torch.ones(9, 2)),
    _other(LogisticProbe, "no validation", ConfigError, ("validation",), validation_embeddings=None),
    _option(MLPProbe, "no units", ("hidden_dim",), 4, 2, hidden_dim=0),
    _option(MLPProbe, "no hidden layer", ("num_layers",), 4, 2, num_layers=0),
    _option(AttentiveProbe, "no heads", ("num_heads",), 4, 2, num_heads=0),
    _option(AttentiveProbe, "heads that do not divide", ("multiple",), 4, 2, num_heads=3),
    _option(KNNProbe, "no neighbours", ("num_neighbors",), 4, 2, num_neighbors=()),
    _option(KNNProbe, "zero neighbours", ("num_neighbors",), 4, 2, num_neighbors=(0,)),
    _other(
        KNNProbe,
        "fewer samples than neighbours",
        ShapeError,
        ("20", "sample=10"),
        embeddings=_embeddings(10),
        targets=_embeddings(10, 2),
    ),
    _fit_all("NaN embeddings", NonFiniteError, ("embeddings",), embeddings=torch.full((30, 4), _NAN)),
    _fit_all("NaN targets", NonFiniteError, ("targets",), targets=torch.full((30, 2), _NAN)),
    _fit_all("constant targets", ConfigError, ("constant",), targets=torch.ones(30, 2)),
    _fit_all("embeddings of another length", ShapeError, ("sample=29",), targets=_embeddings(29, 2)),
    _fit_all(
        "a split of more samples",
        ShapeError,
        ("split", "20 samples"),
        embeddings=_embeddings(20),
        targets=_embeddings(20, 2),
    ),
    _fit_all("a test on training samples", ConfigError, ("share",), split=_THREE),
    _fit_all("unknown kind", ConfigError, ("kind",), kind="degrees"),
    _fit_all("quaternions of two components", ShapeError, ("quaternion",), kind="quaternion"),
    _fit_all("angles without room for sine and cosine", ShapeError, ("it is 4",), kind="angle"),
]
