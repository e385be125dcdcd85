"""Every predictor, small and with weights away from their initial values. Adding one is adding a line."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn

from leworld.predictors import (
    EnsemblePredictor,
    GRUPredictor,
    IncrementalPredictor,
    LinearPredictor,
    MLPPredictor,
    SimNormPredictor,
    StateSpacePredictor,
    TransformerPredictor,
)
from tests.predictors.gru import UserGRU
from tests.predictors.tokens import FlatTokens

Module = TypeVar("Module", bound=nn.Module)
TIME, DIM, CONDITION = 4, 6, 5
SMALL = {"condition_dim": CONDITION, "depth": 2, "num_heads": 2, "head_dim": 4, "mlp_dim": 12}
SMALL_PREDICTORS: dict[str, Callable[[], IncrementalPredictor]] = {
    "gru": lambda: awake(GRUPredictor(DIM, TIME, condition_dim=CONDITION, hidden_dim=7)),
    "gru-film": lambda: awake(gru(conditioning="film", layer_norm=True)),
    "gru-adaln": lambda: awake(gru(conditioning="adaln", num_layers=2)),
    "gru-pldm": lambda: awake(gru(state="embedding", layer_norm=True)),
    "linear": lambda: awake(LinearPredictor(DIM, condition_dim=CONDITION)),
    "linear-2": lambda: awake(LinearPredictor(DIM, 2, condition_dim=CONDITION)),
    "mlp": lambda: awake(mlp()),
    "mlp-film": lambda: awake(mlp(conditioning="film", depth=1)),
    "mlp-adaln": lambda: awake(mlp(conditioning="adaln")),
    "simnorm": lambda: awake(
        SimNormPredictor(DIM, TIME, condition_dim=CONDITION, hidden_dims=(10,), simnorm_dim=3)
    ),
    "state-space": lambda: awake(
        StateSpacePredictor(
            2, TIME, condition_dim=CONDITION, num_variables=2, num_classes=2, hidden_dim=7, num_blocks=2
        )
    ),
    "ensemble": lambda: awake(
        EnsemblePredictor([mlp(), LinearPredictor(DIM, TIME, condition_dim=CONDITION)])
    ),
    "ensemble-gru": lambda: awake(EnsemblePredictor([gru(), gru(hidden_dim=4), gru()])),
}
PREDICTORS: dict[str, Callable[[], nn.Module]] = {
    "transformer": lambda: awake(TransformerPredictor(DIM, TIME, **SMALL, dropout=0.0)),
    "transformer-dropout": lambda: awake(TransformerPredictor(DIM, TIME, **SMALL, dropout=0.3)),
    "transformer-long": lambda: awake(TransformerPredictor(DIM, 7, **SMALL, embedding_dropout=0.2)),
    "tokens": lambda: awake(FlatTokens(TIME)),
    "tokens-dropout": lambda: awake(FlatTokens(7, num_tokens=3, dropout=0.3)),
    "tokens-adaln": lambda: awake(FlatTokens(TIME, conditioning="adaln")),
    **SMALL_PREDICTORS,
}
# The graphs of the others are made of the same layers, and take seconds each.
TRACED = [
    name for name in PREDICTORS if name not in ("gru-film", "gru-adaln", "linear", "mlp-film", "ensemble-gru")
]
INCREMENTAL: dict[str, Callable[[], IncrementalPredictor]] = {
    "transformer": lambda: awake(TransformerPredictor(DIM, TIME, **SMALL)),
    "transformer-1": lambda: awake(TransformerPredictor(DIM, 1, **SMALL)),
    "transformer-long": lambda: awake(TransformerPredictor(DIM, 7, **SMALL)),
    "tokens": lambda: awake(FlatTokens(TIME)),
    "tokens-1": lambda: awake(FlatTokens(1, num_tokens=3)),
    "tokens-single": lambda: awake(FlatTokens(TIME, num_tokens=1)),
    "tokens-adaln": lambda: awake(FlatTokens(TIME, conditioning="adaln")),
    "gru-of-a-user": lambda: awake(UserGRU(DIM, TIME, condition_dim=CONDITION)),
    **SMALL_PREDICTORS,
}


def gru(**options: Any) -> GRUPredictor:
    return GRUPredictor(DIM, TIME, condition_dim=CONDITION, **options)


def mlp(**options: Any) -> MLPPredictor:
    return MLPPredictor(DIM, TIME, condition_dim=CONDITION, **{"hidden_dim": 10, **options})


def reach(predictor: nn.Module) -> int:
    """How many outputs a frame has a say in: its own and later ones."""
    remembers_the_embedding_only = getattr(predictor, "state", None) == "embedding"
    slides = getattr(predictor, "slides", True)
    if hasattr(predictor, "window"):
        return predictor.window
    return 1 if remembers_the_embedding_only else predictor.history_size if slides else 10**6


def awake(module: Module) -> Module:
    """Move every parameter, so that no gate is zero and no two components are alike."""
    generator = torch.Generator().manual_seed(2)
    for parameter in module.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    return module
