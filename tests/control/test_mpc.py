from dataclasses import replace

import numpy as np
import pytest
import torch

from leworld.control import MPCPolicy, StateGoal, goal_cost
from leworld.data import Observation, PicturePart, Processor, VectorPart
from leworld.errors import ConfigError
from leworld.models import WorldModel, model_input
from leworld.planners import (
    BestSoFar,
    CategoricalCEMPlanner,
    CEMPlanner,
    CMAESPlanner,
    ICEMPlanner,
    LagrangianPlanner,
    MPPIPlanner,
    RandomShootingPlanner,
)
from tests.control.fakes import FRAMESKIP, MEAN, STD, move, paint, point_model
from tests.fake_clock import fake_clock

START = np.array([[-0.6, 0.2], [0.5, 0.5], [0.0, -0.8]])
GOAL = np.array([[0.1, -0.3], [0.5, -0.2], [-0.5, 0.0]])


def small_cem():
    return CEMPlanner(3, 8, num_elites=2, num_iterations=2)


def small_icem():
    return ICEMPlanner(3, 8, num_elites=2, num_iterations=2)


def small_mppi():
    return BestSoFar(MPPIPlanner(3, 8, num_iterations=2))


def small_shooting():
    return RandomShootingPlanner(3, 8)


def small_cmaes():
    return CMAESPlanner(3, 8, num_iterations=2)


def small_lagrangian():
    return LagrangianPlanner(small_cem(), lambda actions: torch.zeros(*actions.shape[:2], 1))


SAMPLING = (small_cem, small_icem, small_mppi, small_shooting, small_cmaes, small_lagrangian)


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
    seen = model_input(model, paint(GOAL))
    embeddings = model.encode(seen["pixels"][:, None])[:, -1].detach()
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


def test_a_failing_cost_leaves_the_policy_as_it_was():
    """Out of memory at the first search and at a later one: calling again does what would have been."""
    wanted_policy = MPCPolicy(point_model(), planner_of(), receding_horizon=1)
    _, wanted = run(wanted_policy, START, GOAL, 2 * FRAMESKIP)
    fail = False

    def cost(situation):
        if fail:
            raise MemoryError
        return goal_cost(situation)

    policy = MPCPolicy(point_model(), planner_of(), receding_horizon=1, cost=cost)
    policy.reset(paint(GOAL))
    positions = START
    for step in range(2 * FRAMESKIP):
        if step % FRAMESKIP == 0:
            fail = True
            for _ in range(2):
                with pytest.raises(MemoryError):
                    policy.act(paint(positions))
            fail = False
        action = policy.act(paint(positions))
        assert np.array_equal(action, wanted[step])
        positions = move(positions, action)
    assert len(policy.decisions) == len(wanted_policy.decisions) == 2


def test_a_cost_of_ones_own_needs_no_goal():
    """Walk right, as far as the limits allow; nobody says where to."""

    def rightward(situation):
        assert situation.goal is None
        assert situation.latents.shape == (3, 2)
        return lambda actions: -situation.model.imagine(situation.state, actions)[:, :, -1, 0]

    policy = MPCPolicy(point_model(), planner_of(iterations=20), cost=rightward)
    policy.reset()
    actions = policy.act(paint(START))
    assert (actions[:, 0] > 0.95).all()
    again = MPCPolicy(point_model(), planner_of(iterations=20), cost=rightward)  # never reset at all
    assert np.array_equal(again.act(paint(START)), actions)
    with pytest.raises(ConfigError, match="goal"):
        MPCPolicy(point_model(), planner_of()).act(paint(START))


def test_a_cost_and_a_proposal_of_ones_own_see_the_model_in_evaluation_mode():
    model = point_model(dropout=0.5).train()
    model.scale.requires_grad_(True)
    modes = []

    def cost(situation):
        modes.append(situation.model.training)

        def of(actions):
            modes.append(situation.model.dropout.training)
            return situation.model.imagine(situation.state, actions).square().sum((2, 3))

        return of

    def propose(situation):
        modes.append(situation.model.training)
        return situation.model.scale * torch.ones(len(situation), situation.horizon, 2 * FRAMESKIP)

    policy = MPCPolicy(model, small_cem(), cost=cost, propose=propose)
    policy.act(paint(START))
    assert not any(modes)
    assert len(modes) > 3
    assert model.training
    assert model.dropout.training
    assert not policy.decisions[0].plan.actions.requires_grad


def test_the_present_of_a_state_is_read_in_evaluation_mode():
    modes = []

    class Watched(Remembering):
        def _present(self, state):
            modes.append(self.training)
            return super()._present(state)

    model = Watched().train()
    model.processor = point_model().processor
    model.processor = replace(model.processor, frameskip=1)
    policy = MPCPolicy(model, small_cem(), cost=_place_cost(np.zeros((3, 2))), receding_horizon=1)
    policy.act(paint(START))
    assert modes
    assert not any(modes)
    assert model.training


@pytest.mark.parametrize("make", SAMPLING, ids=lambda make: make.__name__)
def test_every_sampling_planner_reads_first_guesses(make):
    """Of two proposals the second is right; a search too small to find anything returns it."""
    right = torch.full((1, 3, 4), 0.25)

    def cost(situation):
        return lambda actions: (actions - right[:, None].to(actions)).square().sum((2, 3))

    def propose(situation):
        return torch.stack((torch.zeros(len(situation), 3, 4), right.expand(len(situation), -1, -1)), dim=1)

    policy = MPCPolicy(point_model(), make(), cost=cost, propose=propose, bounded=False)
    policy.act(paint(START))
    assert torch.equal(policy.decisions[0].plan.actions, right.expand(3, -1, -1))
    assert policy.decisions[0].cost.tolist() == [0.0] * 3


class Steps(WorldModel):
    """Four choices move a point; its state is a sum that `observe` keeps, which no window holds."""

    history_size, latent_shape, action_dim = 1, (2,), 4
    moves = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]) / 10

    def _encode(self, observations):
        return observations[:, :, :2].mean((3, 4))

    def _predict(self, latents, actions):
        return latents + actions @ self.moves.to(actions)

    def _loss(self, batch, generator):
        raise NotImplementedError


def test_discrete_actions_come_back_as_indices():
    model = Steps()
    model.processor = Processor(
        4,
        frameskip=1,
        action_dim=4,
        image_mean=(0.5,) * 3,
        image_std=(0.5,) * 3,
        action_mean=(0.0,) * 4,
        action_std=(1.0,) * 4,
        action_choices=4,
    )
    start, goal = np.array([[-0.2, 0.0], [0.0, 0.3]]), np.array([[0.2, 0.0], [0.0, -0.1]])
    planner = CategoricalCEMPlanner(torch.eye(4), 1, num_samples=50, num_elites=5)
    policy = MPCPolicy(model, planner)
    policy.reset(paint(goal))
    positions, taken = start, []
    for _ in range(4):
        taken.append(policy.act(paint(positions)))
        positions = positions + model.moves.numpy()[taken[-1]]
    assert np.stack(taken).T.tolist() == [[0] * 4, [3] * 4]
    assert taken[0].dtype == np.int64
    lukewarm = torch.tensor([[[0.2, 0.7, 0.1, 0.4]]] * 2)
    policy = MPCPolicy(model, RandomShootingPlanner(1, 1), propose=lambda situation: lukewarm)
    policy.reset(paint(goal))
    assert policy.act(paint(start)).tolist() == [1, 1]


class Remembering(WorldModel):
    """A recurrent model of a hidden speed: frames show places, and only their succession tells the speed."""

    history_size, latent_shape, action_dim = 1, (4,), 2

    def _encode(self, observations):
        place = observations[:, :, :2].mean((3, 4))
        return torch.cat((place, torch.zeros_like(place)), dim=-1)

    def _predict(self, latents, actions):
        place, speed = latents.chunk(2, dim=-1)
        return torch.cat((place + speed + 0.1 * actions, speed), dim=-1)

    def _observe(self, state, observation, past_action, generator):
        place = observation[:, :2].mean((2, 3))
        if state is None:
            return {"place": place, "speed": torch.zeros_like(place)}
        return {"place": place, "speed": place - state["place"] - 0.1 * past_action}

    def _present(self, state):
        return torch.cat((state["place"], state["speed"]), dim=-1)

    def _imagine(self, state, actions, generator):
        return self._rollout(self._present(state)[:, None], actions.new_zeros(len(actions), 0, 2), actions)

    def _loss(self, batch, generator):
        raise NotImplementedError


def test_a_model_with_a_state_of_its_own():
    """A wind that no single frame shows is felt from the second frame on, and steered against."""
    model = Remembering()
    model.processor = Processor(
        4,
        frameskip=1,
        action_dim=2,
        image_mean=(0.5,) * 3,
        image_std=(0.5,) * 3,
        action_mean=(0.0,) * 2,
        action_std=(1.0,) * 2,
    )
    wind = np.array([[0.05, 0.0], [0.0, -0.05]])
    start = np.zeros((2, 2))
    policy = MPCPolicy(model, planner_of(1, 20), cost=_place_cost(start))
    policy.reset()
    positions, errors = start, []
    for step in range(6):
        if step == 3:
            policy.reset(environments=[1])  # forgets the wind, and the other does not
        positions = positions + wind + 0.1 * policy.act(paint(positions))
        errors.append(np.abs(positions - start).max(axis=1))
    assert errors[0].min() > 0.03
    assert max(error[0] for error in errors[1:]) < 0.02
    assert errors[3][1] > 0.03
    assert errors[-1][1] < 0.02
    assert [decision.environments for decision in policy.decisions if len(decision.environments) < 2]
    surprise = policy.decisions[1].surprise
    torch.testing.assert_close(surprise, surprise.new_full((2,), 2 * 0.05**2), atol=2e-3, rtol=0)


def _place_cost(goal):
    target = torch.tensor(goal, dtype=torch.float32)

    def cost(situation):
        due = target[list(situation.environments), None]
        return lambda actions: (
            (situation.model.imagine(situation.state, actions)[:, :, -1, :2] - due).square().sum(-1)
        )

    return cost


def test_a_model_of_two_cameras_and_proprioception():
    """The place is half in one picture and half in the joints; each alone would not do."""

    class Parts(WorldModel):
        history_size, latent_shape, action_dim = 1, (2,), 2
        observation_parts = ("pixels", "wrist", "proprio")

        def _encode(self, observations):
            across = observations["wrist"][:, :, 0].mean((2, 3))
            return torch.stack((across, observations["proprio"][..., 0]), dim=-1)

        def _predict(self, latents, actions):
            return latents + 0.1 * actions

        def _loss(self, batch, generator):
            raise NotImplementedError

    model = Parts()
    model.processor = Processor(
        4,
        frameskip=1,
        action_dim=2,
        action_mean=(0.0,) * 2,
        action_std=(1.0,) * 2,
        parts={
            "wrist": PicturePart(4, mean=(0.5,) * 3, std=(0.5,) * 3),
            "proprio": VectorPart(mean=(2.0,), std=(3.0,)),
        },
    )

    def sense(positions):
        pixels = paint(positions).pixels
        return Observation(
            np.zeros_like(pixels), {"wrist": pixels, "proprio": positions[:, 1:] * 3 + 2}, state=positions
        )

    policy = MPCPolicy(model, planner_of(1, 20))
    policy.reset(sense(GOAL / 3))
    positions = START / 3
    for _ in range(6):
        positions = positions + 0.1 * policy.act(sense(positions))
    assert np.abs(positions - GOAL / 3).max() < 0.03
    with pytest.raises(ConfigError, match="proprio"):
        policy.act(paint(positions))
