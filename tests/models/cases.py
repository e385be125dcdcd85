"""Small LeWMs, awake: every parameter and running statistic is away from its initial value."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leworld.data import Batch
from leworld.encoders import ActionEncoder, ConvEncoder, ViTEncoder
from leworld.models import LeWM
from leworld.nn import Projector
from leworld.predictors import TransformerPredictor
from leworld.regularizers import SIGReg

FIXTURES = Path(__file__).parent.parent / "fixtures"
ENCODERS = ("conv", "vit")


def lewm(encoder: str = "conv", *, history_size: int = 3, dropout: float = 0.0, weight: float = 0.09) -> LeWM:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = _fresh(encoder, history_size, dropout, weight)
    generator = torch.Generator().manual_seed(4)
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    for part in (model.projector, model.prediction_projector):
        part.norm.running_mean.normal_(generator=generator)
        part.norm.running_var.uniform_(0.5, 2, generator=generator)
    return model


def _fresh(encoder: str, history_size: int, dropout: float, weight: float) -> LeWM:
    image_encoder = (
        ConvEncoder(8, 6, channels=(4, 4))
        if encoder == "conv"
        else ViTEncoder(8, 4, hidden_dim=6, depth=1, num_heads=2, mlp_dim=8)
    )
    return LeWM(
        image_encoder,
        TransformerPredictor(
            5, history_size, condition_dim=7, depth=2, num_heads=2, head_dim=3, mlp_dim=8, dropout=dropout
        ),
        action_encoder=ActionEncoder(4, 7, smoothed_dim=3),
        projector=Projector(6, 5, hidden_dim=9),
        prediction_projector=Projector(5, hidden_dim=9),
        regularizer=SIGReg(num_slices=16),
        regularizer_weight=weight,
    )


def batch(size: int = 6, time: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(5)
    frames = torch.randn(size, time, 3, 8, 8, generator=generator)
    return Batch(frames, torch.randn(size, time, 4, generator=generator))


def released() -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]:
    """Config, weights and recorded outputs of the small checkpoint in the released layout."""
    folder = FIXTURES / "official_lewm_mini"
    return (
        json.loads((folder / "config.json").read_text()),
        torch.load(folder / "weights.pt", weights_only=True),
        torch.load(folder / "reference.pt", weights_only=True),
    )


def newer_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under the names that transformers writes from 5.9 on."""
    pairs = (
        ("attention.attention.query", "attention.q_proj"),
        ("attention.attention.key", "attention.k_proj"),
        ("attention.attention.value", "attention.v_proj"),
        ("attention.output.dense", "attention.o_proj"),
        ("intermediate.dense", "mlp.fc1"),
        ("output.dense", "mlp.fc2"),
        ("encoder.encoder.layer.", "encoder.layers."),
    )
    renamed = {}
    for key, value in state.items():
        for old, new in pairs:
            key = key.replace(old, new)
        renamed[key] = value
    return renamed
