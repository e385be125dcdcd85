"""Small LeWMs and PLDMs, awake: every parameter and running statistic is away from its initial value."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leworld.data import Batch
from leworld.encoders import ActionEncoder, ConvEncoder, ViTEncoder
from leworld.models import PLDM, LeWM
from leworld.nn import Projector
from leworld.predictors import TransformerPredictor
from leworld.regularizers import InverseDynamics, PLDMTerms, SIGReg

FIXTURES = Path(__file__).parent.parent / "fixtures"
ENCODERS = ("conv", "vit")


def lewm(encoder: str = "conv", *, history_size: int = 3, dropout: float = 0.0, weight: float = 0.09) -> LeWM:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts = _parts(encoder, history_size, dropout)
        model = LeWM(**parts, regularizer=SIGReg(num_slices=16), regularizer_weight=weight)
    return _awake(model)


def pldm(encoder: str = "conv", *, open_loop: bool = False, **options: Any) -> PLDM:
    """The same parts with PLDM's loss; options of its terms, whose head is the variant's own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts = _parts(encoder, 3, 0.0)
        if options.get("inverse_dynamics_weight"):
            original = options.get("variant") == "original"
            options["inverse_dynamics"] = InverseDynamics(
                5,
                4,
                hidden_dim=512,
                layer_norm=not original,
                activation="relu" if original else "gelu",
                next_first=not original,
            )
        model = PLDM(**parts, regularizer=PLDMTerms(**options), open_loop=open_loop)
    return _awake(model)


def _awake(model: Any) -> Any:
    generator = torch.Generator().manual_seed(4)
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    for part in (model.projector, model.prediction_projector):
        part.norm.running_mean.normal_(generator=generator)
        part.norm.running_var.uniform_(0.5, 2, generator=generator)
    return model


def _parts(encoder: str, history_size: int, dropout: float) -> dict[str, Any]:
    image_encoder = (
        ConvEncoder(8, 6, channels=(4, 4))
        if encoder == "conv"
        else ViTEncoder(8, 4, hidden_dim=6, depth=1, num_heads=2, mlp_dim=8)
    )
    return {
        "encoder": image_encoder,
        "predictor": TransformerPredictor(
            5, history_size, condition_dim=7, depth=2, num_heads=2, head_dim=3, mlp_dim=8, dropout=dropout
        ),
        "action_encoder": ActionEncoder(4, 7, smoothed_dim=3),
        "projector": Projector(6, 5, hidden_dim=9),
        "prediction_projector": Projector(5, hidden_dim=9),
    }


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
