"""Where a policy's searches compute: on its model's device, in its dtype."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..models import WorldModel, to_weights


class PlacedCost:
    """A cost that does not say where it computes, such as a function, with its model's device and dtype."""

    def __init__(self, cost: Callable[[Tensor], Tensor], like: Tensor) -> None:
        self._cost = cost
        self.device = like.device
        self.dtype = like.dtype

    def __call__(self, actions: Tensor) -> Tensor:
        return self._cost(actions)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cost, name)


def place_cost(cost: Callable[[Tensor], Tensor], model: WorldModel) -> Callable[[Tensor], Tensor]:
    """Return a cost that is shown candidates as the model reads them, unless it says otherwise."""
    if not callable(cost) or isinstance(getattr(cost, "dtype", None), torch.dtype):
        return cost
    return PlacedCost(cost, to_weights(model, torch.zeros((), dtype=torch.float32, device="cpu")))


def place_guesses(guesses: Tensor | None, model: WorldModel) -> Tensor | None:
    """Return first guesses as the model reads them; what is no such tensor is left to the planner."""
    if isinstance(guesses, Tensor) and guesses.is_floating_point():
        return to_weights(model, guesses)
    return guesses
