"""What actions themselves cost."""

from typing import final

from jaxtyping import Float
from torch import Tensor

from .._checks import check_finite, check_number
from .._lending import own_copy
from .._typing import shapechecked
from ..errors import ShapeError


@final
class ActionCost:
    r"""Penalises large and jerky actions.

    $$c(a_{1:H}) = w_m \sum_t |a_t|^2 + w_s \sum_t |a_t - a_{t-1}|^2$$

    In normalised actions the first term measures the distance from the mean action of the training data. Add
    it to a goal cost with `WeightedSum`; costs next to nothing.

    Args:
        magnitude: Weight w_m.
        smoothness: Weight w_s. For action blocks it compares whole blocks, not the steps inside.
        previous: The action before the plan (batch, action), so that the first step is compared too. A copy
            is kept.

    Example:
        ```python
        import torch
        from leworld.costs import ActionCost

        cost = ActionCost(magnitude=1.0, smoothness=2.0)
        assert cost(torch.tensor([[[[1.0], [3.0]]]])).item() == 1 + 9 + 2 * 4
        ```
    """

    @shapechecked
    def __init__(
        self,
        magnitude: float = 1.0,
        smoothness: float = 0.0,
        *,
        previous: Float[Tensor, " batch action"] | None = None,
    ) -> None:
        check_number("ActionCost", "magnitude", magnitude, low=0)
        check_number("ActionCost", "smoothness", smoothness, low=0)
        if previous is not None:
            check_finite("ActionCost", "previous", previous)
        self.magnitude = magnitude
        self.smoothness = smoothness
        self.previous = None if previous is None else own_copy(previous)

    @shapechecked
    def __call__(
        self, actions: Float[Tensor, "batch sample horizon action"]
    ) -> Float[Tensor, "batch sample"]:
        """Return the cost of every candidate."""
        change = actions.diff(dim=2).square().sum((2, 3))
        if self.previous is not None:
            if self.previous.shape != (actions.shape[0], actions.shape[3]):
                raise ShapeError(
                    f"ActionCost needs `previous` of shape {(actions.shape[0], actions.shape[3])}",
                    f"it has shape {tuple(self.previous.shape)}",
                    "Give one action a row, of the planned size",
                )
            change = change + (actions[:, :, 0] - self.previous.to(actions).unsqueeze(1)).square().sum(2)
        return self.magnitude * actions.square().sum((2, 3)) + self.smoothness * change
