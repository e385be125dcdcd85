"""Playing pairs in TwoRoom and in a world without walls."""

import dataclasses

import numpy as np
import pytest

from leworld.control import MPCPolicy, Policy, RandomPolicy
from leworld.data import Observation
from leworld.envs import TwoRoomArena, TwoRoomVector
from leworld.evaluation import GoalEnvironment, OraclePolicy, goal_reaching
from leworld.planners import CEMPlanner
from leworld.tasks import two_room_held_out, two_room_pairs
from tests.evaluation.checks import scripted
from tests.evaluation.fakes import Expert, Plane, Sighted, Still, plain_processor
from tests.tasks.worlds import Switched

PROTOCOLS = ("trajectory-25", "same-room", "cross-door")


@pytest.fixture(scope="module")
def episodes():
    return two_room_held_out(60, image_size=16)


@pytest.fixture(scope="module")
def arena():
    return TwoRoomArena()


def _env(num_envs: int, image_size: int = 16) -> TwoRoomVector:
    return TwoRoomVector(num_envs, image_size=image_size, autoreset_mode="Disabled")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_perfect_random_and_still(protocol, episodes):
    pairs = two_room_pairs(protocol, 50, episodes=episodes)
    policies = {"expert": Expert(), "random": RandomPolicy(2), "still": Still()}
    result = goal_reaching(pairs, policies, env=_env(50), progress=False)
    expert, random, still = result.policies.values()
    assert expert.success_rate == expert.last_step_rate == 1.0
    assert still.success_rate == still.last_step_rate == 0.0
    assert still.median_steps is None
    assert random.success_rate <= 0.3
    if protocol == "trajectory-25":
        assert random.success_rate > 0
    # The still policy ends where it starts, and nobody arrives faster than at full speed.
    assert np.allclose(still.final_distance, np.linalg.norm(pairs.start - pairs.goal, axis=1), rtol=1e-5)
    apart = np.abs(pairs.start - pairs.goal).max(axis=1)
    fastest = np.ceil((apart - pairs.success_radius) / 5.0)
    assert all(steps >= least for steps, least in zip(expert.steps_to_reach, fastest, strict=True))


def test_the_environments_own_verdict_agrees(episodes):
    class Watched:
        """Keeps what the environment says about arrival."""

        def __init__(self, env):
            self.env, self.num_envs, self.metadata, self.verdicts = env, env.num_envs, env.metadata, []

        def reset(self, **options):
            return self.env.reset(**options)

        def step(self, actions, /):
            result = self.env.step(actions)
            self.verdicts.append(result[2])
            return result

    env = Watched(_env(40))
    pairs = two_room_pairs("trajectory-25", 40, episodes=episodes)
    outcome = goal_reaching(pairs, {"random": RandomPolicy(2)}, env=env, progress=False).policies["random"]
    verdicts = np.stack(env.verdicts, axis=1)
    assert verdicts.shape == (40, 50)
    assert outcome.reached == tuple(verdicts.any(axis=1).tolist())
    assert outcome.reached_at_last == tuple(verdicts[:, -1].tolist())


def test_groups_do_not_matter_to_a_policy_without_chance():
    pairs = two_room_pairs("cross-door", 7)
    results = [
        goal_reaching(pairs, {"expert": Expert()}, env=_env(n), num_recorded=4, progress=False)
        for n in (1, 3, 7, 10)
    ]
    for result in results:
        assert result.policies == results[0].policies
        recording = result.recordings["expert"]
        first = results[0].recordings["expert"]
        assert recording.frames.shape == (4, 51, 16, 16, 3)
        assert np.array_equal(recording.states, first.states)
        assert np.array_equal(recording.frames, first.frames)
        assert np.array_equal(recording.goal_frames, first.goal_frames)


def test_the_same_call_gives_the_same_result(arena):
    pairs = two_room_pairs("same-room", 6)
    planner = CEMPlanner(num_samples=40, num_elites=5, num_iterations=3)
    policies = {"random": RandomPolicy(2, seed=3), "oracle": OraclePolicy(arena, planner, seed=3)}
    first, second = (goal_reaching(pairs, policies, env=_env(4), progress=False) for _ in range(2))
    assert first.policies == second.policies
    other = {"random": RandomPolicy(2, seed=4), "oracle": OraclePolicy(arena, planner, seed=4)}
    changed = goal_reaching(pairs, other, env=_env(4), progress=False)
    assert changed.policies["random"] != first.policies["random"]
    assert changed.policies["oracle"] != first.policies["oracle"]


def test_oracle_and_a_model_that_sees_agree_in_one_room(arena):
    # Without walls in the way the model's imagination is the truth, so both solve everything.
    pairs = two_room_pairs("same-room", 8)
    planner = CEMPlanner(num_samples=100, num_elites=10, num_iterations=10)
    policies = {
        "sighted": MPCPolicy(Sighted(plain_processor()), planner),
        "oracle": OraclePolicy(arena, planner),
    }
    result = goal_reaching(pairs, policies, env=_env(8, image_size=32), progress=False)
    for outcome in result.policies.values():
        assert outcome.success_rate == outcome.last_step_rate == 1.0
        assert outcome.mean_final_distance < 3.0


def test_oracle_passes_the_door_that_a_blind_one_does_not(arena):
    class OpenField:
        def step(self, positions, actions, /):
            return positions + 5.0 * np.clip(actions, -1, 1)

    pairs = two_room_pairs("cross-door", 30, seed=1)
    planner = CEMPlanner(num_samples=150, num_elites=15, num_iterations=10)
    policies = {"oracle": OraclePolicy(arena, planner), "no walls": OraclePolicy(OpenField(), planner)}
    result = goal_reaching(pairs, policies, env=_env(30), progress=False)
    assert result.policies["oracle"].success_rate >= 0.8
    assert result.policies["no walls"].success_rate < result.policies["oracle"].success_rate


@pytest.mark.parametrize(("receding_horizon", "num_plans"), [(None, 2), (5, 2), (2, 5), (1, 10)])
def test_oracle_replans_when_its_blocks_are_used_up(arena, receding_horizon, num_plans):
    planner, calls = CEMPlanner(num_samples=8, num_elites=2, num_iterations=1), []

    class Counted:
        def step(self, positions, actions, /):
            calls.append(positions.shape)
            return arena.step(positions, actions)

    pairs = two_room_pairs("same-room", 2)
    policy = OraclePolicy(Counted(), planner, receding_horizon=receding_horizon)
    goal_reaching(pairs, {"oracle": policy}, env=_env(2), progress=False)
    # One iteration of 25 raw steps a plan for the 8 candidates; the planner then asks once about its mean.
    assert calls.count((2, 8, 2)) == calls.count((2, 1, 2)) == num_plans * 25


def test_policies_see_goal_frames_and_present_frames(episodes):
    seen = []

    class Looker(Policy):
        def reset(self, goal):
            seen.append(goal)

        def act(self, observation):
            seen.append(observation)
            return np.ones((len(observation), 2), dtype=np.float32)

    pairs = dataclasses.replace(two_room_pairs("same-room", 3), budget=2)
    goal_reaching(pairs, {"looker": Looker()}, env=_env(3), progress=False)
    arena = TwoRoomArena()
    assert np.array_equal(seen[0].pixels, arena.render(pairs.goal, 16))
    assert np.array_equal(seen[0].state, pairs.goal)
    assert np.array_equal(seen[1].pixels, arena.render(pairs.start, 16))
    moved = arena.step(pairs.start, np.ones((3, 2), dtype=np.float32))
    assert np.array_equal(seen[2].state, moved)
    assert np.array_equal(seen[2].pixels, arena.render(moved, 16))
    assert len(seen) == 3
    assert all(isinstance(item, Observation) for item in seen)


def test_groups_get_seeds_of_their_own_and_only_from_the_seed():
    pairs, script = scripted()
    envs = [Plane(2), Plane(2), Plane(2)]
    for env, seed in zip(envs, (0, 0, 1), strict=True):
        goal_reaching(pairs, {"script": script}, env=env, seed=seed, progress=False)
    seeds = [[reset["seed"] for reset in env.resets] for env in envs]
    assert len(set(seeds[0])) == 3
    assert seeds[0] == seeds[1]
    assert not set(seeds[0]) & set(seeds[2])


def test_the_progress_bar_goes_to_the_error_stream(capsys):
    pairs, script = scripted()
    goal_reaching(pairs, {"script": script}, env=Plane(5), progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "script" in shown.err
    assert "4/4" in shown.err
    goal_reaching(pairs, {"script": script}, env=Plane(5), progress=False)
    assert capsys.readouterr().err == ""


def test_two_room_is_a_goal_environment():
    assert isinstance(_env(1), GoalEnvironment)
    assert isinstance(Plane(1), GoalEnvironment)


class Feeling(Plane):
    """The plane that also shows a second camera and feels where it is."""

    pictures = True

    def reset(self, *, seed=None, options=None):
        pixels, info = super().reset(seed=seed, options=options)
        goal = {"goal_proprio": self.goal.copy()} if self.pictures else {"goal_wrist": info["goal_pixels"]}
        goal |= {"goal_pixels": info["goal_pixels"]} if self.pictures else {}
        return self._parts(pixels), {"state": info["state"], "_state": np.ones(1)} | goal

    def step(self, actions, /):
        pixels, *rest = super().step(actions)
        return self._parts(pixels), *rest

    def _parts(self, pixels):
        return ({"pixels": pixels} if self.pictures else {}) | {"wrist": pixels, "proprio": self.state.copy()}


class Blind(Feeling):
    pictures = False


class Noting(Still):
    def reset(self, goal):
        super().reset(goal)
        self.goals, self.seen = goal, []

    def act(self, observation):
        self.seen.append(observation)
        return super().act(observation) + 1


@pytest.mark.parametrize("kind", [Feeling, Blind])
def test_policies_see_every_part_and_what_the_goal_is_like(kind):
    pairs, _ = scripted()
    policy = Noting()
    result = goal_reaching(pairs, {"a": policy}, env=kind(len(pairs)), num_recorded=2, progress=False)
    shown = {"pixels"} if kind.pictures else set()
    assert set(policy.seen[0].parts) == shown | {"wrist", "proprio", "state"}
    assert set(policy.goals.parts) == (shown | {"proprio"} if shown else {"wrist"}) | {"state"}
    for step, seen in enumerate(policy.seen):
        assert np.allclose(seen["proprio"], pairs.start + step)
        assert np.allclose(seen["proprio"], seen.state)
    frames = result.recordings["a"].frames
    assert frames.shape[:2] == ((2 if kind.pictures else 0), pairs.budget + 1)


class Telling(Plane):
    """The plane whose info tells vectors, and entries that are no parts."""

    def reset(self, *, seed=None, options=None):
        pixels, info = super().reset(seed=seed, options=options)
        told = {"goal_proprio": self.goal.copy(), "goal_name": ["there"] * self.num_envs}
        return pixels, info | self._told() | told

    def step(self, actions, /):
        *rest, info = super().step(actions)
        return *rest, info | self._told()

    def _told(self):
        number = np.arange(self.num_envs)
        return {"proprio": self.state.copy(), "_proprio": self.state, "time": number, "goal_age": number}


class Aimless(Plane):
    """The plane that shows pixels, but not how its goals look."""

    def reset(self, *, seed=None, options=None):
        pixels, info = super().reset(seed=seed, options=options)
        return pixels, {"state": info["state"]}


def test_a_goal_without_a_picture_is_played_and_not_filmed():
    pairs, script = scripted()
    result = goal_reaching(pairs, {"script": script}, env=Aimless(2), progress=False)
    assert result.policies["script"].success_rate == 4 / 5
    assert len(result.recordings["script"].frames) == 0


def test_vectors_of_the_info_are_parts_and_nothing_else_of_it():
    pairs, _ = scripted()
    policy = Noting()
    goal_reaching(pairs, {"a": policy}, env=Telling(len(pairs)), progress=False)
    assert set(policy.seen[0].parts) == {"pixels", "proprio", "state"}
    assert set(policy.goals.parts) == {"pixels", "proprio", "state"}
    for step, seen in enumerate(policy.seen):
        assert np.allclose(seen["proprio"], pairs.unsolved().start[0] + step)
    assert np.allclose(policy.goals["proprio"], policy.goals.state)


def test_choices_are_played_and_the_random_policy_takes_each():
    task = Switched()
    pairs = task.pairs("trajectory-5", 40, seed=1)
    policy = RandomPolicy(3, action_choices=3, seed=2)
    result = goal_reaching(pairs, {"random": policy}, env=task.make(20, 16), progress=False)
    moves = np.diff(result.recordings["random"].states[..., 0], axis=1) / 0.1
    assert set(np.unique(moves.round().astype(int))) == {-1, 0, 1}
    frame = Observation(np.zeros((300, 4, 4, 3), np.uint8))
    policy.reset(frame)
    drawn = policy.act(frame)
    assert drawn.dtype == np.int64
    assert np.bincount(drawn, minlength=3).min() > 60
    policy.reset(frame)
    assert np.array_equal(drawn, policy.act(frame))
