"""A cost of stable-worldmodel, such as a model of its, as a cost of leworld."""

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from .._checks import describe
from .._lending import copied
from ..errors import ConfigError, ShapeError
from ..nn import evaluation_mode
from ._cost import SWMCost

_REMEMBERED = ("_init_cached_info", "_goal_cached_info")  # by PreJEPA, for an episode's id and step alone
Memory = list[tuple[nn.Module, str, Any]]


@final
class CostableCost:
    """A cost of stable-worldmodel as a cost for leworld's planners.

    Anything that has its `get_cost` will do: a model of the released 0.1.1, TD-MPC2 of either version, a
    `ShootingCostEvaluator` of the main branch, or `SWMCost`. A model of the main branch alone has no cost;
    make it one with `ShootingCostEvaluator(model, GoalMSE())`.

    Each row is asked on its own: the models of 0.1.1 mix up goals and candidates of several environments, and
    wrongly without an error where there are as many of both. They run in evaluation mode. What they write
    into an info, and what a PreJEPA remembers by itself, is kept for the next call of the same row, as they
    expect, and forgotten with this object.

    Shapes:
        `cost(actions)`: (batch, sample, horizon, action) -> (batch, sample).

    Args:
        costable: Has `get_cost(info, candidates)`.
        info: What the library's policy gives to a solver: tensors, arrays or lists by name, a row an
            environment, (batch, 1, ...). Copied.

    Attributes:
        device: Where candidates should live; planners read it.
        dtype: Their dtype.

    Raises:
        ConfigError: If `costable` has no `get_cost`, or the info no row.
        ShapeError: If rows differ in number, or `get_cost` returns another shape.

    Source: galilai-group/stable-worldmodel, release 0.1.1 and main (solver/cem.py), whose way to expand an
    info this is.

    Example:
        ```python
        import torch
        from leworld.interop import CostableCost
        from leworld.planners import CEMPlanner

        class Reach:  # anything with `get_cost`
            def get_cost(self, info_dict, action_candidates):
                return (action_candidates.sum(2) - info_dict["target"]).square().sum(-1)

        cost = CostableCost(Reach(), {"target": torch.tensor([[1.0], [2.0]])})
        plan = CEMPlanner(horizon=2).plan(cost, batch=2, action_dim=1)
        assert torch.allclose(plan.actions.sum((1, 2)), torch.tensor([1.0, 2.0]), atol=0.01)
        ```
    """

    def __init__(self, costable: Any, info: Mapping[str, Any]) -> None:
        if not callable(getattr(costable, "get_cost", None)):
            only_dynamics = callable(getattr(costable, "rollout", None))
            raise ConfigError(
                "CostableCost needs `costable` to have `get_cost(info, candidates)`",
                f"it is {describe(costable)}" + (", which only rolls out" if only_dynamics else ""),
                "Pass `stable_worldmodel.planning.ShootingCostEvaluator(model, GoalMSE())`"
                if only_dynamics
                else "Pass a model or cost of stable-worldmodel, or a SWMCost",
            )
        self.costable = costable
        weight = next(costable.parameters(), None) if hasattr(costable, "parameters") else None
        self.device = torch.device("cpu") if weight is None else weight.device
        self.dtype = torch.float32 if weight is None else weight.dtype
        with torch.inference_mode(False), torch.no_grad():
            self._info = {key: self._placed(copied(value)) for key, value in _entries(info).items()}
        self._batch = _num_rows(self._info)
        self._together = isinstance(costable, SWMCost)
        self._kept: dict[tuple[int, int], tuple[dict[str, Any], Memory]] = {}

    def __len__(self) -> int:
        return self._batch

    def __call__(self, actions: Tensor) -> Tensor:
        """Return the cost of every candidate."""
        if actions.ndim != 4 or len(actions) != self._batch:
            raise ShapeError(
                f"CostableCost needs candidates (batch, sample, horizon, action) for its {self._batch} rows",
                f"they are {describe(actions)}",
                "Plan with `batch` = the number of rows of the info",
            )
        if self._together:
            return self._asked(0, self._batch, actions)
        return torch.cat([self._asked(row, 1, actions[row : row + 1]) for row in range(self._batch)])

    def _asked(self, row: int, count: int, actions: Tensor) -> Tensor:
        samples = actions.shape[1]
        # what was written for another number of candidates does not fit
        written, remembered = self._kept.get((row, samples), ({}, []))
        self._kept = {key: kept for key, kept in self._kept.items() if key[0] != row}
        rows = slice(row, row + count)
        # a graph of one call must not reach into the next: what is written then is kept for that call only
        info = {} if actions.requires_grad else written
        info.update({key: _expanded(copied(value[rows]), samples) for key, value in self._info.items()})
        _take_memory(self.costable)
        _give_memory(remembered)
        try:
            with evaluation_mode(self.costable):
                costs = self.costable.get_cost(info, actions.clone())
        finally:
            remembered = _take_memory(self.costable)
        if not actions.requires_grad:
            self._kept[row, samples] = (info, remembered)
        due = (count, samples)
        if not isinstance(costs, Tensor) or tuple(costs.shape) != due or not costs.is_floating_point():
            raise ShapeError(
                f"CostableCost needs `get_cost` to return a floating-point tensor (batch, sample) = {due}",
                f"it returned {describe(costs)}",
                "Give one number a candidate",
            )
        return costs.clone()  # whoever answered may use its memory again for the next row

    def _placed(self, value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            value = torch.from_numpy(value)
        if not isinstance(value, Tensor):
            return value
        return value.to(self.device, self.dtype if value.is_floating_point() else None)


def _entries(info: object) -> Mapping[str, Any]:
    if not isinstance(info, Mapping) or not info:
        raise ConfigError(
            "CostableCost needs `info` to hold entries by name", f"it is {describe(info)}", "Pass an info"
        )
    return {key: value for key, value in info.items() if isinstance(value, Tensor | np.ndarray | list)}


def _num_rows(info: Mapping[str, Any]) -> int:
    sizes = {key: len(value) for key, value in info.items() if not isinstance(value, Tensor) or value.ndim}
    if len(set(sizes.values())) != 1 or not next(iter(sizes.values())):
        raise ShapeError(
            "CostableCost needs entries with as many rows, one an environment",
            f"they have {sizes or 'none'}"[:300],
            "Pass tensors, arrays or lists with the environments along their first axis",
        )
    return next(iter(sizes.values()))


def _expanded(value: Any, samples: int) -> Any:
    if isinstance(value, Tensor):
        return value.unsqueeze(1).expand(len(value), samples, *value.shape[1:])
    if isinstance(value, np.ndarray):
        return np.repeat(value[:, None], samples, axis=1)
    return value


def _take_memory(costable: object) -> Memory:
    """Take from a PreJEPA what it remembers, which is of one row and one number of candidates."""
    found: Memory = []
    if isinstance(costable, nn.Module):
        for part in costable.modules():
            found += [(part, name, vars(part).pop(name)) for name in _REMEMBERED if name in vars(part)]
    return found


def _give_memory(memory: Memory) -> None:
    for part, name, value in memory:
        vars(part)[name] = value
