"""From the arguments of `plan` to a `Problem`, with every mistake told."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from .._checks import check_finite, check_number, describe
from .._counter import row_seeds
from .._lending import own_copy
from .._transforms import transforming
from ..errors import ConfigError, ShapeError
from ._problem import Problem

Bound: TypeAlias = float | int | np.number | np.ndarray | Sequence[float | np.number] | Tensor
Bounds: TypeAlias = Sequence[Bound] | np.ndarray | Tensor
Guess: TypeAlias = Tensor | np.ndarray | Sequence[Any]
Source: TypeAlias = torch.Generator | int | np.integer
Randomness: TypeAlias = Source | Sequence[Source] | np.ndarray | None
Generators: TypeAlias = torch.Generator | list[torch.Generator] | None


def check_request(
    batch: int, action_dim: int, horizon: int, max_candidates: int | None, time_budget: float | None
) -> None:
    """Raise `ConfigError` for sizes and limits out of range, and within a transform of PyTorch."""
    if transforming():
        raise ConfigError(
            "plan needs to run outside torch.func.vmap, grad and jvp, as a search compares costs and has no "
            "derivative",
            "one of them, or forward mode, is active",
            "Plan first and transform what uses the actions; pass several problems as rows (`batch`)",
        )
    check_number(
        "plan", "batch", batch, low=1, integer=True, fix="Skip planning when there is no problem to solve"
    )
    check_number("plan", "action_dim", action_dim, low=1, integer=True)
    check_number("plan", "horizon", horizon, low=1, integer=True)
    if max_candidates is not None:
        check_number("plan", "max_candidates", max_candidates, low=1, integer=True)
    if time_budget is not None:
        check_number("plan", "time_budget", time_budget, low=0, open_low=True)


def generators_of(randomness: Randomness, batch: int) -> Generators:
    """Return one generator, or one a row, or None; a number becomes a generator that was seeded with it."""
    if randomness is None or isinstance(randomness, torch.Generator):
        return randomness
    single = isinstance(randomness, np.ndarray) and randomness.ndim == 0
    if single or not isinstance(randomness, Sequence | np.ndarray) or isinstance(randomness, str):
        return _generator(randomness.item() if isinstance(randomness, np.ndarray) else randomness)
    sources = [_generator(source) for source in randomness]
    if len(sources) != batch:
        raise ConfigError(
            f"plan needs one generator, or one a row ({batch})",
            f"`generator` holds {len(sources)}",
            "Pass a single torch.Generator or number, or as many as rows",
        )
    return sources


def _generator(source: object) -> torch.Generator:
    if isinstance(source, torch.Generator):
        return source
    if isinstance(source, int | np.integer) and not isinstance(source, bool) and 0 <= int(source) < 2**63:
        return torch.Generator().manual_seed(int(source))
    raise ConfigError(
        "plan needs `generator` to be a torch.Generator, a whole number from 0 to 2^63 - 1, or one of these "
        "a row",
        f"it was given {describe(source)}",
        "Pass for example `generator=7`, or None for a fixed seed",
    )


def make_problem(
    cost: object,
    shape: tuple[int, int, int],
    init: Guess | None,
    bounds: Bounds | None,
    generators: Generators,
) -> Problem:
    """Decide device and dtype, check and copy `init` and `bounds`, and draw one seed a row."""
    ends = None if bounds is None else _pair(bounds)
    device, dtype = _home(cost, init, ends or ())
    search_dtype = torch.float64 if dtype == torch.float64 else torch.float32
    low, high = (None, None) if ends is None else _bounds(ends, shape[2], device, search_dtype)
    if low is not None and high is not None and dtype.itemsize < 4:
        low, high = _inside(low, high, dtype)
    if init is None:
        guess = torch.zeros(shape, device=device, dtype=search_dtype)
    else:
        given = init if isinstance(init, Tensor) else _values("init", init, device)
        _check_init(init, given, shape)
        # a copy that is contiguous: how it lies in memory decides no rounding
        guess = own_copy(given).to(search_dtype).contiguous()
        check_finite("plan", "init", guess, fix="Start from zeros, or from a plan whose outcome was fine")
    seeds = row_seeds(generators, shape[0]).to(device)
    guess = Problem(guess, low, high, seeds, dtype).project(guess)
    if guess.ndim == 3:
        return Problem(guess, low, high, seeds, dtype)
    return Problem(
        guess[:, 0].contiguous(), low, high, seeds, dtype, guess[:, 1:] if guess.shape[1] > 1 else None
    )


def _values(name: str, value: object, device: torch.device) -> Tensor:
    """Return the numbers of an array, list or number as a float64 tensor of their own."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        array = None
    if array is None or array.dtype.kind not in "biuf":
        raise ShapeError(
            f"plan needs `{name}` to be numbers, in a tensor, an array or nested lists",
            f"it is {describe(value)}",
            "Make it rectangular, without anything but real numbers",
        )
    kind = torch.float32 if device.type == "mps" else torch.float64  # MPS has no float64
    return torch.tensor(np.array(array, np.float64), dtype=torch.float64, device="cpu").to(device, kind)


def _pair(bounds: Bounds) -> tuple[Bound, Bound]:
    if not isinstance(bounds, Sequence | np.ndarray | Tensor) or len(bounds) != 2:
        raise ConfigError(
            "plan needs `bounds` to be a pair (low, high)",
            f"it is {describe(bounds)}",
            "Pass for example `(-1.0, 1.0)`, or `(space.low, space.high)` of a gymnasium Box",
        )
    return bounds[0], bounds[1]


def _home(cost: object, init: Guess | None, bounds: tuple[Bound, ...]) -> tuple[torch.device, torch.dtype]:
    if isinstance(init, Tensor):
        return init.device, init.dtype
    tensors = [bound for bound in bounds if isinstance(bound, Tensor) and bound.is_floating_point()]
    device, dtype = getattr(cost, "device", None), getattr(cost, "dtype", None)
    if not isinstance(device, torch.device):
        device = tensors[0].device if tensors else torch.device("cpu")
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        dtype = tensors[0].dtype if tensors else torch.float32
    return device, dtype


def _check_init(init: Guess, given: Tensor, shape: tuple[int, int, int]) -> None:
    several = given.ndim == 4 and given.shape[1] > 0
    single = given[:, 0] if several else given
    if tuple(single.shape) != shape or not given.is_floating_point():
        raise ShapeError(
            f"plan needs floating-point `init` of shape (batch, horizon, action) = {shape}",
            f"`init` is {describe(init if isinstance(init, Tensor | np.ndarray) else given)}",
            "Make it agree with `batch`, the planner's `horizon` and `action_dim` (several guesses go on an "
            "axis after the batch's), or leave it out",
        )


def _bounds(
    bounds: tuple[Bound, Bound], action_dim: int, device: torch.device, dtype: torch.dtype
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
    given = own_copy(value) if isinstance(value, Tensor) else _values(f"{name}` of `bounds", value, device)
    tensor = given.to(device, dtype)
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
    return tensor.expand(action_dim).contiguous()


def _inside(low: Tensor, high: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return the outermost numbers of a half type inside the bounds, or the nearest where there is none."""
    inner_low, inner_high = _toward(low, dtype, up=True), _toward(high, dtype, up=False)
    empty = inner_low > inner_high
    inner_low = torch.where(empty, low.to(dtype).to(low), inner_low)
    return inner_low, torch.where(empty, high.to(dtype).to(high), inner_high)


def _toward(end: Tensor, dtype: torch.dtype, *, up: bool) -> Tensor:
    """Return the number of a half type that is nearest to `end` on one side of it."""
    nearest = end.to(dtype)
    outside = nearest.to(end) < end if up else nearest.to(end) > end
    # read as integers in sign and magnitude, half types follow each other by ones
    step = torch.where((nearest > 0) == up, 1, -1).to(torch.int16)
    following = (nearest.view(torch.int16) + step).view(dtype)
    smallest = torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps
    following = torch.where(nearest == 0, smallest if up else -smallest, following)
    return torch.where(outside, following, nearest).to(end)
