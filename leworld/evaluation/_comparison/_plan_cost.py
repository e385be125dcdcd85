"""What one search costs: floating-point operations and seconds."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..._checks import check_number, plain_numbers
from ..._typing import Limits
from ...control import MPCPolicy, Policy
from ...data import Observation
from ...errors import ConfigError
from ...models import WorldModel, model_input, rollout_flops
from ...nn import evaluation_mode
from ...planners import CEMPlanner


@final
@plain_numbers
@dataclass(frozen=True)
class PlanCost:
    """What one search of a planner costs, for one environment whose episode has just begun.

    Operations are those that `torch.utils.flop_counter` counts (products of matrices, convolutions and
    attention; a multiplication and its addition are two), with attention as two products of matrices.

    Attributes:
        flops: Operations of the search as the model does it, with what it keeps of past frames.
        plain_flops: Operations where every step predicts anew from the frames of its window, by `predict`.
        encode_flops: Operations of encoding two frames, now and goal; part of both figures above.
        formula_flops: The same by formula: `encode_flops` and, for each candidate of each iteration, what
            `leworld.models.rollout_flops` says of one alone. Above `flops` where candidates share work.
        plain_formula_flops: Likewise without what is kept of past frames.
        seconds: CPU seconds of one search of the process, encoding included, the median of several; wall
            seconds on another device.

    Example:
        ```python
        from leworld.evaluation import PlanCost

        cost = PlanCost(
            flops=10,
            plain_flops=30,
            encode_flops=2,
            formula_flops=12,
            plain_formula_flops=30,
            seconds=0.1,
        )
        assert cost.plain_flops == 3 * cost.flops
        ```
    """

    flops: int
    plain_flops: int
    encode_flops: int
    formula_flops: int
    plain_formula_flops: int
    seconds: float


@plain_numbers
def plan_cost(
    model: WorldModel,
    planner: CEMPlanner,
    *,
    start: Observation,
    goal: Observation,
    action_limits: Limits = (-1.0, 1.0),
    repeats: int = 3,
) -> PlanCost:
    """Measure what one search costs: operations by torch's counter, with and without cached frames, and time.

    One iteration is counted and multiplied, as all are alike. The distance to the goal is left out of the
    count; it has no products of matrices.

    Args:
        model: A world model with its processor, which does not carry a state.
        planner: Its horizon, samples and iterations.
        start: What one environment senses at the start, raw, with the leading axis env = 1.
        goal: What its goal looks like, likewise.
        action_limits: Lowest and highest raw action.
        repeats: Searches to time, after one that warms up.

    Raises:
        ConfigError: A model that carries a state or has no processor, or `repeats` below 1.

    Example:
        ```python
        import leworld
        from leworld.evaluation import plan_cost
        from leworld.planners import CEMPlanner
        from leworld.tasks import task_of

        model = leworld.load("lewm-tworoom-tiny")
        episodes = task_of(model).held_out(2)
        start, goal = (episodes.observation(("pixels",), [row]) for row in (0, 20))
        planner = CEMPlanner(num_samples=20, num_iterations=2)
        cost = plan_cost(model, planner, start=start, goal=goal, repeats=1)
        assert 0 < cost.encode_flops < cost.flops <= cost.plain_flops
        ```
    """
    check_number("plan_cost", "repeats", repeats, low=1, integer=True)
    if model.carries_state:
        raise ConfigError(
            "plan_cost needs a model that predicts from a window of frames",
            f"{type(model).__name__} carries a state from step to step",
            "Time its policy, and count what `model.imagine` does",
        )
    policy = MPCPolicy(model, planner, action_limits=action_limits)
    seconds = [_seconds(model, policy, start, goal) for _ in range(repeats + 1)][1:]
    with evaluation_mode(model), torch.no_grad():
        seen = model_input(model, start)
        encode = 2 * _count(lambda: model.observe(None, seen))
        latents = model.present(model.observe(None, seen))[:, None]
        actions = latents.new_zeros((1, planner.num_samples, planner.horizon, model.action_dim))
        past = latents.new_zeros((1, 0, model.action_dim))
        cached = _count(lambda: model.rollout(latents, past, actions))
        plain = _count(lambda: _plain_rollout(model, latents, actions))
    rounds, candidates = planner.num_iterations, planner.num_samples * planner.num_iterations
    alone, plain_alone = (
        rollout_flops(model, horizon=planner.horizon, cached=kept) for kept in (True, False)
    )
    return PlanCost(
        flops=encode + rounds * cached,
        plain_flops=encode + rounds * plain,
        encode_flops=encode,
        formula_flops=encode + candidates * alone,
        plain_formula_flops=encode + candidates * plain_alone,
        seconds=statistics.median(seconds),
    )


@plain_numbers
def decision_cost(
    model: WorldModel, policy: Policy, *, start: Observation, goal: Observation, repeats: int = 3
) -> PlanCost:
    """Measure what the first decision of any policy costs, as `plan_cost` does that of MPC to a goal.

    Everything that the policy does is counted, heads and proposals too. There is one way of doing it, so all
    figures of operations but that of encoding are equal.

    Args:
        model: The policy's model, whose encoding of one frame is counted apart.
        policy: Whatever acts; it is begun anew.
        start: What one environment senses at the start, raw, with the leading axis env = 1.
        goal: What its goal looks like, likewise.
        repeats: Decisions to time, after one that warms up.

    Raises:
        ConfigError: `repeats` below 1.

    Example:
        ```python
        import leworld
        from leworld.control import MPCPolicy
        from leworld.evaluation import decision_cost
        from leworld.planners import CEMPlanner
        from leworld.tasks import task_of

        model = leworld.load("lewm-tworoom-tiny")
        episodes = task_of(model).held_out(2)
        start, goal = (episodes.observation(("pixels",), [row]) for row in (0, 20))
        policy = MPCPolicy(model, CEMPlanner(num_samples=20, num_iterations=2))
        cost = decision_cost(model, policy, start=start, goal=goal, repeats=1)
        assert 0 < cost.encode_flops < cost.flops
        ```
    """
    check_number("decision_cost", "repeats", repeats, low=1, integer=True)
    seconds = [_seconds(model, policy, start, goal) for _ in range(repeats + 1)][1:]

    def decide() -> None:
        policy.reset(goal)
        policy.act(start)

    flops = _count(decide)
    with evaluation_mode(model), torch.no_grad():
        seen = model_input(model, start)
        encode = _count(lambda: model.observe(None, seen))
    return PlanCost(
        flops=flops,
        plain_flops=flops,
        encode_flops=encode,
        formula_flops=flops,
        plain_formula_flops=flops,
        seconds=statistics.median(seconds),
    )


def _seconds(model: WorldModel, policy: Policy, start: Observation, goal: Observation) -> float:
    weight = next(model.parameters(), None)
    clock = time.process_time if weight is None or weight.device.type == "cpu" else time.perf_counter
    began = clock()
    policy.reset(goal)
    policy.act(start)
    return clock() - began


def _count(work: Callable[[], object]) -> int:
    """Count the operations of `work`, with attention in a form that torch's counter knows on every device."""
    from torch.utils.flop_counter import FlopCounterMode  # brings triton with it

    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def _plain_rollout(model: WorldModel, context: Tensor, actions: Tensor) -> Tensor:
    """Predict every step from its window, as `WorldModel.rollout` is defined."""
    frames = context.repeat_interleave(actions.shape[1], dim=0)
    blocks = actions.flatten(0, 1)
    for now in range(1, actions.shape[2] + 1):
        window = slice(max(0, now - model.history_size), now)
        frames = torch.cat([frames, model.predict(frames[:, window], blocks[:, window])[:, -1:]], dim=1)
    return frames[:, 1:]
