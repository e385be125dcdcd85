"""Environments of gymnasium become tasks, whatever form they come in and however they end."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from click.testing import CliRunner
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from leworld.cli._main import top
from leworld.control import RandomPolicy
from leworld.data import collect
from leworld.errors import LeWorldError
from leworld.evaluation import GoalPairs, StateRadius, goal_reaching
from leworld.planners import CEMPlanner
from leworld.tasks import Task, from_gymnasium
from leworld.tasks import _registry as registry
from leworld.tasks._environments._area_mean import area_mean
from tests.tasks.conformance import check_environment, check_facts, check_task, check_world
from tests.tasks.gymnasium_worlds import Bodies, Hidden, Slider, Stepper

ANGLES = (0, 1)
CLASSIC: dict[str, tuple[StateRadius, bool]] = {
    "Pendulum-v1": (StateRadius(0.1, components=(0,), angles=(0,), distance_unit="rad"), True),
    "MountainCarContinuous-v0": (StateRadius(0.002, components=(0,)), True),
    "Acrobot-v1": (StateRadius(0.05, components=ANGLES, angles=ANGLES, norm="largest"), False),
    "CartPole-v1": (StateRadius(0.02, components=(0, 2)), False),
}


@pytest.fixture(autouse=True)
def _no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")  # SDL looks for a screen otherwise, and complains
    monkeypatch.setattr(registry, "_KNOWN", dict(registry._KNOWN))


def short(task: Task, offset: int = 4) -> Task:
    task.protocols, task.budget, task.episode_steps = (f"trajectory-{offset}",), 8, 8
    return task


@pytest.mark.parametrize("name", ["Pendulum-v1", "CartPole-v1"])
def test_classic_control_keeps_the_contract(name: str) -> None:
    rule, oracle = CLASSIC[name]
    check_task(short(from_gymnasium(name, rule, oracle=oracle)))


@pytest.mark.parametrize("name", ["MountainCarContinuous-v0", "Acrobot-v1"])
def test_more_of_classic_control_is_set_moved_and_drawn(name: str) -> None:
    rule, oracle = CLASSIC[name]
    task = short(from_gymnasium(name, rule, oracle=oracle))
    check_facts(task)
    check_environment(task)
    check_world(task, task.held_out(3, seed=2, image_size=16))


@pytest.mark.parametrize("make", [Slider, Stepper, Bodies])
def test_other_environments_keep_the_contract(make: Callable[[], Any]) -> None:
    check_task(short(from_gymnasium(make, 0.05, oracle=True, image_size=16)))


def test_a_state_is_reached_by_functions_of_the_users_own() -> None:
    with pytest.raises(LeWorldError, match="get_state"):
        from_gymnasium(Hidden, 0.05)
    task = from_gymnasium(
        Hidden,
        0.05,
        get_state=lambda env: env.unwrapped.place,
        set_state=lambda env, state: setattr(env.unwrapped, "place", state),
        oracle=True,
    )
    check_task(short(task))


WRONG: dict[str, dict[str, Any]] = {
    "a state that cannot be set": {"set_state": lambda env, state: None},
    "a part of the state": {
        "set_state": lambda env, state: env.unwrapped.set_state(state[:2], env.unwrapped.data.qvel)
    },
    "another state": {
        "set_state": lambda env, state: env.unwrapped.set_state(state[:2][::-1].copy(), state[2:])
    },
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_functions_are_seen(case: str) -> None:
    def get(env):
        data = env.unwrapped.data
        return np.concatenate([data.qpos, data.qvel])

    with pytest.raises((LeWorldError, AssertionError)):
        check_task(short(from_gymnasium(Bodies, 0.05, get_state=get, **WRONG[case])))


class Untidy(Bodies):
    """Keeps to itself how its pictures look."""

    def step(self, action: Any):
        self.stepped = True
        return super().step(action)

    def render(self):
        return super().render() + np.uint8(hasattr(self, "stepped"))


def test_a_look_that_is_no_part_of_the_state_is_seen() -> None:
    with pytest.raises(AssertionError):
        check_task(short(from_gymnasium(Untidy, 0.05, image_size=16)))


def run(task: Task, steps: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """States and pictures of two copies under the same actions from the same starts."""
    env, generator = task.make(2, 16), np.random.default_rng(0)
    pixels, info = env.reset(seed=5, options={"state": np.array([[0.9], [0.0]]), "goal": np.zeros((2, 1))})
    states, seen = [info["state"]], [pixels]
    for _ in range(steps):
        pixels, _, _, _, info = env.step(generator.uniform(0, 1, (2, 1)))
        states.append(info["state"])
        seen.append(pixels)
    return np.array(states), np.array(seen)


@pytest.fixture
def slider_id(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(gymnasium.envs.registration, "registry", dict(gymnasium.registry))
    gymnasium.envs.registration.register("tests/Slider-v3", Slider, max_episode_steps=2)
    return "tests/Slider-v3"


def forms(name: str) -> dict[str, Any]:
    def limited() -> Any:
        return gymnasium.wrappers.Autoreset(gymnasium.wrappers.TimeLimit(Slider(), 2))

    made = {
        f"{kind} {mode.value}": lambda kind=kind, mode=mode: gymnasium.make_vec(
            name, 2, vectorization_mode=kind, vector_kwargs={"autoreset_mode": mode}, render_mode="rgb_array"
        )
        for kind, mode in [("sync", mode) for mode in AutoresetMode] + [("async", AutoresetMode.SAME_STEP)]
    }
    return made | {
        "id": lambda: name,
        "class": lambda: Slider,
        "function": lambda: limited,
        "environment": lambda: gymnasium.make(name),
        "list": lambda: [Slider, limited],
        "functions in a vector": lambda: SyncVectorEnv([limited] * 3),
    }


FORMS = list(forms(""))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_copies_that_go_on(form: str, slider_id: str) -> None:
    source = forms(slider_id)[form]()
    states, pixels = run(from_gymnasium(source, 0.05))
    wanted, shown = run(from_gymnasium(Slider, 0.05))
    assert np.array_equal(states, wanted)
    assert np.array_equal(pixels, shown)
    assert states[-1, 0] == 1.0, "no limit of 2 steps, and no new episode"
    if isinstance(source, SyncVectorEnv | AsyncVectorEnv):
        source.close()


def test_names_come_from_the_environment(slider_id: str) -> None:
    task = from_gymnasium(slider_id, 0.05)
    assert (task.name, task.environment_id, task.frameskip) == ("slider", slider_id, 5)
    assert from_gymnasium(slider_id, 0.05, name="mine").name == "mine"
    assert from_gymnasium(Stepper, 0.05).frameskip == 1


def ending() -> Slider:
    return Slider(ends=True)


def test_an_episode_that_ends_by_itself_stays_while_a_goal_is_pursued() -> None:
    env = from_gymnasium(ending, 0.05, image_size=16).make(2)
    env.reset(seed=0, options={"state": np.array([[0.95], [-1.0]]), "goal": np.zeros((2, 1))})
    for _ in range(5):
        pixels, reward, terminated, _, info = env.step(np.array([[2.0], [-0.1]]))
        assert terminated.tolist() == [True, False]
        assert info["state"][0] == 1.0
    assert reward[0] == 1.0
    env.step(np.array([[-2.0], [-0.1]]))
    fresh, info = env.reset(options={"state": np.array([[0.95], [-1.0]]), "goal": np.zeros((2, 1))})
    assert not np.array_equal(fresh[0], pixels[0])
    assert env.step(np.array([[-2.0], [-0.1]]))[4]["state"][0] < 0.95, "a new episode moves again"


def test_collected_episodes_end_where_the_environment_ends_them() -> None:
    task = from_gymnasium(
        ending, 0.05, image_size=8, collecting_policy=lambda: lambda info: np.ones((len(info["state"]), 1))
    )
    task.episode_steps = 25
    episodes = task.collect(12, seed=0)
    last = episodes.offsets + episodes.lengths - 1
    ended, state = episodes.columns["terminated"][last], episodes.columns["state"][:, 0]
    assert 0 < ended.sum() < 12
    assert np.array_equal(ended, state[last] >= 0.99)
    assert np.array_equal(episodes.columns["truncated"][last], ~ended)
    assert (episodes.lengths[~ended] == 26).all()
    steps = np.diff(state)[np.setdiff1d(np.arange(len(state) - 1), last)]
    assert (steps > 0).all(), "no row of another episode, and no copy that stays"
    assert np.allclose(steps[state[1:][np.setdiff1d(np.arange(len(state) - 1), last)] < 1], 0.05, atol=1e-3)
    assert episodes.fps == 20


def test_collect_never_meets_a_vector_that_resets_itself() -> None:
    """The environment for goals says that nothing resets, so `collect` refuses it."""
    with pytest.raises(LeWorldError, match="autoreset"):
        collect(from_gymnasium(Slider, 0.05).make(2), lambda info: None, num_episodes=1, seed=0)


def test_the_pendulums_picture_shows_its_state_alone() -> None:
    task = from_gymnasium("Pendulum-v1", 0.1, image_size=32)
    env = task.make(1)
    state = np.array([[1.0, 0.0]])
    env.reset(options={"state": state, "goal": state})
    pixels, _, _, _, info = env.step(np.array([[2.0]]))
    assert np.array_equal(pixels, task.world.render(info["state"], 32))  # pyright: ignore[reportOptionalMemberAccess]


def test_angles_are_probed_as_angles() -> None:
    quantities = from_gymnasium("Pendulum-v1", CLASSIC["Pendulum-v1"][0]).quantities
    assert {name: quantity.kind for name, quantity in quantities.items()} == {
        "state": "number",
        "angle 0": "angle",
    }


def test_the_oracle_reaches_goals_and_is_off_unless_asked_for() -> None:
    task = from_gymnasium(Slider, 0.03, oracle=True, image_size=8)
    start, goal = np.array([[-0.8], [0.5]], np.float32), np.array([[0.4], [-0.3]], np.float32)
    pairs = GoalPairs(start=start, goal=goal, protocol="by hand", budget=20, success=task)
    planner = CEMPlanner(horizon=4, num_samples=40, num_elites=5, num_iterations=8)
    oracle = task.oracle(planner, frameskip=5)
    assert oracle is not None
    policies = {"oracle": oracle, "random": RandomPolicy(1, action_limits=task.action_limits)}
    result = goal_reaching(pairs, policies, env=task.make(2), progress=False)
    assert result.policies["oracle"].success_rate == 1.0
    assert from_gymnasium(Slider, 0.03).oracle(planner, frameskip=5) is None


def test_commands_take_it_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "slider.py"
    file.write_text(
        "from leworld.tasks import from_gymnasium\n"
        "from tests.tasks.gymnasium_worlds import Slider\n"
        "TASK = from_gymnasium(Slider, 0.05, image_size=16, frameskip=2, episode_steps=12)\n"
        'TASK.protocols, TASK.budget = ("trajectory-5",), 12\n',
        encoding="utf-8",
    )
    own = ["--task", f"{file}:TASK"]
    train = ["train", "slider", *own, "--steps", "2", "--episodes", "4", "--batch-size", "8"]
    play = ["plan", str(tmp_path / "model"), *own, "--pairs", "3", "--samples", "4", "--iterations", "1"]
    probe = ["probe", str(tmp_path / "model"), *own, "--episodes", "8", "--stride", "2", "--linear"]
    said = []
    for command in ([*train, "--out", str(tmp_path)], play, probe):
        result = CliRunner().invoke(top, command)
        assert result.exit_code == 0, result.output
        said.append(result.stdout)
    assert all(word in said[1] for word in ("trajectory-5: 3 pairs", "LeWM", "random", "within 0.05"))
    assert "oracle" not in said[1]
    assert "state" in said[2]


def covered(picture: np.ndarray, size: int) -> np.ndarray:
    """Area means by their definition, a pixel of the result at a time."""

    def shares(length: int) -> np.ndarray:
        edges = np.arange(size + 1) * length / size
        table = np.zeros((size, length))
        for row, column in np.ndindex(size, length):
            inside = min(edges[row + 1], column + 1) - max(edges[row], column)
            table[row, column] = max(inside, 0) * size / length
        return table

    means = np.einsum(
        "ih,jw,hwc->ijc", shares(picture.shape[0]), shares(picture.shape[1]), picture.astype(float)
    )
    return means


@pytest.mark.parametrize(
    ("height", "width", "size"), [(40, 60, 16), (9, 7, 5), (64, 64, 16), (5, 3, 12), (8, 8, 8)]
)
def test_pictures_are_resized_by_the_mean_of_areas(height: int, width: int, size: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    small = area_mean(picture, size)
    assert small.shape == (size, size, 3)
    assert small.dtype == np.uint8
    assert np.abs(small - covered(picture, size)).max() <= 0.5 + 1e-3
    assert np.array_equal(
        area_mean(np.full((height, width, 3), 251, np.uint8), size), np.full((size, size, 3), 251)
    )


def test_a_thin_line_stays_visible() -> None:
    picture = np.zeros((400, 600, 3), np.uint8)
    picture[:, 301] = 255
    assert area_mean(picture, 64).max() > 20


def test_rules_of_a_radius() -> None:
    """Angles the short way round, chosen components alone, and the largest of them where asked."""
    state, goal = np.array([[3.1, 5.0, 0.0]]), np.array([[[-3.1, 0.0, 0.3]], [[3.1, 5.0, 0.0]]])
    turn = 2 * np.pi - 6.2
    angle = StateRadius(0.1, (0,), (0,), distance_unit="rad")
    assert np.allclose(angle.distance(state, goal), [[turn], [0.0]])
    assert angle.reached(state, goal).tolist() == [[True], [True]]
    assert angle.success_words == "within 0.1 rad of the goal in angle 0"
    both = StateRadius(0.3, (0, 2), (0,))
    assert np.allclose(both.distance(state, goal)[0], np.hypot(turn, 0.3))
    assert not both.reached(state, goal)[0]
    each = dataclasses.replace(both, norm="largest")
    assert each.reached(state, goal)[0]
    assert each.success_words == "each within 0.3 of the goal in angle 0 and component 2"
    assert StateRadius(5.0).success_words == "within 5 of the goal"
