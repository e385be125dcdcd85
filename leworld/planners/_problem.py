"""One planning problem as a planner sees it: sizes, bounds, a first guess, and noise by row."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .._counter import normal_rows, uniform_rows

_BLOCK = 16384  # numbers a row that `sample` draws at once, if one iteration needs no more
_STREAM = 1 << 16  # of the noise of `sample`: apart from that of `normal` and `uniform`
_WIDE = 256  # numbers side by side from which arithmetic with them costs little more than its share


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
            shown none of them to the cost; a planner that keeps elites lets them compete.

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
    _drawn: dict[int, tuple[int, Tensor]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def normal(self, *shape: int, iteration: int, stream: int = 0) -> Tensor:
        """Draw standard normal noise of shape (batch, *shape), each row from its own seed.

        Rows of equal seeds may share memory: do not write to it.
        """
        return normal_rows(self.seeds, shape, iteration=iteration, stream=stream, dtype=self.init.dtype)

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

    def sample(self, mean: Tensor, std: Tensor | float, num: int, *, iteration: int) -> Tensor:
        """Draw `num` sequences around `mean` (batch, horizon, action), which is the first of them.

        `std` is a number, or a tensor that broadcasts against (batch, sample, horizon, action).
        """
        rows, size = len(mean), mean.shape[1:].numel()
        group = _divisor(num, _WIDE // size) if rows > 1 else 1
        noise = self._noise(num, size, iteration).view(rows, num // group, group * size)
        centre = _tile(mean, group)
        if not isinstance(std, Tensor):
            drawn = noise * std
        elif std.shape == (rows, 1, *mean.shape[1:]):
            drawn = noise * _tile(std, group)
        else:
            drawn = (noise.view(rows, num, *mean.shape[1:]) * std).view(noise.shape)
        return drawn.add_(centre).view(rows, num, *mean.shape[1:])

    def _noise(self, num: int, size: int, iteration: int) -> Tensor:
        """Return normal noise (batch, sample, size) of one iteration, zero for the first sample.

        Several iterations are drawn at once, as many as `num` and `size` decide; the first one by itself.
        """
        together = max(1, min(16, _BLOCK // (num * size)))
        block, place = divmod(iteration + together - 1, together)
        count = together if block else 1
        shape = (count, num, size)
        before = self._drawn.get(count)
        if before is None or before[0] != block or before[1].shape[1:] != shape:
            old = before[1] if before is not None and before[1].shape[1:] == shape else None
            drawn = normal_rows(
                self.seeds, shape, iteration=block, stream=_STREAM, dtype=self.init.dtype, out=old
            )
            shared = drawn.stride(0) == 0
            (drawn[:1] if shared else drawn)[:, :, 0] = 0
            self._drawn[count] = before = (block, drawn)
        return before[1][:, place if block else 0]


def _tile(values: Tensor, times: int) -> Tensor:
    """Write every row (row, ...) `times` times side by side, (row, 1, times * number)."""
    values = values.reshape(len(values), 1, -1)
    return values if times == 1 else values.repeat(1, 1, times)


def _divisor(number: int, limit: int) -> int:
    """Return the largest divisor of `number` up to `limit`, at least 1."""
    return next((factor for factor in range(min(number, limit), 1, -1) if number % factor == 0), 1)
