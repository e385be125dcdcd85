"""What a planner carries from one iteration to the next."""

from dataclasses import dataclass
from typing import Generic, TypeVar, final

from jaxtyping import Bool, Float
from torch import Tensor

M = TypeVar("M")


@final
@dataclass(frozen=True)
class SearchState(Generic[M]):
    """What a planner's `step` takes and returns.

    Attributes:
        actions: The planner's present answer, for CEM the mean of its distribution.
        std: Root mean square spread of the search around it, for the trace.
        converged: Whether the planner considers a row finished. Iterations go on for the other rows' sake;
            the flag only decides the row's `Outcome`.
        memory: Whatever else the planner needs, for CEM the standard deviations. Opaque to `plan`.
        elites: Sequences worth trying again in the next planning call, best first (batch, elite, horizon,
            action); None if the planner keeps none. They become `Plan.elites`.

    Example:
        ```python
        import torch
        from leworld.planners import SearchState

        state = SearchState(torch.zeros(2, 5, 3), torch.ones(2), torch.zeros(2, dtype=torch.bool), None)
        assert state.actions.shape == (2, 5, 3)
        ```
    """

    actions: Float[Tensor, "batch horizon action"]
    std: Float[Tensor, " batch"]
    converged: Bool[Tensor, " batch"]
    memory: M
    elites: Float[Tensor, "batch elite horizon action"] | None = None
