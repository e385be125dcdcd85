"""What a planner carries from one iteration to the next."""

from dataclasses import dataclass
from typing import Generic, TypeVar, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ._short import listing

M = TypeVar("M")


@final
@dataclass(frozen=True)
class SearchState(Generic[M]):
    """What a planner's `step` takes and returns.

    Attributes:
        actions: The planner's present answer, for CEM the mean of its distribution.
        std: Spread of the search around it, for the trace: one number for all rows or one a row, or standard
            deviations (batch, ...), of which the trace holds the root mean square.
        converged: Whether the planner considers a row finished, or the largest part of `std` at which it
            does. Iterations go on for the other rows' sake; this only decides the row's `Outcome`.
        memory: Whatever else the planner needs, for CEM the standard deviations. Opaque to `plan`.
        elites: Sequences worth trying again in the next planning call, best first (batch, elite, horizon,
            action); None if the planner keeps none. They become `Plan.elites`.
        cost: The true cost of `actions` where the planner knows it, infinite where none was finite. `plan`
            measures it if None.

    Example:
        ```python
        import torch
        from leworld.planners import SearchState

        state = SearchState(torch.zeros(2, 5, 3), torch.ones(2), torch.zeros(2, dtype=torch.bool), None)
        assert state.actions.shape == (2, 5, 3)
        ```
    """

    actions: Float[Tensor, "batch horizon action"]
    std: Float[Tensor, "batch *parts"] | float  # noqa: F821 -- names of axes
    converged: Bool[Tensor, " batch"] | float
    memory: M
    elites: Float[Tensor, "batch elite horizon action"] | None = None
    cost: Float[Tensor, " batch"] | None = None

    def __repr__(self) -> str:
        return listing(self, actions=self.actions, std=self.std, converged=self.converged)

    def finished(self) -> Bool[Tensor, " batch"]:
        """Return whether each row has converged."""
        if isinstance(self.converged, Tensor):
            return self.converged
        spread = (
            self.std if isinstance(self.std, Tensor) else torch.full_like(self.actions[:, 0, 0], self.std)
        )
        largest = spread.flatten(1).amax(1) if spread.ndim > 1 else spread
        return largest <= self.converged
