"""Rebuild a module from its recorded config, through a table of this test suite's own."""

from typing import Any

from torch import nn

from leworld._config import MAPPING, ModuleConfig
from leworld.decoders import NormedConvDecoder
from leworld.encoders import (
    ActionEncoder,
    ConvEncoder,
    DINOv2Encoder,
    FusedEncoder,
    HuggingFaceEncoder,
    ImpalaEncoder,
    NormedConvEncoder,
    PooledTokens,
    ResNetEncoder,
    SimNormAdapter,
    SimNormEncoder,
    TimmEncoder,
    ViTEncoder,
)
from leworld.heads import (
    ActorCritic,
    CategoricalPolicy,
    GaussianPolicy,
    QEnsemble,
    ScalarHead,
    StateValue,
    TerminationHead,
    TwoHot,
)
from leworld.models import PLDM, RSSM, TDMPC2, LeWM
from leworld.nn import NormedMLP, Projector
from leworld.predictors import (
    EnsemblePredictor,
    GRUPredictor,
    LinearPredictor,
    MLPPredictor,
    SimNormPredictor,
    StateSpacePredictor,
    TransformerPredictor,
)
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
        SimNormAdapter,
        HuggingFaceEncoder,
        TimmEncoder,
        ViTEncoder,
        LeWM,
        PLDM,
        InverseDynamics,
        PLDMTerms,
        Projector,
        EnsemblePredictor,
        GRUPredictor,
        LinearPredictor,
        MLPPredictor,
        TransformerPredictor,
        SIGReg,
        FlatTokens,
        SimNormEncoder,
        NormedMLP,
        TDMPC2,
        SimNormPredictor,
        GaussianPolicy,
        QEnsemble,
        ScalarHead,
        TerminationHead,
        TwoHot,
        ActorCritic,
        CategoricalPolicy,
        NormedConvDecoder,
        NormedConvEncoder,
        RSSM,
        StateSpacePredictor,
        StateValue,
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
