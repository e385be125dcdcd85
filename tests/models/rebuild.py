"""Rebuild a module from its recorded config, through a table of this test suite's own."""

from typing import Any

from torch import nn

from leworld._config import MAPPING, ModuleConfig
from leworld.encoders import (
    ActionEncoder,
    ConvEncoder,
    DINOv2Encoder,
    FusedEncoder,
    ImpalaEncoder,
    PooledTokens,
    ResNetEncoder,
    ViTEncoder,
)
from leworld.models import PLDM, LeWM
from leworld.nn import Projector
from leworld.predictors import GRUPredictor, TransformerPredictor
from leworld.regularizers import InverseDynamics, PLDMTerms, SIGReg
from tests.encoders.tokens import PatchTokens
from tests.predictors.tokens import FlatTokens

TABLE: dict[str, type[nn.Module]] = {
    cls.__name__: cls
    for cls in (
        ActionEncoder,
        ConvEncoder,
        DINOv2Encoder,
        FusedEncoder,
        ImpalaEncoder,
        PatchTokens,
        PooledTokens,
        ResNetEncoder,
        ViTEncoder,
        LeWM,
        PLDM,
        InverseDynamics,
        PLDMTerms,
        Projector,
        GRUPredictor,
        TransformerPredictor,
        SIGReg,
        FlatTokens,
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
    return value
