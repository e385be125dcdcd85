"""Every predictor, small and with weights away from their initial values. Adding one is adding a line."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from leworld.predictors import IncrementalPredictor, TransformerPredictor
from tests.predictors.gru import GRUPredictor
from tests.predictors.tokens import FlatTokens

Module = TypeVar("Module", bound=nn.Module)
TIME, DIM, CONDITION = 4, 6, 5
SMALL = {"condition_dim": CONDITION, "depth": 2, "num_heads": 2, "head_dim": 4, "mlp_dim": 12}
PREDICTORS: dict[str, Callable[[], nn.Module]] = {
    "transformer": lambda: awake(TransformerPredictor(DIM, TIME, **SMALL, dropout=0.0)),
    "transformer-dropout": lambda: awake(TransformerPredictor(DIM, TIME, **SMALL, dropout=0.3)),
    "transformer-long": lambda: awake(TransformerPredictor(DIM, 7, **SMALL, embedding_dropout=0.2)),
    "tokens": lambda: awake(FlatTokens(TIME)),
    "tokens-dropout": lambda: awake(FlatTokens(7, num_tokens=3, dropout=0.3)),
    "tokens-adaln": lambda: awake(FlatTokens(TIME, conditioning="adaln")),
}
INCREMENTAL: dict[str, Callable[[], IncrementalPredictor]] = {
    "transformer": lambda: awake(TransformerPredictor(DIM, TIME, **SMALL)),
    "transformer-1": lambda: awake(TransformerPredictor(DIM, 1, **SMALL)),
    "transformer-long": lambda: awake(TransformerPredictor(DIM, 7, **SMALL)),
    "tokens": lambda: awake(FlatTokens(TIME)),
    "tokens-1": lambda: awake(FlatTokens(1, num_tokens=3)),
    "tokens-single": lambda: awake(FlatTokens(TIME, num_tokens=1)),
    "tokens-adaln": lambda: awake(FlatTokens(TIME, conditioning="adaln")),
    "gru": lambda: awake(GRUPredictor(DIM, TIME, condition_dim=CONDITION)),
}


def awake(module: Module) -> Module:
    """Move every parameter, so that no gate is zero and no two components are alike."""
    generator = torch.Generator().manual_seed(2)
    for parameter in module.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    return module
