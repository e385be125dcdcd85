"""The optimizer of a run and its schedule, as Lightning takes them."""

from collections.abc import Iterable

import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import nn

from ._settings import TrainSettings


def clipped_groups(
    model: nn.Module, apart: Iterable[str], learning: Iterable[nn.Parameter]
) -> list[list[nn.Parameter]]:
    """Return the weights in groups: those of each part that is named and there, then all others."""
    rest, groups = list(learning), []
    for name in apart:
        part = getattr(model, name, None)
        own = set() if part is None else {id(weight) for weight in part.parameters()}
        groups.append([weight for weight in rest if id(weight) in own])
        rest = [weight for weight in rest if id(weight) not in own]
    return [group for group in (*groups, rest) if group]


def scheduled_adamw(parameters: Iterable[nn.Parameter], settings: TrainSettings) -> OptimizerLRScheduler:
    """Return AdamW over the `parameters` that learn, and the schedule of `settings`, counted in steps."""
    chosen, num_steps = settings.optimizer, settings.num_steps
    learning = [parameter for parameter in parameters if parameter.requires_grad]
    # One pass over all weights, several times as fast on a CPU. torch's pass reads memory as it lies, and
    # Lightning clips no gradients for it in mixed precision.
    plain = all(parameter.device.type == "cpu" and parameter.is_contiguous() for parameter in learning)
    fused = True if plain and settings.precision == "32-true" else None
    optimizer = torch.optim.AdamW(
        learning, lr=chosen.learning_rate, weight_decay=chosen.weight_decay, fused=fused
    )

    def factor(step: int) -> float:
        return chosen.learning_rate_at(step, num_steps=num_steps) / chosen.learning_rate

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
