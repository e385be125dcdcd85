import numpy as np
import pytest
import torch

from leworld.control import MPCPolicy, StateGoal
from leworld.data import Observation
from leworld.planners import CEMPlanner, ICEMPlanner
from tests.control.fakes import FRAMESKIP, MEAN, STD, move, paint, point_model
from tests.fake_clock import fake_clock

START = np.array([[-0.6, 0.2], [0.5, 0.5], [0.0, -0.8]])
GOAL = np.array([[0.1, -0.3], [0.5, -0.2], [-0.5, 0.0]])


def planner_of(horizon=3, iterations=12):
    return CEMPlanner(horizon, 100, num_elites=10, num_iterations=iterations)


def run(policy, start, goal, steps):
    """Return positions (step + 1, env, 2) and actions (step, env, 2) of an episode."""
    policy.reset(paint(goal))
    positions, actions = [start], []
    for _ in range(steps):
        actions.append(policy.act(paint(positions[-1])))
        positions.append(move(positions[-1], actions[-1]))
    return np.stack(positions), np.stack(actions)


@pytest.mark.parametrize(
    ("horizon", "receding_horizon", "left"),
    [(3, None, 0.05), (1, 1, 0.05), (3, 1, 0.2)],  # the last may always arrive later: only the end is scored
)
def test_reaches_the_goal(horizon, receding_horizon, left):
    policy = MPCPolicy(point_model(), planner_of(horizon), receding_horizon=receding_horizon)
    positions, actions = run(policy, START, GOAL, 3 * FRAMESKIP * 2)
    assert np.abs(positions[-1] - GOAL).max() < left
    assert actions.dtype == np.float32
    assert np.abs(actions).max() <= 1.0


def test_every_frame_that_counts_is_encoded_once():
    model = point_model()
    run(MPCPolicy(model, planner_of(), receding_horizon=1), START, GOAL, 8)
    assert model.encoded == [3] * (1 + 8 // FRAMESKIP)  # the goals, then every second frame


def test_history_grows_from_real_frames_and_executed_blocks():
    model = point_model()
    policy = MPCPolicy(model, planner_of(iterations=1), receding_horizon=1)
    positions, actions = run(policy, START, GOAL, 5 * FRAMESKIP)
    raw = actions.transpose(1, 0, 2).reshape(3, 5, FRAMESKIP, 2)
    blocks = ((raw - np.array(MEAN)) / np.array(STD)).reshape(3, 5, -1)
    seen = [np.rint((position + 1) * 127.5) / 127.5 - 1 for position in positions[::FRAMESKIP]]
    calls = model.rolled[::2]  # each plan scores once, then measures its answer
    assert [context.shape[1] for context, _ in calls] == [1, 2, 3, 3, 3]
    for index, (context, past) in enumerate(calls):
        first = max(0, index - 2)
        expected = np.stack(seen[first : index + 1], axis=1)
        np.testing.assert_allclose(context.detach().numpy(), expected, atol=1e-6)
        np.testing.assert_allclose(past.numpy(), blocks[:, first:index], atol=1e-5)


def test_receding_horizon_counts_blocks():
    for receding, plans in ((None, 2), (1, 6), (2, 3)):
        model = point_model()
        run(MPCPolicy(model, planner_of(iterations=1), receding_horizon=receding), START, GOAL, 6 * FRAMESKIP)
        assert len(model.rolled) == 2 * plans


def test_an_environment_does_not_depend_on_the_others():
    policy = MPCPolicy(point_model(), planner_of(), receding_horizon=1)
    _, together = run(policy, START, GOAL, 6)
    moved = np.concatenate((GOAL[:2], -GOAL[2:]))
    _, other = run(policy, START, moved, 6)
    _, fewer = run(policy, START[:2], GOAL[:2], 6)
    assert np.array_equal(together[:, :2], other[:, :2])
    assert np.array_equal(together[:, :2], fewer)
    assert not np.array_equal(together[:, 2], other[:, 2])


def test_seeds():
    _, first = run(MPCPolicy(point_model(), planner_of(iterations=2)), START, GOAL, 4)
    policy = MPCPolicy(point_model(), planner_of(iterations=2))
    before = torch.get_rng_state()
    for _ in range(2):
        _, again = run(policy, START, GOAL, 4)
        assert np.array_equal(first, again)
    assert torch.equal(before, torch.get_rng_state())
    _, other = run(MPCPolicy(point_model(), planner_of(iterations=2), seed=1), START, GOAL, 4)
    assert not np.array_equal(first, other)


def test_some_environments_begin_anew_while_others_go_on():
    """Environment 1 restarts after one block; 0 and 2 keep their histories, plans and actions."""
    model = point_model()
    policy = MPCPolicy(model, planner_of(), receding_horizon=2)
    policy.reset(paint(GOAL))
    positions, actions = START, []
    for step in range(4 * FRAMESKIP):
        if step == FRAMESKIP:
            positions = np.concatenate((positions[:1], [[-0.3, -0.3]], positions[2:]))
            policy.reset(paint(-GOAL[1:2]), environments=[1])
        actions.append(policy.act(paint(positions)))
        positions = move(positions, actions[-1])
    alone = MPCPolicy(point_model(), planner_of(), receding_horizon=2)
    _, expected = run(alone, START, GOAL, 4 * FRAMESKIP)
    assert np.array_equal(np.stack(actions)[:, [0, 2]], expected[:, [0, 2]])
    assert {len(context) for context, _ in model.rolled} == {1, 2, 3}
    assert np.abs(positions[1] + GOAL[1]).max() < 0.25


def test_raw_actions_stay_in_the_box():
    low, high = np.array([-0.5, 0.0], np.float32), np.array([0.25, 1.0], np.float32)
    for bounded in (True, False):
        policy = MPCPolicy(point_model(), planner_of(), action_limits=(low, high), bounded=bounded)
        _, actions = run(policy, START, GOAL * 4, 6)
        assert (actions >= low).all()
        assert (actions <= high).all()
        assert (np.isclose(actions, low) | np.isclose(actions, high)).mean() > 0.2


def test_clipping_is_what_the_history_remembers():
    model = point_model()
    policy = MPCPolicy(model, planner_of(iterations=1), receding_horizon=1, bounded=False)
    _, actions = run(policy, START, GOAL, 2 * FRAMESKIP)
    past = model.rolled[-1][1].numpy().reshape(3, FRAMESKIP, 2) * np.array(STD) + np.array(MEAN)
    np.testing.assert_allclose(past, actions[:FRAMESKIP].transpose(1, 0, 2), atol=1e-5)


def test_training_mode_is_harmless_and_kept():
    _, expected = run(MPCPolicy(point_model(), planner_of()), START, GOAL, 4)
    model = point_model(dropout=0.9).train()
    _, actions = run(MPCPolicy(model, planner_of()), START, GOAL, 4)
    assert model.training
    assert model.dropout.training
    assert np.array_equal(actions, expected)


def test_warm_start_is_the_shifted_plan():
    inits = []

    class Spy(type(planner_of())):  # pyright: ignore -- final; a test may look inside
        def plan(self, cost, **options):
            found = super().plan(cost, **options)
            inits.append((options["init"], found.actions))
            return found

    policy = MPCPolicy(point_model(), Spy(3, 20, num_elites=2, num_iterations=1), receding_horizon=1)
    run(policy, START, GOAL, 2 * FRAMESKIP)
    assert inits[0][0] is None
    assert inits[1][0].shape[1] == 1
    assert torch.equal(inits[1][0][:, 0, :2], inits[0][1][:, 1:])
    assert not inits[1][0][:, 0, 2].any()


def test_frames_between_blocks_are_not_read():
    policy = MPCPolicy(point_model(), planner_of())
    policy.reset(paint(GOAL))
    policy.act(paint(START))
    noise = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3)).astype(np.uint8)
    after = policy.act(Observation(noise))
    policy.reset(paint(GOAL))
    policy.act(paint(START))
    assert np.array_equal(after, policy.act(paint(START)))


def test_decisions_are_recorded():
    policy = MPCPolicy(point_model(), planner_of(), receding_horizon=2, max_candidates=50)
    run(policy, START, GOAL, 4 * FRAMESKIP)
    assert [(decision.step, decision.environments) for decision in policy.decisions] == [
        (0, (0, 1, 2)),
        (2 * FRAMESKIP, (0, 1, 2)),
    ]
    assert all(decision.milliseconds > 0 for decision in policy.decisions)
    assert policy.decisions[0].plan.actions.shape == (3, 3, 2 * FRAMESKIP)
    assert torch.equal(policy.decisions[0].cost, policy.decisions[0].plan.cost)
    assert policy.decisions[0].spread.shape == (3,)
    unchunked = MPCPolicy(point_model(), planner_of(), receding_horizon=2)
    run(unchunked, START, GOAL, 4 * FRAMESKIP)
    for one, other in zip(policy.decisions, unchunked.decisions, strict=True):
        torch.testing.assert_close(one.plan.cost, other.plan.cost, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("iterations", "time_budget", "evaluations", "outcome"),
    [
        (5000, 0.5, 1, "time_limit"),
        (5000, 4.5, 5, "time_limit"),  # those that begin at 0, 1, 2, 3 and 4 s
        (2, 60.0, 3, "iteration_limit"),  # the third measures the answer
    ],
)
def test_a_deadline_allows_one_more_evaluation_and_no_second(
    iterations, time_budget, evaluations, outcome, monkeypatch
):
    """Every evaluation takes a second of a fake clock."""
    model = point_model()
    quick = model._rollout

    def slow(*arguments):
        clock.seconds += 1.0
        return quick(*arguments)

    monkeypatch.setattr(model, "_rollout", slow)
    planner = CEMPlanner(3, 64, num_elites=8, num_iterations=iterations, tolerance=0, min_std=0.1)
    policy = MPCPolicy(model, planner, time_budget=time_budget)
    with fake_clock() as clock:
        policy.reset(paint(GOAL))
        action = policy.act(paint(START))
    (decision,) = policy.decisions
    assert np.isfinite(action).all()
    assert len(model.rolled) == evaluations
    assert decision.milliseconds == 1000.0 * evaluations
    assert {found.value for found in decision.plan.outcome} == {outcome}


def test_goals_of_every_kind_give_the_same_actions():
    model = point_model()
    assert model.processor is not None
    pictures = model.processor.observations(torch.from_numpy(paint(GOAL).pixels))
    embeddings = model.encode(pictures[:, None])[:, -1].detach()
    kinds = (
        paint(GOAL),
        embeddings,
        StateGoal(GOAL, lambda states: paint(states).pixels),
        StateGoal(GOAL, lambda states: embeddings),
    )
    found = []
    for goal in kinds:
        policy = MPCPolicy(model, planner_of(iterations=3))
        policy.reset(goal)
        found.append(policy.act(paint(START)))
    for other in found[1:]:
        assert np.array_equal(found[0], other)
    assert not np.array_equal(found[0][0], found[0][1])


def test_surprise_is_the_error_of_the_last_prediction():
    """Environment 1 is pushed aside by 0.3 before its second frame; the others go as the model predicts."""
    for history_size, settings in ((3, {"receding_horizon": 1}), (1, {"receding_horizon": 2})):
        model = point_model()
        model.history_size = history_size
        policy = MPCPolicy(model, planner_of(iterations=1), **settings)
        policy.reset(paint(GOAL))
        push = np.array([[0.0, 0.0], [-0.3, 0.0], [0.0, 0.0]])
        positions = START / 2  # so near the middle that no plan leads out of the picture
        steps = FRAMESKIP * settings["receding_horizon"]
        for step in range(steps + 1):
            if step == steps:
                positions = positions + push
            positions = move(positions, policy.act(paint(positions)))
        first, second = policy.decisions
        assert first.surprise.isnan().all()
        np.testing.assert_allclose(second.surprise.numpy(), [0.0, 0.09, 0.0], atol=8e-3)
        assert second.surprise[1] > 0.07


def test_elites_are_kept_and_shifted():
    inits, plans = [], []

    class Spy(ICEMPlanner):  # pyright: ignore -- final; a test may look inside
        def plan(self, cost, **options):
            found = super().plan(cost, **options)
            inits.append(options["init"])
            plans.append(found)
            return found

    planner = Spy(3, 20, num_elites=10, num_iterations=2, kept_elites=0.4)
    run(MPCPolicy(point_model(), planner, receding_horizon=1), START, GOAL, 2 * FRAMESKIP)
    assert inits[0] is None
    assert plans[0].elites.shape == (3, 4, 3, 2 * FRAMESKIP)
    assert torch.equal(inits[1][:, 0, :2], plans[0].actions[:, 1:])
    assert torch.equal(inits[1][:, 1:, :2], plans[0].elites[:, :, 1:])
    assert not inits[1][:, :, 2].any()
    inits.clear()
    run(MPCPolicy(point_model(), planner), START, GOAL, 4 * FRAMESKIP)
    assert inits[1].shape[1] == 1  # nothing is left of a whole executed plan


def test_an_environment_that_begins_anew_has_no_elites_and_disturbs_nobody():
    def planner():
        return ICEMPlanner(3, 20, num_elites=10, num_iterations=2)

    model = point_model()
    model.history_size = 1
    policy = MPCPolicy(model, planner(), receding_horizon=1)
    policy.reset(paint(GOAL))
    positions, actions = START, []
    for step in range(3 * FRAMESKIP):
        if step == FRAMESKIP:
            policy.reset(paint(GOAL[1:2]), environments=[1])
        actions.append(policy.act(paint(positions)))
        positions = move(positions, actions[-1])
    alone_model = point_model()
    alone_model.history_size = 1
    _, expected = run(MPCPolicy(alone_model, planner(), receding_horizon=1), START, GOAL, 3 * FRAMESKIP)
    assert np.array_equal(np.stack(actions)[:, [0, 2]], expected[:, [0, 2]])
    assert not np.array_equal(np.stack(actions)[FRAMESKIP:, 1], expected[FRAMESKIP:, 1])
