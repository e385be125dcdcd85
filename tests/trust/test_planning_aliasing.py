"""Costs, constraints, models and planners that edit what they get, keep it, and answer into one memory."""

import inspect
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

import leworld.costs
from leworld.costs import (
    ActionCost,
    ConstrainedCost,
    EnsembleCost,
    GoalCost,
    ReturnCost,
    SurpriseCost,
    WeightedSum,
)
from leworld.models import History
from leworld.planners import LiftedCost, Planner, SearchState, WarmStart
from tests.planners.wrong import Outside
from tests.trust.planning import CASES, HORIZON, SIZE, cem, lifted, loose, public_planners, quadratic


class Rude:
    """Calls a function and then spoils every tensor that it was given or has answered so far."""

    def __init__(self, function, *, numpy: bool = False) -> None:
        self.function, self.numpy = function, numpy
        self.seen: list[Tensor] = []
        self.buffers: dict[tuple, Tensor] = {}

    def __call__(self, *tensors: Tensor) -> Tensor:
        answer = self.function(*tensors)
        for tensor in (*self.seen, *tensors):
            self.spoil(tensor)
        self.seen += [tensor.detach() for tensor in tensors]
        if answer.requires_grad:
            return answer
        kind = (answer.shape[2:], answer.dtype)
        rows, samples = answer.shape[:2]
        space = self.buffers.setdefault(kind, answer.new_empty((8, 64, *answer.shape[2:])))
        return space[:rows, :samples].copy_(answer)

    def spoil(self, tensor: Tensor) -> None:
        if self.numpy:  # no counter of versions notices this
            tensor.detach().numpy()[...] = 77.0
        else:
            tensor.data.mul_(3.0).add_(5.0)


class RudeCost(LiftedCost):
    def __init__(self, cost: LiftedCost, numpy: bool) -> None:
        for name in ("rollout", "transition", "goal_distance", "guess_states"):
            setattr(self, name, Rude(getattr(cost, name), numpy=numpy))
        self.call = Rude(cost, numpy=numpy)

    def __call__(self, actions):
        return self.call(actions)

    rollout = transition = goal_distance = guess_states = __call__


def draw(planner: Planner, cost, rows: int = 2, **options):
    seeds = [torch.Generator().manual_seed(seed) for seed in range(rows)]
    return planner.plan(cost, batch=rows, action_dim=SIZE, generator=seeds, **options)


def check_rude_cost(build, numpy: bool) -> None:
    for options in ({}, {"max_candidates": 14}, {"bounds": (-0.2, 0.25)}):
        clean = draw(build(loose), lifted(quadratic), **options)
        spoiled = draw(build(Rude(loose, numpy=numpy)), RudeCost(lifted(quadratic), numpy), **options)
        assert torch.equal(clean.actions, spoiled.actions), f"another plan with {options}"
        assert torch.equal(clean.cost, spoiled.cost)
        assert torch.equal(clean.trace.best_cost, spoiled.trace.best_cost)
        assert torch.equal(clean.trace.mean_cost, spoiled.trace.mean_cost)
        assert clean.outcome == spoiled.outcome


def test_every_planner_is_walked_over():
    built = {type(case.build(loose)) for case in CASES}
    assert built == public_planners()


@pytest.mark.parametrize("numpy", [False, True], ids=["torch", "numpy"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_cost_and_a_constraint_may_do_as_they_like(case, numpy):
    check_rude_cost(case.build, numpy)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_cost_may_edit_before_it_answers(case):
    """In place from the first operation on, also where gradients are recorded."""

    def inplace(actions):
        actions -= 0.3
        return ordered(actions.square_() if not actions.requires_grad else actions.square())

    def ordered(values):
        return values[..., 0, 0] + values[..., 0, 1] + values[..., 1, 0] + values[..., 1, 1]

    clean = draw(case.build(loose), lifted(lambda actions: ordered((actions - 0.3).square())))
    edited = draw(case.build(loose), lifted(inplace))
    assert torch.equal(clean.actions, edited.actions)
    assert torch.equal(clean.cost, edited.cost)


def lends_its_own(horizon, cost, options):
    """A search whose candidates the cost can change."""
    found = cem().plan(cost, **options)
    shown = found.actions[:, None].clone()
    return replace(found, cost=cost(shown)[:, 0], actions=shown[:, 0])


def keeps_no_copy(horizon, cost, options):
    """Compares answers without copying them."""
    found = cem().plan(cost, **options)
    first = cost(found.actions[:, None].clone())
    cost(found.actions[:, None] + 1.0)
    return replace(found, cost=first[:, 0].clone())


@pytest.mark.parametrize("wrong", [lends_its_own, keeps_no_copy])
def test_a_planner_that_shares_is_seen(wrong):
    with pytest.raises(AssertionError):
        check_rude_cost(lambda constraint: Outside(HORIZON, wrong), numpy=False)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_the_caller_gave_is_neither_changed_nor_kept(case):
    init = torch.linspace(-1, 1, 2 * HORIZON * SIZE).reshape(2, HORIZON, SIZE)
    low, high = torch.tensor([-0.5, -0.4]), torch.tensor([0.5, 0.6])
    clean = draw(case.build(loose), lifted(quadratic), init=init.clone(), bounds=(low.clone(), high.clone()))
    given = [init.clone(), low.clone(), high.clone()]
    draw(case.build(loose), lifted(quadratic), init=given[0], bounds=tuple(given[1:]))
    assert all(torch.equal(one, other) for one, other in zip(given, (init, low, high), strict=True))

    def spoils_the_arguments(actions):
        for tensor in given:
            tensor.fill_(0.1)
        return quadratic(actions)

    spoiled = draw(case.build(loose), lifted(spoils_the_arguments), init=given[0], bounds=tuple(given[1:]))
    assert torch.equal(clean.actions, spoiled.actions), "the plan changed with the caller's tensors"


def spans(tensor: Tensor) -> tuple[int, int]:
    start = tensor.data_ptr()
    return start, start + tensor.untyped_storage().nbytes() - tensor.storage_offset() * tensor.itemsize


def tensors_of(plan) -> list[Tensor]:
    stds = [std for std in plan.trace.stds if isinstance(std, Tensor)]
    kept = [] if plan.elites is None else [plan.elites]
    return [plan.actions, plan.cost, *kept, *plan.trace.costs, *stds]


def check_ownership(planner: Planner, cost) -> None:
    """No two tensors of a plan share memory, no rows of one do, and editing them changes no later plan."""
    first = draw(planner, cost)
    places = sorted(spans(tensor) for tensor in tensors_of(first) if tensor.numel())
    assert all(one[1] <= other[0] for one, other in pairwise(places)), "shared memory"
    assert all(
        0 not in tensor.stride() or tensor.numel() == 1 for tensor in tensors_of(first) if tensor.ndim > 1
    )
    kept = first.actions.clone(), first.cost.clone()
    for tensor in tensors_of(first):
        tensor.fill_(9.0)
    again = draw(planner, cost)
    assert torch.equal(again.actions, kept[0])
    assert torch.equal(again.cost, kept[1])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_plan_owns_its_memory(case):
    check_ownership(case.build(loose), lifted(quadratic))


class Untidy(Planner[None]):
    """Writes to everything that it is handed, and returns its own buffers again and again."""

    horizon, num_iterations = HORIZON, 3

    def __init__(self) -> None:
        self.answer, self.std = torch.zeros(2, HORIZON, SIZE), torch.zeros(2)
        self.elites = torch.zeros(2, 1, HORIZON, SIZE)

    def init(self, problem):
        self.answer.copy_(problem.init)
        problem.init.fill_(5.0)
        return SearchState(self.answer, self.std, self.std < 0, None, elites=self.elites)

    def step(self, problem, state, evaluate, iteration):
        noise = problem.uniform(10, *problem.init.shape[1:], iteration=iteration)
        scored = evaluate(noise)
        best = scored.actions[torch.arange(2), scored.costs.argmin(1)].clone()
        evaluate.best_actions.fill_(7.0)
        evaluate.best_cost.fill_(-7.0)
        scored.costs.fill_(-9.0)
        self.std.fill_(float(iteration))
        self.answer.copy_(best)
        self.elites.copy_(best[:, None])
        return state


def test_a_planner_may_be_untidy():
    shown = []

    def watched(actions):
        shown.append(quadratic(actions))
        return shown[-1].clone()

    init = torch.full((2, HORIZON, SIZE), 0.9)
    planner = Untidy()
    plan = draw(planner, watched, init=init)
    assert torch.equal(init, torch.full((2, HORIZON, SIZE), 0.9)), "the caller's first guess was changed"
    assert torch.equal(plan.cost, quadratic(plan.actions[:, None])[:, 0])
    assert torch.equal(plan.cost, torch.cat(shown, 1).amin(1)), "the best was lost"
    assert plan.trace.std.tolist() == [[0.0, 1.0, 2.0]] * 2
    assert torch.equal(plan.trace.best_cost[:, -1], torch.cat(shown[:3], 1).amin(1))
    elites = plan.elites.clone()
    draw(planner, quadratic)
    assert torch.equal(plan.elites, elites), "the next call changed the former plan"
    check_ownership(planner, quadratic)


def test_a_proposal_is_copied():
    proposal = torch.full((2, HORIZON, SIZE), 0.2)

    def propose(init):
        init.fill_(40.0)
        return proposal

    def spoiling(actions):
        proposal.fill_(50.0)
        return quadratic(actions)

    clean = draw(WarmStart(cem(), lambda init: torch.full_like(init, 0.2)), quadratic)
    assert torch.equal(draw(WarmStart(cem(), propose), spoiling).actions, clean.actions)


# ---- costs ------------------------------------------------------------------------------------------------


class Integrator:
    """Moves by the actions; then spoils what it got."""

    def __init__(self, rude: bool) -> None:
        self.rude = rude

    def rollout(self, context, past_actions, actions):
        answer = context[:, None, -1:] + past_actions.sum((1, 2))[:, None, None, None] + actions.cumsum(2)
        if self.rude:
            for tensor in (context, past_actions, actions):
                tensor.data.mul_(3.0).add_(5.0)
        return answer


def rude(function, on):
    return Rude(function) if on else function


def constraint_of(actions):
    return actions.abs().amax((2, 3)).unsqueeze(-1) - 1.0


COSTS = {
    ActionCost: lambda on, given: ActionCost(0.5, 1.0, previous=given["past"][:, 0]),
    ConstrainedCost: lambda on, given: ConstrainedCost(rude(quadratic, on), rude(constraint_of, on)),
    EnsembleCost: lambda on, given: EnsembleCost([one := rude(quadratic, on), rude(quadratic, on), one]),
    GoalCost: lambda on, given: GoalCost(
        Integrator(on),
        given["goal"],
        context=given["context"],
        past_actions=given["past"],
        readout=rude(lambda states: 2 * states, False) if not on else spoiling_readout,
    ),
    ReturnCost: lambda on, given: ReturnCost(
        Integrator(on),
        rude(lambda states: states.sum(-1), on),
        context=given["context"],
        past_actions=given["past"],
        value=rude(lambda states: states.square().sum(-1), on),
    ),
    SurpriseCost: lambda on, given: SurpriseCost(
        Integrator(on),
        state=History(given["context"], given["past"]),
        reference=given["reference"],
    ),
    WeightedSum: lambda on, given: WeightedSum(
        {"one": (one := rude(quadratic, on)), "two": rude(constraint_sum, on), "three": one},
        {"one": 1.0, "two": 2.0, "three": 0.5},
    ),
}


def constraint_sum(actions):
    return constraint_of(actions)[..., 0]


def spoiling_readout(states):
    answer = 2 * states
    states.data.fill_(9.0)
    return answer


def given_tensors() -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(0)
    shapes = {"context": (2, 2, 2), "past": (2, 1, 2), "goal": (2, 2), "reference": (20, 2)}
    return {name: torch.randn(shape, generator=source) for name, shape in shapes.items()}


def check_cost(build) -> None:
    """The same values with and without rude parts, before and after the caller's tensors were changed."""
    actions = torch.randn(2, 5, HORIZON, SIZE, generator=torch.Generator().manual_seed(1))
    expected = build(False, given_tensors())(actions)
    given = given_tensors()
    cost, shown = build(True, given), actions.clone()
    assert torch.equal(cost(shown), expected), "spoilt within the first call"
    assert torch.equal(shown, actions), "the caller's candidates were changed"
    original = given_tensors()
    assert all(torch.equal(given[name], original[name]) for name in given), (
        "the caller's tensors were changed"
    )
    for tensor in given.values():
        tensor.fill_(11.0)
    assert torch.equal(cost(shown), expected), "changed by the caller, or by the first call"


def test_every_cost_is_walked_over():
    public = {
        kind
        for kind in vars(leworld.costs).values()
        if inspect.isclass(kind) and not getattr(kind, "_is_protocol", False)
    }
    assert set(COSTS) == public


@pytest.mark.parametrize("kind", COSTS, ids=lambda kind: kind.__name__)
def test_a_cost_keeps_copies(kind):
    check_cost(COSTS[kind])


def test_a_cost_that_keeps_the_callers_goal_is_seen():
    def build(on, given):
        return lambda actions: (actions.sum(2) - given["goal"][:, None]).square().sum(2)

    with pytest.raises(AssertionError, match="by the caller"):
        check_cost(build)


def test_the_lifted_methods_of_a_goal_cost_are_safe_too():
    given = given_tensors()
    clean, spoiled = (COSTS[GoalCost](on, given_tensors()) for on in (False, True))
    actions = torch.randn(2, 5, HORIZON, SIZE, generator=torch.Generator().manual_seed(1))
    states = clean.rollout(actions)
    for _ in range(2):
        assert torch.equal(spoiled.rollout(actions), states)
        assert torch.equal(spoiled.goal_distance(states), clean.goal_distance(states))
        assert torch.equal(
            spoiled.transition(states[:, :, :-1], actions), clean.transition(states[:, :, :-1], actions)
        )
    assert torch.equal(states, clean.rollout(actions))
    assert torch.equal(given["goal"], given_tensors()["goal"])
    assert np.isfinite(spoiled(actions).numpy()).all()
