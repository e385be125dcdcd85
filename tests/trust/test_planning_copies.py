"""Everything of planning can be pickled and copied, and what comes back plans the same actions."""

import copy
import inspect
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

import leworld.control
import leworld.costs
import leworld.models
import leworld.planners
from leworld.control import (
    ActorPolicy,
    Decision,
    GoalConditionedInverseModel,
    InversePolicy,
    MPCPolicy,
    Policy,
    PolicyProposals,
    RandomPolicy,
    RecordedSubgoals,
    Situation,
    StateGoal,
    Subgoals,
)
from leworld.costs import (
    ActionCost,
    ConstrainedCost,
    EnsembleCost,
    GoalCost,
    ReturnCost,
    SurpriseCost,
    WeightedSum,
)
from leworld.data import Observation
from leworld.models import History, Losses
from leworld.planners import (
    CEMPlanner,
    CMAESPlanner,
    Evaluated,
    Evaluator,
    ICEMPlanner,
    Outcome,
    Plan,
    Planner,
    Problem,
    SearchState,
    Trace,
)
from tests.control.fakes import FRAMESKIP, paint, point_model
from tests.control.test_subgoals import WAY, recorded
from tests.models.tdmpc2 import tdmpc2
from tests.trust.planning import CASES, HORIZON, SIZE, lifted, loose, quadratic

ROUNDS: dict[str, Callable] = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
}


class Drift:
    """A latent model that pickle can find by name."""

    def rollout(self, context, past_actions, actions):
        return context[:, None, -1:] + actions.cumsum(2)


def cost_of(actions: Tensor) -> Tensor:
    return quadratic(actions)


def problem() -> Problem:
    low = -torch.ones(SIZE)
    return Problem(torch.zeros(2, HORIZON, SIZE), low, -low, torch.tensor([3, 4]), torch.float32)


def plan_of(planner: Planner) -> list[Tensor]:
    found = planner.plan(PLAIN, batch=2, action_dim=SIZE, generator=7, bounds=(-1.0, 1.0))
    return [found.actions, found.cost, found.trace.mean_cost]


PLAIN = lifted(quadratic)


def goal_cost() -> GoalCost:
    return GoalCost(Drift(), torch.ones(2, SIZE), context=torch.zeros(2, 1, SIZE))


def situation() -> Situation:
    model = tdmpc2().eval()
    latents = torch.linspace(0, 1, 2 * 8).reshape(2, 8)
    state = History(latents.unsqueeze(1), torch.zeros(2, 0, 4))
    return Situation(model, state, latents, goal=None, horizon=2, former=None, environments=(0, 1))


def summed(latents: Tensor) -> Tensor:
    return latents.sum(-1)


def costs_of(cost) -> list[Tensor]:
    return [cost(torch.linspace(-1, 1, 2 * 3 * HORIZON * SIZE).reshape(2, 3, HORIZON, SIZE))]


def policy_of(planner: Planner) -> Callable[[], Policy]:
    def build() -> Policy:
        policy = MPCPolicy(point_model(), planner, receding_horizon=1)
        policy.reset(paint(np.array([[0.5, 0.5]])))
        policy.act(paint(np.array([[0.0, 0.0]])))
        return policy

    return build


def act(policy: Policy) -> list[Tensor]:
    return [torch.from_numpy(np.asarray(policy.act(paint(np.array([[0.1, 0.0]]))))) for _ in range(3)]


def tensors_of(value: object) -> list[Tensor]:
    fields = [getattr(value, name) for name in value.__dataclass_fields__]
    return [field for field in fields if isinstance(field, Tensor)]


def made_plan() -> Plan:
    return ICEMPlanner(HORIZON, 20, num_iterations=2).plan(cost_of, batch=2, action_dim=SIZE)


def evaluator() -> Evaluator:
    evaluate = Evaluator(cost_of, problem(), max_candidates=4)
    evaluate(torch.linspace(-1, 1, 2 * 3 * HORIZON * SIZE).reshape(2, 3, HORIZON, SIZE))
    return evaluate


def inverse() -> GoalConditionedInverseModel:
    torch.manual_seed(0)
    return GoalConditionedInverseModel(2, 2 * FRAMESKIP, hidden_dim=8)


# Class -> how to make one, and what of it must be the same afterwards.
OTHERS: dict[type, tuple[Callable[[], object], Callable[..., list[Tensor]]]] = {
    ActionCost: (lambda: ActionCost(1.0, 2.0, previous=torch.ones(2, SIZE)), costs_of),
    ConstrainedCost: (lambda: ConstrainedCost(cost_of, loose), costs_of),
    EnsembleCost: (lambda: EnsembleCost([cost_of, ActionCost()]), costs_of),
    GoalCost: (goal_cost, costs_of),
    ReturnCost: (
        lambda: ReturnCost(Drift(), summed, context=torch.ones(2, 1, SIZE)),
        costs_of,
    ),
    SurpriseCost: (
        lambda: SurpriseCost(Drift(), context=torch.ones(2, 1, SIZE), reference=torch.eye(2)),
        costs_of,
    ),
    WeightedSum: (lambda: WeightedSum({"goal": goal_cost()}, {"goal": 2.0}), costs_of),
    Problem: (problem, lambda value: [value.sample(value.init, 1.0, 5, iteration=0), value.seeds]),
    Evaluator: (evaluator, lambda value: [value.best_actions, value.best_cost, *value.costs]),
    Evaluated: (lambda: Evaluated(torch.ones(1, 2, 1, 1), torch.ones(1, 2)), tensors_of),
    SearchState: (lambda: SearchState(torch.ones(1, 1, 1), torch.ones(1), 0.5, None), tensors_of),
    Plan: (made_plan, tensors_of),
    Trace: (lambda: made_plan().trace, lambda value: [value.best_cost, value.mean_cost, value.std]),
    Outcome: (lambda: Outcome.converged, lambda value: [torch.tensor(value is Outcome.converged)]),
    Losses: (
        lambda: Losses({"one": torch.ones(())}, torch.zeros(1, 1, 1), {"one": torch.ones(()) * 2}),
        lambda value: [value.total, value.logged["one"], value.latents],
    ),
    History: (lambda: History(torch.ones(1, 2, 3), torch.ones(1, 1, 2)), tensors_of),
    MPCPolicy: (policy_of(CMAESPlanner(3, 6, num_iterations=2)), act),
    PolicyProposals: (
        lambda: PolicyProposals(2, seed=3),
        lambda value: [value(situation()) for _ in range(2)],
    ),
    RandomPolicy: (lambda: begun(RandomPolicy(2, seed=3)), act),
    InversePolicy: (lambda: inverse_policy(), act),
    ActorPolicy: (lambda: begun(ActorPolicy(point_model(), same_block, explore=False)), act),
    GoalConditionedInverseModel: (
        inverse,
        lambda value: [parameter.detach() for parameter in value.parameters()],
    ),
    Decision: (
        lambda: Decision(0, (3,), made_plan(), 1.5, torch.tensor([0.1])),
        lambda value: [value.surprise, value.plan.actions],
    ),
    Situation: (
        lambda: Situation(
            model=point_model(),
            state=History(torch.ones(1, 1, 2), torch.ones(1, 0, 4)),
            latents=torch.ones(1, 2),
            goal=None,
            horizon=3,
            former=None,
            environments=(0,),
        ),
        lambda value: [value.latents, value.state.latents],
    ),
    Observation: (
        lambda: paint(np.array([[0.5, 0.5]])),
        lambda value: [torch.from_numpy(value.pixels)],
    ),
    RecordedSubgoals: (
        lambda: RecordedSubgoals(point_model(), recorded(WAY)),
        lambda value: [value.frames, value.toward(value.frames[:1], value.frames[-1:], reach=2).latents],
    ),
    Subgoals: (
        lambda: Subgoals(torch.zeros(1, 4), torch.tensor([-1]), torch.tensor([2.5])),
        tensors_of,
    ),
    StateGoal: (
        lambda: StateGoal(np.ones((1, 2)), same),
        lambda value: [torch.from_numpy(value.state)],
    ),
}


def same(states):
    return states


def same_block(latents):
    return latents.repeat(1, FRAMESKIP)


def inverse_policy() -> InversePolicy:
    return begun(InversePolicy(point_model(), inverse()))


def begun(policy: Policy) -> Policy:
    policy.reset(paint(np.array([[0.5, 0.5]])))
    return policy


def check_rounds(build: Callable[[], object], told: Callable[..., list[Tensor]], rounds=ROUNDS) -> None:
    expected = told(build())
    for name, round_trip in rounds.items():
        found = told(round_trip(build()))
        assert len(found) == len(expected)
        same = all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
        assert same, f"{name} gave something else"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_copied_planner_plans_the_same(case):
    check_rounds(lambda: case.build(loose), plan_of)


@pytest.mark.parametrize("kind", OTHERS, ids=lambda kind: kind.__name__)
def test_a_copy_says_the_same(kind):
    build, told = OTHERS[kind]
    assert isinstance(build(), kind)
    check_rounds(build, told)


def test_every_class_is_walked_over():
    rooms = (leworld.planners, leworld.costs, leworld.control)
    public = {
        value
        for room in rooms
        for name, value in vars(room).items()
        if inspect.isclass(value) and not name.startswith("_") and not inspect.isabstract(value)
    }
    planners = {type(case.build(loose)) for case in CASES}
    protocols = {value for value in public if getattr(value, "_is_protocol", False)}
    assert public - protocols <= planners | set(OTHERS), public - protocols - planners - set(OTHERS)


def test_a_planner_that_keeps_a_module_is_seen():
    class Keeps(CEMPlanner.__mro__[1]):  # Planner: CEMPlanner itself is final
        horizon, num_iterations = HORIZON, 1

        def __init__(self):
            self.package = inspect

        def init(self, problem):
            return SearchState(problem.init, 1.0, 0.0, None)

        def step(self, problem, state, evaluate, iteration):
            return state

    with pytest.raises(TypeError, match="module"):
        check_rounds(Keeps, plan_of, {"deepcopy": copy.deepcopy})


def test_a_copy_that_forgets_is_seen():
    with pytest.raises(AssertionError, match="something else"):
        check_rounds(lambda: ActionCost(2.0), costs_of, {"other": lambda cost: ActionCost(1.0)})
