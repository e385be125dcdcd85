"""Costs made of costs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, final

import torch
from torch import Tensor

from .._checks import check_choice, check_number, describe
from ..errors import ConfigError

CostFunction = Callable[[Tensor], Tensor]


@final
class WeightedSum:
    """Adds named costs with visible weights.

    Args:
        costs: Cost functions by name.
        weights: One weight a name; may be negative.

    Example:
        ```python
        import torch
        from leworld.costs import ActionCost, WeightedSum

        reach = lambda actions: (actions.sum((2, 3)) - 2.0).square()
        cost = WeightedSum({"reach": reach, "effort": ActionCost()}, {"reach": 1.0, "effort": 0.1})
        actions = torch.ones(1, 1, 3, 1)
        assert cost.terms(actions)["effort"].item() == 3
        assert abs(cost(actions).item() - 1.3) < 1e-6
        ```
    """

    def __init__(self, costs: Mapping[str, CostFunction], weights: Mapping[str, float]) -> None:
        _check_costs("WeightedSum", list(costs.values()))
        if set(costs) != set(weights):
            raise ConfigError(
                "WeightedSum needs one weight for every cost",
                f"`costs` are named {sorted(costs)} and `weights` {sorted(weights)}",
                "Use the same names",
            )
        for name, weight in weights.items():
            check_number("WeightedSum", f"weights[{name!r}]", weight)
        self.costs = dict(costs)
        self.weights = dict(weights)
        self.device, self.dtype = _home(list(costs.values()))

    def __call__(self, actions: Tensor) -> Tensor:
        """Return the weighted sum, (batch, sample)."""
        return torch.stack([self.weights[name] * term for name, term in self.terms(actions).items()]).sum(0)

    def terms(self, actions: Tensor) -> dict[str, Tensor]:
        """Return every cost by name, without its weight."""
        return {name: _apart(cost, actions) for name, cost in self.costs.items()}


@final
class EnsembleCost:
    """Judges candidates by several models: by their mean, or by the worst of them.

    The worst case keeps a planner from exploiting the errors of one model. Costs as much as its members
    together.

    Args:
        costs: One cost a member, for example a `GoalCost` for each of several trained models.
        reduce: "mean" or "worst". A candidate with a NaN from any member is NaN.

    Example:
        ```python
        import torch
        from leworld.costs import EnsembleCost

        members = [lambda actions, s=s: (actions.sum((2, 3)) - s).abs() for s in (0.0, 1.0)]
        assert EnsembleCost(members, reduce="worst")(torch.ones(1, 1, 1, 1)).item() == 1
        ```
    """

    def __init__(self, costs: Sequence[CostFunction], *, reduce: Literal["mean", "worst"] = "mean") -> None:
        _check_costs("EnsembleCost", list(costs))
        check_choice("EnsembleCost", "reduce", reduce, ("mean", "worst"))
        self.costs = tuple(costs)
        self.reduce = reduce
        self.device, self.dtype = _home(list(costs))

    def __call__(self, actions: Tensor) -> Tensor:
        """Return the mean or the largest of the members' costs, (batch, sample)."""
        each = torch.stack([_apart(cost, actions) for cost in self.costs])
        return each.amax(0) if self.reduce == "worst" else each.mean(0)


def _apart(cost: CostFunction, actions: Tensor) -> Tensor:
    """Call a cost with memory of its own, so that it changes nothing for the next one."""
    return cost(actions.clone()).clone()


def _check_costs(owner: str, costs: list[CostFunction]) -> None:
    if not costs:
        raise ConfigError(f"{owner} needs at least one cost", "`costs` is empty", "Pass the costs to combine")
    for cost in costs:
        if not callable(cost):
            raise ConfigError(
                f"{owner} needs costs to be functions of the actions",
                f"one of them is {describe(cost)}",
                "Pass for example a GoalCost",
            )


def _home(costs: list[CostFunction]) -> tuple[torch.device | None, torch.dtype | None]:
    """Return device and dtype of the first cost that has them."""
    for cost in costs:
        device, dtype = getattr(cost, "device", None), getattr(cost, "dtype", None)
        if isinstance(device, torch.device) and isinstance(dtype, torch.dtype):
            return device, dtype
    return None, None
