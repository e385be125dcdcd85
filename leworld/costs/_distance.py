"""How far a predicted embedding is from a goal."""

from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

Distance: TypeAlias = Literal["squared", "cosine", "smooth_l1"]


def distance(predicted: Tensor, goal: Tensor, kind: Distance) -> Tensor:
    """Return (batch, sample, step) from (batch, sample, step, *latent) and (batch, *latent).

    `squared` and `smooth_l1` are summed over the latent axes; `cosine` is 1 - cosine over the last axis,
    averaged over the others (tokens), and 1 where a vector is zero. Half types are summed in float32.
    """
    precise = torch.promote_types(predicted.dtype, torch.float32)
    predicted = predicted.to(precise)
    goal = goal.to(precise)[:, None, None].expand_as(predicted)
    if kind == "cosine":
        terms = 1 - F.cosine_similarity(predicted, goal, dim=-1).unsqueeze(-1)
        return terms.flatten(3).mean(-1)
    terms = (
        F.smooth_l1_loss(predicted, goal, reduction="none")
        if kind == "smooth_l1"
        else (predicted - goal).square()
    )
    return terms.flatten(3).sum(-1)
