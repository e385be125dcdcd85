import inspect

import pytest
import torch

import leworld.planners
from leworld.planners import Planner
from tests.planners.conformance import CHECKS, PLANNERS, check_optimum, check_problems
from tests.planners.problems import PROBLEMS
from tests.planners.wrong import RIGHT, WRONG


@pytest.mark.parametrize("horizon", [1, 5, 25])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
@pytest.mark.parametrize("entry", PLANNERS, ids=str)
def test_optimum(entry, problem, batch, horizon):
    check_optimum(entry, problem, batch, horizon)


@pytest.mark.parametrize("horizon", [1, 2, 5])
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_the_states_of_a_problem_lead_to_its_cost(problem, horizon):
    """The problems themselves: rolled out, and step by step from given states, they agree with their cost."""
    instance = problem.make(range(3), horizon)
    source = torch.Generator().manual_seed(horizon)
    actions = torch.randn(3, 7, horizon, instance.action_dim, generator=source)
    states = instance.cost.rollout(actions)
    torch.testing.assert_close(instance.cost.goal_distance(states)[:, :, -1], instance.cost(actions))
    torch.testing.assert_close(instance.cost.transition(states[:, :, :-1], actions), states)


def test_every_public_planner_is_in_the_table():
    public = {
        kind
        for kind in vars(leworld.planners).values()
        if inspect.isclass(kind) and issubclass(kind, Planner) and not inspect.isabstract(kind)
    }
    assert {type(entry.planner(2)) for entry in PLANNERS} == public


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("entry", PLANNERS, ids=str)
def test_promise(entry, check):
    check(entry)


@pytest.mark.parametrize("entry", WRONG, ids=str)
def test_the_suite_rejects(entry):
    check, reason = WRONG[entry]
    with pytest.raises(AssertionError, match=reason):
        check(entry)


@pytest.mark.parametrize("check", [*CHECKS, check_problems], ids=lambda check: check.__name__)
def test_the_suite_accepts_an_unbroken_planner(check):
    check(RIGHT)
