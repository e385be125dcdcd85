"""Mistakes at the doors of `leworld.predictors`, and what they must say."""

from collections.abc import Callable

import torch

from leworld.errors import ConfigError, LeWorldError, ShapeError
from leworld.predictors import (
    EnsemblePredictor,
    GRUPredictor,
    IncrementalPredictor,
    LinearPredictor,
    MLPPredictor,
    SimNormPredictor,
    StateSpacePredictor,
    TokenTransformerPredictor,
    TransformerPredictor,
)
from tests.bad_input import BadInput


def make(**options) -> TransformerPredictor:
    return TransformerPredictor(
        6, 3, **{"depth": 1, "num_heads": 2, "head_dim": 3, "mlp_dim": 8, "condition_dim": 5, **options}
    )


def extend(embeddings: torch.Tensor, *, times: int = 1) -> None:
    predictor = make().eval()
    memory = predictor.prepare(Z, C, C[:, None])
    for _ in range(times):
        _, memory = predictor.extend(memory, embeddings)


def gru(**options) -> GRUPredictor:
    return GRUPredictor(6, 3, **{"condition_dim": 5, **options}).eval()


def tokens(**options) -> TokenTransformerPredictor:
    small = {"condition_dim": 5, "depth": 1, "num_heads": 2, "head_dim": 3, "mlp_dim": 8}
    return TokenTransformerPredictor(3, 2, **small | options).eval()


def after(steps: int, frames: torch.Tensor) -> None:
    predictor = tokens()
    memory = predictor.prepare(T, C, C[:, None])
    for _ in range(steps):
        _, memory = predictor.extend(memory, frames)


def state_space(state_dim: int = 4, **options) -> StateSpacePredictor:
    small = {"condition_dim": 5, "num_variables": 2, "num_classes": 2, "hidden_dim": 4, "num_blocks": 2}
    return StateSpacePredictor(state_dim, 3, **small | options).eval()


def linear(**options) -> LinearPredictor:
    return LinearPredictor(6, 3, **{"condition_dim": 5, **options}).eval()


def mlp(**options) -> MLPPredictor:
    return MLPPredictor(6, 3, **{"condition_dim": 5, "hidden_dim": 4, **options}).eval()


def ensemble(*members: object) -> EnsemblePredictor:
    return EnsemblePredictor(list(members))


def simnorm(**options) -> SimNormPredictor:
    sizes = {"condition_dim": 5, "hidden_dims": (4,), "simnorm_dim": 3}
    return SimNormPredictor(6, 3, **sizes | options).eval()


def doors(name: str, make: Callable[[], IncrementalPredictor]) -> list[BadInput]:
    """What every incremental predictor refuses."""

    def one(case: str, call: Callable[[], object], *mentions: str) -> BadInput:
        return BadInput(f"leworld.predictors.{name}", case, call, ShapeError, (name, *mentions))

    def after(steps: int, embeddings: torch.Tensor) -> None:
        predictor = make()
        memory = predictor.prepare(Z, C, C[:, None])
        for _ in range(steps):
            _, memory = predictor.extend(memory, embeddings)

    return [
        one("no frame", lambda: make()(Z[:, :0], C[:, :0]), "time=0"),
        one("fewer actions", lambda: make()(Z, C[:, :2]), "time=2", "time=3"),
        one("other batch", lambda: make()(Z, C[:1]), "batch=1"),
        one("wrong embedding", lambda: make()(C, C), "`embeddings`", "6"),
        one("wrong condition", lambda: make()(Z, Z), "`conditions`", "5"),
        one("integer actions", lambda: make()(Z, C.long()), "floating-point"),
        one("conditions to prepare", lambda: make().prepare(Z, C, Z[:, None]), "`conditions`", "5"),
        one("past conditions", lambda: make().prepare(Z, Z, C[:, None]), "`past_conditions`", "5"),
        one("known frames", lambda: make().prepare(C, C, C[:, None]), "`embeddings`", "6"),
        one("an action too few", lambda: make().prepare(Z, C[:, 1:], C[:, None]), "time=2", "time=3"),
        one("no candidates", lambda: make().prepare(Z, C, C), "conditions", "sample"),
        one("embeddings to append", lambda: after(1, C[:, :1]), "embeddings", "6"),
        one("a frame not expanded", lambda: after(1, Z), "2 x 1", "(2, 3, 6)"),
        one("beyond the horizon", lambda: after(4, Z[:, :1]), "3 steps", "at step 3"),
    ]


def named(name: str, case: str, call, error: type[LeWorldError], *mentions: str) -> BadInput:
    return BadInput(f"leworld.predictors.{name}", case, call, error, mentions)


def row(case: str, call, error: type[LeWorldError], *mentions: str) -> BadInput:
    return BadInput("leworld.predictors.TransformerPredictor", case, call, error, mentions)


Z, C = torch.randn(2, 3, 6), torch.randn(2, 3, 5)
T = torch.randn(2, 3, 2, 3)
ROWS: list[BadInput] = [
    named("StateSpacePredictor", "no multiple", lambda: state_space(5), ConfigError, "num_blocks"),
    named(
        "StateSpacePredictor", "no class", lambda: state_space(num_classes=0), ConfigError, "num_classes=0"
    ),
    named(
        "StateSpacePredictor",
        "a limit of 0",
        lambda: state_space(action_limit=0.0),
        ConfigError,
        "action_limit",
    ),
    named("StateSpacePredictor", "a share of 2", lambda: state_space(unimix=2.0), ConfigError, "unimix"),
    named("StateSpacePredictor", "other latents", lambda: state_space()(Z, C), ShapeError, "embeddings"),
    named(
        "StateSpacePredictor.advance",
        "other actions",
        lambda: state_space().advance(torch.zeros(2, 8), torch.zeros(2, 4)),
        ShapeError,
        "actions",
    ),
    named(
        "StateSpacePredictor.prior_logits",
        "latents",
        lambda: state_space().prior_logits(torch.zeros(2, 8)),
        ShapeError,
        "states",
    ),
    named(
        "StateSpacePredictor.join",
        "a row too many",
        lambda: state_space().join(torch.zeros(2, 4), torch.zeros(3, 2, 2)),
        ShapeError,
        "variables",
    ),
    row("no history", lambda: TransformerPredictor(6, 0), ConfigError, "history_size"),
    row("dropout above 1", lambda: make(dropout=1.1), ConfigError, "dropout"),
    row("no heads", lambda: make(num_heads=0), ConfigError, "num_heads"),
    row("depth a string", lambda: make(depth="two"), ConfigError, "depth"),
    row(
        "window too long",
        lambda: make()(Z.repeat(1, 2, 1), C.repeat(1, 2, 1)),
        ShapeError,
        "time=6",
        "rollout",
    ),
    row("no frame", lambda: make()(Z[:, :0], C[:, :0]), ShapeError, "time=0"),
    row("fewer actions", lambda: make()(Z, C[:, :2]), ShapeError, "time=2", "time=3"),
    row("other batch", lambda: make()(Z, C[:1]), ShapeError, "batch=1"),
    row("wrong embedding", lambda: make()(C, C), ShapeError, "embeddings", "6"),
    row("wrong condition", lambda: make()(Z, Z), ShapeError, "conditions", "5"),
    row("no batch axis", lambda: make()(Z[0], C[0]), ShapeError, "batch"),
    row("integer actions", lambda: make()(Z, C.long()), ShapeError, "floating-point"),
    row("conditions to prepare", lambda: make().prepare(Z, C, Z[:, None]), ShapeError, "`conditions`", "5"),
    row("past conditions", lambda: make().prepare(Z, Z, C[:, None]), ShapeError, "`past_conditions`", "5"),
    row("known frames", lambda: make().prepare(C, C, C[:, None]), ShapeError, "`embeddings`", "6"),
    row("an action too few", lambda: make().prepare(Z, C[:, 1:], C[:, None]), ShapeError, "time=2", "time=3"),
    row("no candidates", lambda: make().prepare(Z, C, C), ShapeError, "conditions", "sample"),
    row("embeddings to append", lambda: extend(C[:, :1]), ShapeError, "embeddings", "6"),
    row("a frame not expanded", lambda: extend(Z), ShapeError, "2 x 1", "(2, 3, 6)"),
    row("beyond the horizon", lambda: extend(Z[:, :1], times=4), ShapeError, "3 steps", "at step 3"),
    row("raw conditions", lambda: make().extend(C, Z[:, :1]), ConfigError, "memory"),
    *(
        BadInput("leworld.predictors.TokenTransformerPredictor", case, call, error, mentions)
        for case, call, error, mentions in (
            ("no tokens", lambda: TokenTransformerPredictor(3, 0), ConfigError, ("num_tokens",)),
            ("no history", lambda: tokens(history_size=0), ConfigError, ("history_size",)),
            ("unknown conditioning", lambda: tokens(conditioning="film"), ConfigError, ("`adaln`",)),
            ("dropout above 1", lambda: tokens(dropout=1.5), ConfigError, ("dropout",)),
            ("no condition", lambda: tokens(condition_dim=0), ConfigError, ("condition_dim",)),
            ("a vector a frame", lambda: tokens()(Z, C), ShapeError, ("embeddings", "token")),
            ("another grid", lambda: tokens()(T[:, :, :1], C), ShapeError, ("(2, 3)", "(2, 3, 1, 3)")),
            ("another width", lambda: tokens()(T[..., :2], C), ShapeError, ("(2, 3)", "`embeddings`")),
            (
                "window too long",
                lambda: tokens()(T.repeat(1, 2, 1, 1), C.repeat(1, 2, 1)),
                ShapeError,
                ("time=6",),
            ),
            ("no frame", lambda: tokens()(T[:, :0], C[:, :0]), ShapeError, ("time=0",)),
            ("fewer actions", lambda: tokens()(T, C[:, :2]), ShapeError, ("time=2", "time=3")),
            ("wrong condition", lambda: tokens()(T, Z), ShapeError, ("`conditions`", "5")),
            ("integer actions", lambda: tokens()(T, C.long()), ShapeError, ("floating-point",)),
            (
                "past conditions",
                lambda: tokens().prepare(T, Z, C[:, None]),
                ShapeError,
                ("`past_conditions`",),
            ),
            (
                "known frames",
                lambda: tokens().prepare(T[..., :2], C, C[:, None]),
                ShapeError,
                ("`embeddings`",),
            ),
            ("a frame not expanded", lambda: after(1, T), ShapeError, ("2 x 1", "(2, 3, 2, 3)")),
            ("beyond the horizon", lambda: after(4, T[:, :1]), ShapeError, ("3 steps", "at step 3")),
            ("raw conditions", lambda: tokens().extend(C, T[:, :1]), ConfigError, ("memory",)),
        )
    ),
    *doors("GRUPredictor", gru),
    *(
        BadInput("leworld.predictors.GRUPredictor", case, call, ConfigError, mentions)
        for case, call, mentions in (
            ("no history", lambda: GRUPredictor(6, 0), ("history_size",)),
            ("no layers", lambda: gru(num_layers=0), ("num_layers",)),
            ("unknown state", lambda: gru(state="latent"), ("`hidden`",)),
            ("unknown conditioning", lambda: gru(conditioning="add"), ("`film`",)),
            ("two layers of the embedding", lambda: gru(state="embedding", num_layers=2), ("num_layers=2",)),
            ("a wider embedding", lambda: gru(state="embedding", hidden_dim=7), ("hidden_dim=7",)),
            ("modulated", lambda: gru(state="embedding", conditioning="film"), ("conditioning='film'",)),
            ("raw conditions", lambda: gru().extend(C, Z[:, :1]), ("memory",)),
        )
    ),
    *doors("LinearPredictor", linear),
    *doors("MLPPredictor", mlp),
    *doors("SimNormPredictor", simnorm),
    *(
        BadInput(f"leworld.predictors.{name}", case, call, ConfigError, mentions)
        for name, case, call, mentions in (
            ("LinearPredictor", "no history", lambda: LinearPredictor(6, 0), ("history_size",)),
            ("LinearPredictor", "no condition", lambda: linear(condition_dim=0), ("condition_dim",)),
            ("LinearPredictor", "raw", lambda: linear().extend(C, Z[:, :1]), ("memory",)),
            ("MLPPredictor", "no layer", lambda: mlp(depth=0), ("depth",)),
            ("MLPPredictor", "no width", lambda: mlp(hidden_dim=0), ("hidden_dim",)),
            ("MLPPredictor", "conditioning", lambda: mlp(conditioning="gate"), ("`adaln`",)),
            ("SimNormPredictor", "groups", lambda: simnorm(simnorm_dim=4), ("4 and 6",)),
            ("SimNormPredictor", "no width", lambda: simnorm(hidden_dims=(0,)), ("hidden_dims",)),
            ("EnsemblePredictor", "one", lambda: ensemble(mlp()), ("two predictors",)),
            (
                "EnsemblePredictor",
                "a class",
                lambda: ensemble(MLPPredictor, MLPPredictor),
                ("two predictors",),
            ),
            ("EnsemblePredictor", "a predictor", lambda: EnsemblePredictor(mlp()), ("MLPPredictor",)),
            ("EnsemblePredictor", "twice", lambda: EnsemblePredictor([mlp()] * 2), ("twice",)),
            (
                "EnsemblePredictor",
                "sizes",
                lambda: ensemble(mlp(), make(condition_dim=4)),
                ("condition_dim",),
            ),
            ("EnsemblePredictor", "no sizes", lambda: ensemble(torch.nn.ReLU(), torch.nn.ReLU()), ("None",)),
            ("EnsemblePredictor", "memories", lambda: ensemble(mlp(), gru()), ("slides=True",)),
        )
    ),
    BadInput(
        "leworld.predictors.EnsemblePredictor",
        "wrong embedding",
        lambda: ensemble(mlp(), linear())(C, C),
        ShapeError,
        ("`embeddings`",),
    ),
]
