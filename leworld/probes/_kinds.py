"""Angles and rotations as targets that a regression can learn, and their errors in degrees."""

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from .._checks import check_choice
from ..errors import ShapeError

Kind = Literal["number", "angle", "quaternion"]


def encode_targets(owner: str, values: Tensor, kind: str) -> Tensor:
    """Turn values into regression targets, in float64.

    Numbers stay. Each angle (radians) becomes its sine and cosine. A unit quaternion q becomes the 10
    different entries of q q^T, which are the same for q and -q and have no jump.
    """
    check_choice(owner, "kind", kind, get_args(Kind))
    values = values.double()
    if kind == "angle":
        return torch.cat([values.sin(), values.cos()], dim=-1)
    if kind == "quaternion":
        rows, columns = torch.triu_indices(4, 4)
        unit = _unit(owner, values)
        return unit[..., rows] * unit[..., columns]
    return values


def degrees_off(owner: str, predicted: Tensor, values: Tensor, kind: str) -> Tensor | None:
    """Return the error in degrees for each sample (mean over angles), or None for plain numbers."""
    values = values.double()
    if kind == "angle":
        sine, cosine = predicted.double().chunk(2, dim=-1)
        gap = torch.atan2(sine, cosine) - values
        return torch.atan2(gap.sin(), gap.cos()).abs().mean(dim=-1) * (180 / math.pi)
    if kind == "quaternion":
        rows, columns = torch.triu_indices(4, 4)
        matrix = torch.zeros(*predicted.shape[:-1], 4, 4, dtype=torch.float64)
        matrix[..., rows, columns] = predicted.double().cpu()
        matrix[..., columns, rows] = predicted.double().cpu()
        nearest = torch.linalg.eigh(matrix).eigenvectors[..., -1].to(values.device)
        cosine = (nearest * _unit(owner, values)).sum(dim=-1).abs().clamp(max=1)
        return 2 * torch.acos(cosine) * (180 / math.pi)
    return None


def _unit(owner: str, values: Tensor) -> Tensor:
    norm = values.norm(dim=-1, keepdim=True)
    if values.shape[-1] != 4 or not bool((norm - 1).abs().max() < 1e-2):
        raise ShapeError(
            f"{owner} needs unit quaternions with 4 components",
            f"the values have {values.shape[-1]} components and norms from {float(norm.min()):.3g} to "
            f"{float(norm.max()):.3g}",
            "Pass normalised quaternions, or the kind `number`",
        )
    return values / norm
