"""From the arguments of `plan` to a `Problem`, with every mistake told."""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from .._checks import check_finite, check_number, describe
from .._counter import row_seeds
from ..errors import ConfigError, ShapeError
from ._problem import Problem

Bound: TypeAlias = float | int | Tensor
Bounds: TypeAlias = tuple[Bound, Bound]
Generators: TypeAlias = torch.Generator | Sequence[torch.Generator] | None


def check_request(
    batch: int,
    action_dim: int,
    horizon: int,
    max_candidates: int | None,
    time_budget: float | None,
    generator: Generators,
) -> None:
    """Raise `ConfigError` for sizes and limits out of range."""
    check_number(
        "plan", "batch", batch, low=1, integer=True, fix="Skip planning when there is no problem to solve"
    )
    check_number("plan", "action_dim", action_dim, low=1, integer=True)
    check_number("plan", "horizon", horizon, low=1, integer=True)
    if max_candidates is not None:
        check_number("plan", "max_candidates", max_candidates, low=1, integer=True)
    if time_budget is not None:
        check_number("plan", "time_budget", time_budget, low=0, open_low=True)
    if isinstance(generator, Sequence) and len(generator) != batch:
        raise ConfigError(
            f"plan needs one generator, or one a row ({batch})",
            f"`generator` holds {len(generator)}",
            "Pass a single torch.Generator, or as many as rows",
        )


def make_problem(
    cost: object,
    shape: tuple[int, int, int],
    init: Tensor | None,
    bounds: Bounds | None,
    generator: Generators,
) -> Problem:
    """Decide device and dtype, check `init` and `bounds`, and draw one seed a row."""
    device, dtype = _home(cost, init, bounds)
    search_dtype = torch.float64 if dtype == torch.float64 else torch.float32
    low, high = (None, None) if bounds is None else _bounds(bounds, shape[2], device, search_dtype)
    if init is None:
        guess = torch.zeros(shape, device=device, dtype=search_dtype)
    else:
        _check_init(init, shape)
        guess = init.detach().to(search_dtype).contiguous()  # how it lies in memory decides no rounding
    seeds = row_seeds(generator, shape[0]).to(device)
    guess = Problem(guess, low, high, seeds, dtype).project(guess)
    if guess.ndim == 3:
        return Problem(guess, low, high, seeds, dtype)
    return Problem(
        guess[:, 0].contiguous(), low, high, seeds, dtype, guess[:, 1:] if guess.shape[1] > 1 else None
    )


def _home(cost: object, init: Tensor | None, bounds: Bounds | None) -> tuple[torch.device, torch.dtype]:
    if init is not None:
        return init.device, init.dtype
    tensors = [bound for bound in bounds or () if isinstance(bound, Tensor) and bound.is_floating_point()]
    device, dtype = getattr(cost, "device", None), getattr(cost, "dtype", None)
    if not isinstance(device, torch.device):
        device = tensors[0].device if tensors else torch.device("cpu")
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        dtype = tensors[0].dtype if tensors else torch.float32
    return device, dtype


def _check_init(init: Tensor, shape: tuple[int, int, int]) -> None:
    several = init.ndim == 4 and init.shape[1] > 0
    single = init[:, 0] if several else init
    if tuple(single.shape) != shape or not init.is_floating_point():
        raise ShapeError(
            f"plan needs floating-point `init` of shape (batch, horizon, action) = {shape}",
            f"`init` is {describe(init)}",
            "Make it agree with `batch`, the planner's `horizon` and `action_dim` (several guesses go on an "
            "axis after the batch's), or leave it out",
        )
    check_finite("plan", "init", init, fix="Start from zeros, or from a plan whose outcome was fine")


def _bounds(
    bounds: Bounds, action_dim: int, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    low, high = (
        _bound(name, value, action_dim, device, dtype)
        for name, value in zip(("low", "high"), bounds, strict=True)
    )
    if bool((low > high).any()):
        first = int((low > high).nonzero()[0])
        raise ConfigError(
            "plan needs `bounds` = (low, high) with low <= high",
            f"component {first} has low={float(low[first]):g} and high={float(high[first]):g}",
            "Swap them",
        )
    return low, high


def _bound(name: str, value: Bound, action_dim: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    tensor = torch.as_tensor(value, dtype=dtype, device=device)
    if tensor.shape not in ((), (action_dim,)):
        raise ShapeError(
            f"plan needs `{name}` of `bounds` to be a number or of shape (action,) = ({action_dim},)",
            f"it is {describe(value)}",
            "Give one value for all components, or one each",
        )
    if not bool(tensor.isfinite().all()):
        raise ConfigError(
            f"plan needs finite `{name}` in `bounds`",
            f"it is {tensor.tolist()}",
            "Pass `bounds=None` for an unbounded search, or the box's true limits",
        )
    return tensor.expand(action_dim)
