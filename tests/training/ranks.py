"""What a test of several ranks trains; importable by spawned processes."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback

from leworld._random import seeded_globals
from leworld.encoders import ActionEncoder, ConvEncoder
from leworld.models import LeWM
from leworld.nn import Projector
from leworld.predictors import TransformerPredictor
from leworld.regularizers import SIGReg
from leworld.training import TrainingModule
from tests.training.tiny import tiny_model


def normed_model() -> LeWM:
    """A small LeWM with BatchNorm over pictures and over vectors, and without dropout."""
    with seeded_globals(3):
        model = LeWM(
            ConvEncoder(image_size=8, embedding_dim=6, channels=(4, 8), norm="batch"),
            TransformerPredictor(6, history_size=2, depth=1, num_heads=1, head_dim=6, mlp_dim=8, dropout=0.0),
            action_encoder=ActionEncoder(4, 6),
            projector=Projector(6, hidden_dim=8),
            prediction_projector=Projector(6, hidden_dim=8),
            regularizer=SIGReg(8),
            regularizer_weight=0.05,
        )
    model.processor = tiny_model().processor
    return model


class KeepGradients(Callback):
    """Writes the gradients that the optimizer gets at each step, and buffers, of every rank."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        found = {
            name: torch.zeros(()) if weight.grad is None else weight.grad.clone()
            for name, weight in pl_module.model.named_parameters()
        }
        found |= {name: value.clone() for name, value in pl_module.model.named_buffers()}
        torch.save(found, self.folder / f"{trainer.global_step}-{trainer.global_rank}.pt")


class Apart(TrainingModule):
    """Lets each rank judge its own part of the batch, which is another loss."""

    def losses(self, raw: Any, *, step: int) -> Any:
        with self.alone():
            return super().losses(raw, step=step)
