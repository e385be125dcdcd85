"""One search over all processes of a group: each plans for its share of the rows."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

import torch
import torch.distributed as dist
from torch import Tensor

from .._checks import check_number, describe, plain_numbers
from .._distributed import active_group, check_group
from ..errors import ConfigError
from ._plan import Plan, Trace
from ._planner import Planner
from ._wrappers import PlannerAround

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@final
@plain_numbers
class OverRanks(PlannerAround):
    """Shares the rows of a planning call among the processes of a group, which all get the whole plan.

    Rows are searched independently, each from its own seed, so that the plan is that of one process: bit for
    bit where the cost computes rows independently, else to rounding. `MPCPolicy` takes it as its planner:
    every process gives the policy the same observations and goals, plans for its share of the environments,
    and gets the actions of all.

    Around costs of your own it plans what it is given; `rows` says which rows are this process's, and
    `gather` puts the plans of all together:

        sharded = OverRanks(CEMPlanner(horizon=5))
        rows = sharded.rows(batch)
        part = sharded.plan(cost_of(rows), batch=rows.stop - rows.start, action_dim=2, generator=seeds[rows])
        plan = sharded.gather(part)

    with one seed a row, and None in place of `part` where there are fewer rows than processes.

    Args:
        planner: The planner of every process, the same in all.
        group: "world" for all processes, or a process group of torch.distributed. Where none is initialised,
            this process plans for all rows.

    Raises:
        ConfigError: `planner` is no planner, or `group` no group.

    Example:
        ```python
        from leworld.planners import CEMPlanner, OverRanks

        sharded = OverRanks(CEMPlanner(horizon=2, num_samples=32, num_elites=4))
        rows = sharded.rows(3)
        cost = lambda actions: (actions - 0.5).square().sum((2, 3))
        plan = sharded.gather(sharded.plan(cost, batch=rows.stop - rows.start, action_dim=1))
        assert len(plan.actions) == 3
        ```
    """

    def __init__(self, planner: Planner[Any], group: "ProcessGroup | str" = "world") -> None:
        super().__init__(planner)
        check_group("OverRanks", group)
        if group is None:
            raise ConfigError(
                "OverRanks needs a `group` of processes", "it is None", 'Pass "world", or plan without it'
            )
        self.group = group

    @plain_numbers
    def rows(self, batch: int) -> slice:
        """Return which of `batch` rows this process plans for: shares differ by one row at most."""
        check_number("OverRanks.rows", "batch", batch, low=1, integer=True)
        group = active_group(self.group)
        if group is None:
            return slice(0, batch)
        ranks, rank = dist.get_world_size(group), dist.get_rank(group)
        return slice(rank * batch // ranks, (rank + 1) * batch // ranks)

    def gather(self, plan: Plan | None) -> Plan:
        """Put the plans of all processes together, in the order of the rows; every process has to call it.

        Args:
            plan: What this process planned for its rows; None if it had none.

        Raises:
            ConfigError: No process had a row.
        """
        group = active_group(self.group)
        parts: list[Plan | None] = [plan]
        if group is not None:
            parts = [None] * dist.get_world_size(group)
            dist.all_gather_object(parts, None if plan is None else _on_cpu(plan), group=group)
        found = [part for part in parts if part is not None]
        if not found:
            raise ConfigError(
                "OverRanks.gather needs the plan of at least one process",
                f"all of them gave {describe(plan)}",
                "Plan for the rows that `rows` returns",
            )
        if group is None:
            return found[0]
        device = torch.device("cpu") if plan is None else plan.actions.device
        elites = [part.elites for part in found if part.elites is not None]
        return Plan(
            torch.cat([part.actions for part in found]).to(device),
            torch.cat([part.cost for part in found]).to(device),
            tuple(outcome for part in found for outcome in part.outcome),
            _joined([part.trace for part in found], device),
            torch.cat(elites).to(device) if len(elites) == len(found) else None,
        )


def _on_cpu(plan: Plan) -> Plan:
    trace = plan.trace
    return replace(
        plan,
        actions=plan.actions.cpu(),
        cost=plan.cost.cpu(),
        trace=Trace(
            tuple(costs.cpu() for costs in trace.costs),
            trace.calls,
            tuple(_moved(std, torch.device("cpu")) for std in trace.stds),
            trace.num_evaluations,
        ),
        elites=None if plan.elites is None else plan.elites.cpu(),
    )


def _moved(value: Tensor | float, device: torch.device) -> Tensor | float:
    return value.to(device) if isinstance(value, Tensor) else value


def _joined(traces: Sequence[Trace], device: torch.device) -> Trace:
    """Lay traces side by side; where time ended a search earlier, its later costs are infinite."""
    longest = max(traces, key=lambda trace: (len(trace.calls), len(trace.costs)))
    costs, stds = [], []
    for place, like in enumerate(longest.costs):
        parts = [
            trace.costs[place]
            if place < len(trace.costs)
            else like.new_full((len(trace.costs[0]), like.shape[1]), math.inf)
            for trace in traces
        ]
        costs.append(torch.cat(parts).to(device))
    for place in range(len(longest.stds)):
        stds.append(torch.cat([_std_of(trace, place) for trace in traces]).to(device))
    most = max(trace.num_evaluations for trace in traces)
    return Trace(tuple(costs), longest.calls, tuple(stds), most)


def _std_of(trace: Trace, place: int) -> Tensor:
    """Return the spread of every row after an iteration, or after the last one that there was."""
    std = trace.stds[min(place, len(trace.stds) - 1)]
    return std if isinstance(std, Tensor) else std * torch.ones_like(trace.costs[0][:, 0])
