"""Rebuild a module from its recorded config, through a table of this test suite's own."""

from typing import Any

from torch import nn

from leworld._config import MAPPING, ModuleConfig
from leworld.encoders import (
    ActionEncoder,
    ConvEncoder,
    FusedEncoder,
    ImpalaEncoder,
    PooledTokens,
    ResNetEncoder,
    ViTEncoder,
)
from leworld.models import LeWM
from leworld.nn import Projector
from leworld.predictors import (
    EnsemblePredictor,
    GRUPredictor,
    LinearPredictor,
    MLPPredictor,
    TransformerPredictor,
)
from leworld.regularizers import SIGReg
from tests.encoders.tokens import PatchTokens

TABLE: dict[str, type[nn.Module]] = {
    cls.__name__: cls
    for cls in (
        ActionEncoder,
        ConvEncoder,
        FusedEncoder,
        ImpalaEncoder,
        PatchTokens,
        PooledTokens,
        ResNetEncoder,
        ViTEncoder,
        LeWM,
        Projector,
        EnsemblePredictor,
        GRUPredictor,
        LinearPredictor,
        MLPPredictor,
        TransformerPredictor,
        SIGReg,
    )
}


def rebuild(config: ModuleConfig) -> nn.Module:
    """Build anew from the JSON form, so that what JSON cannot hold would show."""
    return _build(ModuleConfig.from_json(config.to_json()))


def _build(value: Any) -> Any:
    if isinstance(value, ModuleConfig) and value.class_name == MAPPING:
        return {key: _build(item) for key, item in value.arguments.items()}
    if isinstance(value, ModuleConfig):
        return TABLE[value.class_name](**{key: _build(item) for key, item in value.arguments.items()})
    return [_build(item) for item in value] if isinstance(value, list | tuple) else value
