"""Planning under no_grad, inference_mode and autocast, and what is left after a cost that raises."""

from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import torch

from leworld.costs import ActionCost, GoalCost, SurpriseCost, WeightedSum
from leworld.errors import ConfigError
from leworld.models import History, model_input
from tests.control.fakes import FRAMESKIP, paint, point_model
from tests.trust.planning import CASES, HORIZON, SIZE, Case, gradient, lifted, loose, quadratic

MODES = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "enable_grad within inference_mode": lambda: nested(torch.inference_mode(), torch.enable_grad()),
}


@contextmanager
def nested(*contexts):
    with contexts[0], contexts[1]:
        yield


MODEL = point_model()


def plan_all_of_it(case: Case):
    """Encode frames, make goal, cost and first guess, and plan, all in the mode that is set."""
    model = MODEL
    frames = model_input(model, paint(np.array([[0.1, -0.2], [0.4, 0.0]])))
    latents = model.observe(None, frames, None).latents
    goal = torch.ones(2, 2) * 0.5
    to_goal = GoalCost(model, goal, context=latents)
    blocks = torch.ones(2, 0, 2 * FRAMESKIP)
    parts = {
        "goal": to_goal,
        "wary": SurpriseCost(model, state=History(latents, blocks), reference=torch.eye(2) * 1.0),
        "effort": ActionCost(0.1, 0.1, previous=torch.ones(2, 2 * FRAMESKIP)),
    }
    cost = to_goal if "GRASP" in case.name else WeightedSum(parts, dict.fromkeys(parts, 1.0))
    init = torch.ones(2, HORIZON, 2 * FRAMESKIP) * 0.1
    bounds = (-torch.ones(2 * FRAMESKIP), torch.ones(2 * FRAMESKIP) * 1.0)
    planner = case.build(loose)
    return planner.plan(cost, batch=2, action_dim=2 * FRAMESKIP, generator=5, init=init, bounds=bounds)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", [case for case in CASES if "Categorical" not in case.name], ids=str)
def test_the_mode_of_the_caller_changes_no_plan(case, mode):
    plain = plan_all_of_it(case)
    with MODES[mode]():
        before = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        found = plan_all_of_it(case)
        assert before == (torch.is_grad_enabled(), torch.is_inference_mode_enabled()), "another mode was left"
    assert torch.equal(found.actions, plain.actions)
    assert torch.equal(found.cost, plain.cost)
    assert found.outcome == plain.outcome


def test_a_plan_made_in_inference_mode_warms_the_next_one():
    with torch.inference_mode():
        former = plan_all_of_it(CASES[0])
    found = gradient().plan(quadratic, batch=2, action_dim=2 * FRAMESKIP, init=former.actions)
    assert found.cost.isfinite().all()


def test_a_cost_that_holds_an_inference_tensor_is_told_so():
    with torch.inference_mode():
        weights = torch.ones(SIZE)
        with pytest.raises(ConfigError, match=r"inference_mode.*clone"):
            gradient().plan(lambda a: (a * weights * weights).sum((2, 3)), batch=1, action_dim=SIZE)
    with pytest.raises(ConfigError, match="inference_mode"):
        gradient().plan(lambda a: (a * weights * weights).sum((2, 3)), batch=1, action_dim=SIZE)


class Failing:
    """Raises at its n-th call, in a mode of its own."""

    def __init__(self, count: int) -> None:
        self.left = count

    def __call__(self, actions):
        self.left -= 1
        if self.left < 0:
            torch.set_grad_enabled(True)
            raise RuntimeError("out of memory")
        return quadratic(actions)


def check_error(case: Case, after: int) -> None:
    planner = case.build(loose)
    options = {"batch": 2, "action_dim": SIZE, "generator": 3}
    expected = planner.plan(lifted(quadratic), **options)
    torch.manual_seed(7)
    for context in (nullcontext(), torch.no_grad(), torch.inference_mode()):
        with context:
            before = torch.get_rng_state(), torch.is_grad_enabled(), torch.is_inference_mode_enabled()
            with pytest.raises(RuntimeError, match="out of memory"):
                planner.plan(lifted(Failing(after)), **options)
            assert torch.equal(before[0], torch.get_rng_state()), "the global random state was changed"
            left = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
            assert before[1:] == left, "another mode was left"
            again = planner.plan(lifted(quadratic), **options)
        assert torch.equal(again.actions, expected.actions), "the error left something in the planner"
        assert torch.equal(again.cost, expected.cost)


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_after_a_cost_that_raises_all_is_as_before(case, after):
    check_error(case, after)


def test_a_planner_that_an_error_changes_is_seen():
    class Counts:
        calls = 0

        def plan(self, cost, **options):
            self.calls += 1
            return CASES[0].build(loose).plan(cost, **(options | {"generator": self.calls}))

    with pytest.raises(AssertionError, match="left something"):
        check_error(Case("counts", lambda constraint: Counts()), 0)


def test_a_model_in_training_mode_is_put_back_after_an_error():
    model = point_model().train()
    cost = GoalCost(model, torch.ones(1, 2), context=torch.zeros(1, 1, 2), readout=explode)
    for case in CASES[:1]:
        with pytest.raises(ZeroDivisionError):
            case.build(loose).plan(cost, batch=1, action_dim=2 * FRAMESKIP)
    assert all(module.training for module in model.modules())


def explode(states, calls=[]):  # noqa: B006 -- the first call is the constructor's check of the goal
    calls.append(1)
    return states if len(calls) == 1 else 1 / 0
