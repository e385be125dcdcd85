"""One planning problem as a planner sees it: sizes, bounds, a first guess, and noise by row."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .._checks import describe, plain_numbers
from .._counter import normal_rows, uniform_rows
from ..errors import ShapeError
from ._short import listing

_BLOCK = 1 << 18  # numbers that `sample` draws at once, if one iteration needs no more
_STREAM = 1 << 16  # of the noise of `sample`: apart from that of `normal` and `uniform`


@final
@dataclass(frozen=True)
class Problem:
    """What `plan` hands to a planner's `init` and `step`.

    Attributes:
        init: The first guess, inside the bounds. Its dtype (float32 or float64) and device are those of the
            search distribution.
        low: Lower bounds of a step's action, or None.
        high: Upper bounds, or None.
        seeds: One 63-bit seed a row.
        dtype: What the cost is shown: the dtype of the caller's tensors, possibly a half type.
        guesses: Further first guesses (batch, guess, horizon, action) inside the bounds, or None. `plan` has
            shown none of them to the cost; a sampling planner lets them compete in its first iteration.
        keep_guesses: Whether these stand unchanged before what `sample` draws, in every iteration; see
            `KeepGuesses`.

    Example:
        ```python
        import torch
        from leworld.planners import Problem

        problem = Problem(torch.zeros(2, 5, 1), None, None, torch.tensor([3, 3]), torch.float32)
        noise = problem.normal(7, 5, 1, iteration=0)
        assert noise.shape == (2, 7, 5, 1) and torch.equal(noise[0], noise[1])
        ```
    """

    init: Float[Tensor, "batch horizon action"]
    low: Float[Tensor, " action"] | None
    high: Float[Tensor, " action"] | None
    seeds: Int[Tensor, " batch"]
    dtype: torch.dtype
    guesses: Float[Tensor, "batch guess horizon action"] | None = None
    keep_guesses: bool = False
    _drawn: "_Drawn | None" = field(default=None, init=False, repr=False, compare=False)

    def __repr__(self) -> str:
        return listing(self, init=self.init, low=self.low, high=self.high, dtype=self.dtype)

    @plain_numbers
    def normal(self, *shape: int, iteration: int, stream: int = 0) -> Tensor:
        """Draw standard normal noise of shape (batch, *shape), each row from its own seed.

        Rows of equal seeds may share memory: do not write to it.
        """
        return normal_rows(self.seeds, shape, iteration=iteration, stream=stream, dtype=self.init.dtype)

    @plain_numbers
    def uniform(self, *shape: int, iteration: int, stream: int = 0) -> Tensor:
        """Draw uniform noise in [0, 1) of shape (batch, *shape), each row from its own seed."""
        return uniform_rows(self.seeds, shape, iteration=iteration, stream=stream, dtype=self.init.dtype)

    def project(self, actions: Tensor) -> Tensor:
        """Clip `actions` ("... action") to the bounds."""
        if self.low is None or self.high is None:
            return actions
        low, high = self._numbers
        return torch.clamp(actions, self.low, self.high) if low is None else torch.clamp(actions, low, high)

    @cached_property
    def _numbers(self) -> tuple[float, float] | tuple[None, None]:
        """The bounds as numbers, which are faster, if they are the same for all components."""
        ends = [end for end in (self.low, self.high) if end is not None and end.device.type == "cpu"]
        if len(ends) < 2 or any(len(end.unique()) != 1 for end in ends):
            return None, None
        return ends[0][0].item(), ends[1][0].item()

    @plain_numbers
    def sample(self, mean: Tensor, std: Tensor | float, num: int, *, iteration: int) -> Tensor:
        """Draw `num` sequences around `mean` (batch, horizon, action), which is the first of them.

        In the first iteration the further guesses come behind it, as many as `num` leaves room for. With
        `keep_guesses` these come first in every iteration, and the mean itself is not among the sequences.
        `std` is a number, or a tensor (batch, horizon, action).
        """
        spread = std if isinstance(std, Tensor) else mean
        if mean.shape != self.init.shape or spread.shape != mean.shape or num < 1:
            raise ShapeError(
                f"`sample` needs `mean` and a tensor `std` of shape {tuple(self.init.shape)}, `num` >= 1",
                f"`mean` is {describe(mean)}, `std` is {describe(std)} and `num={num}`",
                "Pass one mean and one standard deviation for each number of the plan, and draw something",
            )
        mean, std = mean.to(self.init), std.to(self.init) if isinstance(std, Tensor) else std
        kept = self.guesses[:, : num - 1] if self.keep_guesses and self.guesses is not None else None
        if kept is None:
            noise = self._noise((num, *mean.shape[1:]), iteration)
        else:  # that of the mean is zero
            noise = self._noise((num - kept.shape[1] + 1, *mean.shape[1:]), iteration)[:, 1:]
        centre = mean.unsqueeze(1)
        if isinstance(std, Tensor):
            drawn = torch.addcmul(centre, noise, std.unsqueeze(1))
        else:
            drawn = torch.add(centre, noise, alpha=std)
        if kept is not None:
            return torch.cat((kept.to(drawn), drawn), dim=1)
        return self.with_guesses(drawn) if iteration == 0 else drawn

    def with_guesses(self, candidates: Tensor) -> Tensor:
        """Put the further guesses in the place of the candidates behind the first."""
        return candidates if self.guesses is None else behind_first(candidates, self.guesses.to(candidates))

    def _noise(self, shape: tuple[int, ...], iteration: int) -> Tensor:
        """Return normal noise (batch, *shape) of one iteration, zero for the first sample.

        After the first iteration that of several is drawn together, as many as a modest memory holds.
        """
        drawn = self._drawn
        if drawn is None or iteration not in drawn.turns or drawn.parts[0].shape[1:] != shape:
            together = max(1, min(16, _BLOCK // (len(self.seeds) * math.prod(shape)))) if iteration else 1
            turns = range(iteration, iteration + together)
            numbers = normal_rows(self.seeds, shape, iteration=turns, stream=_STREAM, dtype=self.init.dtype)
            shared = numbers.stride(0) == 0
            (numbers[:1] if shared else numbers)[:, :, 0] = 0
            drawn = _Drawn(turns, numbers.unbind(1))
            object.__setattr__(self, "_drawn", drawn)
        return drawn.parts[iteration - drawn.turns.start]


def behind_first(candidates: Tensor, guesses: Tensor) -> Tensor:
    """Replace candidates (batch, sample, ...) behind the first by guesses, as many as there is room for."""
    guesses = guesses[:, : candidates.shape[1] - 1]
    return torch.cat((candidates[:, :1], guesses, candidates[:, 1 + guesses.shape[1] :]), dim=1)


@dataclass(frozen=True)
class _Drawn:
    """The noise (batch, sample, ...) of each of consecutive iterations."""

    turns: range
    parts: tuple[Tensor, ...]
