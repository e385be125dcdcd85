"""Numbers, angles, rotations and classes as targets that a regression can learn, and their errors."""

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from ._checks import check_choice
from ._precision import double
from .errors import ShapeError

Kind = Literal["number", "angle", "quaternion", "class"]

_MOST_CLASSES = 9999


def encode_targets(owner: str, values: Tensor, kind: str) -> Tensor:
    """Turn values into regression targets, in float64.

    Numbers stay. Each angle (radians) becomes its sine and cosine. A unit quaternion q becomes the 10
    different entries of q q^T, which are the same for q and -q and have no jump. A class number becomes a
    row that is 1 at its place and 0 elsewhere.
    """
    check_choice(owner, "kind", kind, get_args(Kind))
    values = double(values)
    if kind == "angle":
        return torch.cat([values.sin(), values.cos()], dim=-1)
    if kind == "class":
        return _one_hot(owner, values)
    if kind == "quaternion":
        rows, columns = torch.triu_indices(4, 4, dtype=torch.int64, device="cpu")
        unit = _unit(owner, values)
        return unit[..., rows] * unit[..., columns]
    return values


def degrees_off(owner: str, predicted: Tensor, values: Tensor, kind: str) -> Tensor | None:
    """Return the error in degrees for each sample (mean over angles), or None for plain numbers."""
    values = double(values)
    if kind == "angle":
        sine, cosine = double(predicted).chunk(2, dim=-1)
        gap = torch.atan2(sine, cosine) - values
        return torch.atan2(gap.sin(), gap.cos()).abs().mean(dim=-1) * (180 / math.pi)
    if kind == "quaternion":
        rows, columns = torch.triu_indices(4, 4, dtype=torch.int64, device="cpu")
        matrix = torch.zeros(*predicted.shape[:-1], 4, 4, dtype=torch.float64, device="cpu")
        matrix[..., rows, columns] = predicted.cpu().double()
        matrix[..., columns, rows] = predicted.cpu().double()
        nearest = torch.linalg.eigh(matrix).eigenvectors[..., -1].to(values.device)
        cosine = (nearest * _unit(owner, values)).sum(dim=-1).abs().clamp(max=1)
        return 2 * torch.acos(cosine) * (180 / math.pi)
    return None


def class_hits(predicted: Tensor, answers: Tensor) -> Tensor:
    """Say of each sample, as 0 or 1, whether the class of the greatest prediction is the true one."""
    return double(predicted.argmax(dim=-1) == answers.argmax(dim=-1).to(predicted.device))


def constant_columns(values: Tensor) -> Tensor:
    """Tell which columns of float64 "sample target" vary by no more than rounding of their size."""
    eps = 16 * torch.finfo(torch.float64).eps
    return (values - values.mean(dim=0)).abs().amax(dim=0) <= eps * values.abs().amax(dim=0)


def _one_hot(owner: str, values: Tensor) -> Tensor:
    if values.shape[-1] != 1 or not bool(((values >= 0) & (values == values.round())).all()):
        raise ShapeError(
            f"{owner} needs one class number 0, 1, 2, ... for each sample",
            f"the values have {values.shape[-1]} components from {float(values.min()):.3g} to "
            f"{float(values.max()):.3g}",
            "Pass whole numbers from 0 on, or the kind `number`",
        )
    numbers = values[..., 0].long()
    if int(numbers.max()) > _MOST_CLASSES:
        raise ShapeError(
            f"{owner} needs class numbers of at most {_MOST_CLASSES}",
            f"the largest is {int(numbers.max())}",
            "Count the classes from 0 without gaps",
        )
    return torch.nn.functional.one_hot(numbers, max(2, int(numbers.max()) + 1)).double()


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
