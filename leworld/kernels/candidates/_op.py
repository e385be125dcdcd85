"""The choice between implementations, made once a search."""

from typing import Protocol

from torch import Tensor

from .._registry import _choose, _register
from . import _native, _reference

_register("candidates", ("native", _native.obstacle), ("reference", lambda tensor: None))


class Candidates(Protocol):
    """What a search does around its cost; every row depends on itself alone.

    Tensors may lie in memory as they like, but for `best` and `best_costs`, which are contiguous.
    """

    def sample_gaussian(
        self, table: Tensor, places: list[int], mean: Tensor, std: Tensor | float, num: int
    ) -> Tensor:
        """Draw `num` candidates around the mean of each row, which is the first of them.

        The others are mean + std * noise, with noise that each row reads from its place in a table on.

        Args:
            table: Standard normal numbers, on a CPU in float32.
            places: Where in it each row begins to read; at least num * horizon * action numbers follow.
            mean: (row, horizon, action), on a CPU in float32.
            std: One number, or (row, horizon, action).
            num: Candidates a row.
        """
        ...

    def keep_best(
        self, actions: Tensor, costs: Tensor, best: Tensor, best_costs: Tensor
    ) -> tuple[Tensor, bool]:
        """Write the cheapest candidate of each row into `best` and `best_costs`, in place, if it is better.

        A cost that is NaN or infinite, of either sign, never is.

        Args:
            actions: Candidates (row, sample, horizon, action).
            costs: (row, sample).
            best: The best so far, (row, horizon, action).
            best_costs: Their costs (row), infinite where there is none.

        Returns:
            A copy of the costs in which those that are not finite have become +inf, and whether all are;
            False also where telling would wait for a device.
        """
        ...

    def refit_gaussian(
        self,
        actions: Tensor,
        costs: Tensor,
        num: int,
        mean: Tensor,
        std: Tensor,
        correction: int,
        floor: float,
    ) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation over the `num` candidates of lowest cost, a row's elites.

        Args:
            actions: Candidates (row, sample, horizon, action).
            costs: (row, sample). Candidates of NaN or infinite cost are no elites.
            num: At most `sample`.
            mean: What rows without an elite keep, (row, horizon, action).
            std: Likewise.
            correction: 0 for the population's standard deviation, 1 for the sample's, which of one is 0.
            floor: No standard deviation that is returned lies below it.
        """
        ...


def candidates(tensor: Tensor, implementation: str = "auto") -> Candidates:
    """Return the functions for tensors like this one.

    Args:
        tensor: Decides by its device and dtype.
        implementation: "auto", "native" (C, compiled at first use; float32 on a CPU) or "reference".
    """
    return _native if _choose("candidates", implementation, tensor) == "native" else _reference


def prepare() -> None:
    """Compile what can be compiled, so that no search waits for it."""
    _native.library()
