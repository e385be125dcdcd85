"""Tasks are found by name and by model; rooms that serve every world name none; what moved says where."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

import leworld
from leworld import tasks
from leworld.data import Processor
from leworld.errors import ConfigError
from leworld.evaluation import GoalPairs, GoalReachingResult
from leworld.planners import CEMPlanner
from leworld.tasks import LeWMRecipe, SmoothPolicy, get_task, list_tasks, load_task, register, task_of
from leworld.tasks import _registry as registry
from leworld.training import TrainSettings
from tests._source import PACKAGE
from tests.hub.examples import tiny_lewm
from tests.tasks.worlds import Dot

WORLDLESS = ("cli", "report", "evaluation", "training", "control", "costs", "models", "data")


@pytest.fixture(autouse=True)
def _known_tasks_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_KNOWN", dict(registry._KNOWN))


def named_worlds(text: str) -> list[str]:
    return re.findall(r"TwoRoom\w*|two_room\w*", text)


@pytest.mark.parametrize("room", WORLDLESS)
def test_a_room_for_every_world_names_none(room: str) -> None:
    moved = {f"{room}/__init__.py"}  # may say where a name went
    found = {
        str(path.relative_to(PACKAGE)): words
        for path in (PACKAGE / room).rglob("*.py")
        if (words := named_worlds(path.read_text(encoding="utf-8")))
    }
    assert not set(found) - moved, found


def test_a_named_world_is_seen() -> None:
    assert named_worlds("from ..envs import TwoRoomArena")
    assert named_worlds("pairs = two_room_pairs()")
    assert not named_worlds('leworld.load("lewm-tworoom-tiny")')


@pytest.mark.parametrize(
    ("room", "name"),
    [
        ("envs", "ExpertPolicy"),
        ("evaluation", "two_room_pairs"),
        ("evaluation", "two_room_held_out"),
        ("training", "TwoRoomRecipe"),
    ],
)
def test_what_moved_still_comes_and_says_where_it_is(room: str, name: str) -> None:
    old = importlib.import_module(f"leworld.{room}")
    with pytest.warns(DeprecationWarning, match=f"from leworld.tasks import {name}"):
        assert getattr(old, name) is getattr(tasks, name)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        old.nonsense  # noqa: B018


def test_what_is_gone_says_what_to_write() -> None:
    with pytest.raises(ImportError, match=r"TwoRoomRecipe\(\).train\(folder\)"):
        exec("from leworld.training import train_tworoom")


def test_tasks_are_found_by_name_and_by_the_models_world() -> None:
    model = tiny_lewm()
    model.processor = Processor(16, frameskip=2, action_dim=1, environment_id="tests/Dot-v0")
    with pytest.raises(ConfigError, match="tests/Dot-v0"):
        task_of(model)
    task = register(Dot())
    assert register(task) is task
    assert task_of(model) is get_task("dot") is task
    assert "dot" in list_tasks()
    with pytest.raises(ConfigError, match="overwrite"):
        register(Dot())
    other = register(Dot(), overwrite=True)
    assert task_of(model) is other
    assert list_tasks().count("dot") == 1


def test_a_task_is_loaded_from_where_the_user_says(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from tests.tasks.worlds import Dot\nDOT = Dot()\n", encoding="utf-8")
    task = load_task(f"{tmp_path / 'mine.py'}:DOT")
    assert get_task("dot") is task
    assert isinstance(load_task("tests.tasks.worlds:Dot"), Dot)


def test_a_rule_decides_where_a_radius_cannot() -> None:
    """Angles on both sides of pi are near, and components have thresholds of their own."""

    class Pose:
        success_words, distance_unit = "within 1 m and 0.1 rad", "m"

        def _gaps(self, state, goal):
            turned = np.abs((state[..., 1] - goal[..., 1] + np.pi) % (2 * np.pi) - np.pi)
            return np.abs(state[..., 0] - goal[..., 0]), turned

        def distance(self, state, goal):
            return self._gaps(state, goal)[0]

        def reached(self, state, goal):
            moved, turned = self._gaps(state, goal)
            return (moved <= 1) & (turned <= 0.1)

    start = np.array([[0.0, 3.1], [0.0, 3.1], [5.0, 0.0], [0.5, 0.5]], np.float32)
    goal = np.array([[0.9, -3.1], [0.9, -2.9], [0.0, 0.0], [0.0, 0.0]], np.float32)
    pairs = GoalPairs(start=start, goal=goal, protocol="pose", budget=3, success=Pose())
    assert pairs.reached(start, goal).tolist() == [True, False, False, False]
    kept = pairs.unsolved()
    assert (len(kept), kept.num_presolved, kept.words) == (3, 1, "within 1 m and 0.1 rad")
    assert kept.success is pairs.success
    assert np.allclose(kept.distance(kept.start, kept.goal), [0.9, 5.0, 0.5])


def test_smooth_actions_go_somewhere_and_follow_the_seed() -> None:
    policy, info = SmoothPolicy(2, correlation=0.9), {"state": np.zeros((400, 3))}
    moves = np.stack([policy(info) for _ in range(20)])
    assert moves.dtype == np.float32
    assert np.abs(moves).max() <= 1.0
    walked = moves.sum(axis=0).std()
    assert walked > 2 * np.sqrt(20) * moves.std(), "as far as independent noise"
    policy.reset(0)
    assert np.array_equal(policy(info), moves[0])
    policy.reset(1)
    assert not np.array_equal(policy(info), moves[0])


def test_a_model_of_an_own_world_is_trained_saved_and_played(tmp_path: Path) -> None:
    task = register(Dot())
    settings = TrainSettings(num_steps=2, batch_size=8, batchnorm_windows=8)
    recipe = LeWMRecipe(task=task, num_episodes=4, embedding_dim=8, num_slices=4, settings=settings)
    recipe.train(tmp_path, progress=False)
    model = leworld.load(tmp_path / "model")
    assert task_of(model) is task
    assert "lewm-dot" in (tmp_path / "model" / "config.json").read_text(encoding="utf-8")
    planner = CEMPlanner(horizon=2, num_samples=8, num_elites=2, num_iterations=1)
    pairs = task.pairs("trajectory-5", 5, seed=1)
    result = task.play(model, pairs, planner=planner, progress=False)
    assert list(result.policies) == ["LeWM", "random", "oracle"]
    assert result.policies["oracle"].success_rate > result.policies["random"].success_rate
    assert GoalReachingResult.from_json(result.to_json()).policies == result.policies


def test_a_task_without_dynamics_leaves_the_oracle_out() -> None:
    class Plain(Dot):
        world = None  # pyright: ignore[reportAssignmentType] -- a world that cannot be set to a state by hand

    assert Plain().oracle(CEMPlanner(), frameskip=2) is None
    assert Dot().oracle(CEMPlanner(), frameskip=2) is not None
