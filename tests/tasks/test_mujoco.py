"""Reacher and Cube: on stand-ins of the packages always, on the packages where they are installed."""

import ctypes.util
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from leworld.errors import ConfigError, MissingExtraError
from leworld.hub import checkpoint_info
from leworld.planners import CEMPlanner
from leworld.tasks import CubeTask, LeWMRecipe, ReacherTask, Task, get_task, task_of
from leworld.tasks.mujoco import _drawing
from leworld.training import TrainSettings
from tests.hub.examples import tiny_lewm
from tests.tasks import mujoco_stand_ins
from tests.tasks.conformance import check_environment, check_facts, check_task

TASKS: dict[str, Callable[[], Task]] = {"reacher": ReacherTask, "cube": CubeTask}


def short(task: Task) -> Task:
    task.protocols, task.budget, task.episode_steps = ("trajectory-4",), 8, 8
    return task


@pytest.mark.parametrize("name", TASKS)
def test_they_keep_the_contract(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mujoco_stand_ins.install(monkeypatch)
    check_task(short(TASKS[name]()))


@pytest.mark.parametrize(("name", "size"), [("reacher", 2), ("cube", 5)])
def test_the_official_checkpoints_find_their_worlds(name: str, size: int) -> None:
    record = checkpoint_info(f"lewm-{name}")
    model = tiny_lewm()
    model.processor = record.processor
    task = task_of(model)
    assert task is get_task(name)
    assert record.processor is not None
    assert task.action_dim == record.processor.action_dim == size
    assert (task.frameskip, task.budget, task.protocols) == (5, 50, ("trajectory-25",))
    assert record.processor.frameskip == 5
    assert task.episode_steps == 200


@pytest.mark.parametrize("name", TASKS)
def test_a_model_is_trained_and_plays(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mujoco_stand_ins.install(monkeypatch)
    task = short(TASKS[name]())
    task.image_size, task.frameskip = 16, 2
    settings = TrainSettings(num_steps=1, batch_size=4, batchnorm_windows=4)
    recipe = LeWMRecipe(task=task, num_episodes=2, embedding_dim=4, num_slices=2, settings=settings)
    model = recipe.train(tmp_path, progress=False)
    quick = CEMPlanner(horizon=2, num_samples=4, num_elites=2, num_iterations=1)
    result = task.play(model, task.pairs("trajectory-4", 2, seed=0), planner=quick, progress=False)
    assert list(result.policies) == ["LeWM", "random"]
    assert task.success_words in str(result)


def test_the_shoulder_wraps_unless_the_published_criterion_is_asked_for() -> None:
    goal = np.zeros((3, 4))
    states = np.array([[2 * np.pi, 0.04, 9.0, 9.0], [0.04, -0.04, 0.0, 0.0], [0.0, 2 * np.pi, 0.0, 0.0]])
    assert ReacherTask().reached(states, goal).tolist() == [True, True, False]
    assert ReacherTask("published").reached(states, goal).tolist() == [False, True, False]
    apart = np.array([[0.06, 0.0, 0.0, 0.0]])
    assert not ReacherTask().reached(apart, goal[:1]).any()
    with pytest.raises(ConfigError, match="wrapped"):
        ReacherTask("strict")  # type: ignore[arg-type]


def test_the_cube_alone_counts() -> None:
    state, goal = np.zeros((2, 41))
    goal[[0, 17, 30]] = 5.0
    assert CubeTask().reached(state, goal)
    goal[14:17] = 0.03, 0.03, 0.03
    assert not CubeTask().reached(state, goal)
    assert "4 cm" in CubeTask().success_words


def test_the_expert_moves_the_cube(monkeypatch: pytest.MonkeyPatch) -> None:
    mujoco_stand_ins.install(monkeypatch)
    task = CubeTask()
    task.episode_steps = 30
    first, again = (task.collect(3, seed=1, image_size=4) for _ in range(2))
    assert np.array_equal(first.actions, again.actions, equal_nan=True)
    assert "expert" not in first.columns
    cube = first.columns["state"][:, 14:17].reshape(3, 31, 3)
    assert (np.linalg.norm(cube[:, -1] - cube[:, 0], axis=1) > 0.04).all()


@pytest.mark.parametrize(("name", "package"), [("reacher", "dm_control.suite.reacher"), ("cube", "ogbench")])
def test_a_missing_package_is_named_with_its_extra(
    name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mujoco_stand_ins.install(monkeypatch)
    for known in [known for known in sys.modules if known.startswith(package)]:
        monkeypatch.setitem(sys.modules, known, None)
    with pytest.raises(MissingExtraError, match=r"leworld\[mujoco\]"):
        TASKS[name]().make(1)


@pytest.mark.parametrize(
    ("asked", "there", "chosen"),
    [
        ("", ("EGL", "OSMesa"), "egl"),
        ("", ("OSMesa",), "osmesa"),
        ("osmesa", ("EGL",), "osmesa"),
        (" EGL ", (), "egl"),
        ("1", ("OSMesa",), "osmesa"),
    ],
)
def test_what_is_there_draws(
    asked: str, there: tuple[str, ...], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("MUJOCO_GL", asked)
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: name if name in there else None)
    assert _drawing.find_backend() == chosen


def test_nothing_to_draw_with_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    with pytest.raises(MissingExtraError, match="neither libEGL nor libOSMesa"):
        _drawing.find_backend()


def test_a_driver_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*size: int) -> None:
        raise RuntimeError("no device")

    monkeypatch.setenv("MUJOCO_GL", "egl")
    egl = ModuleType("mujoco.egl")
    egl.GLContext = broken  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mujoco", ModuleType("mujoco"))
    monkeypatch.setitem(sys.modules, "mujoco.egl", egl)
    with pytest.raises(MissingExtraError, match="MUJOCO_GL=osmesa"):
        _drawing.Drawing(None, "front", 8).draw(None)


# On the packages themselves.


@pytest.fixture
def _headless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let dm_control, which decides at its import, draw by what leworld draws by."""
    try:
        monkeypatch.setenv("MUJOCO_GL", _drawing.find_backend())
    except MissingExtraError as error:
        pytest.skip(str(error))


def installed(*packages: str) -> pytest.MarkDecorator:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {missing}, of the extra `mujoco`")


@installed("mujoco", "dm_control")
@pytest.mark.usefixtures("_headless")
@pytest.mark.filterwarnings("ignore:.*DISPLAY:Warning")
def test_reacher_is_dm_controls() -> None:
    from dm_control import suite

    own = ReacherTask().make_one(0)
    own.reset(seed=1)
    peer = suite.load("reacher", "hard", task_kwargs={"random": 0})
    peer.reset()
    peer.physics.named.model.mat_rgba["target", 3] = 0.0
    with peer.physics.reset_context():
        peer.physics.set_state(own.get_state())
    for action in np.random.default_rng(0).uniform(-1.2, 1.2, (40, 2)):
        own.step(np.clip(action, -1, 1))
        for _ in range(2):
            peer.step(np.clip(action, -1, 1))
    assert np.allclose(own.get_state(), peer.physics.get_state(), rtol=0, atol=1e-9)
    apart = np.abs(own.render().astype(int) - peer.physics.render(224, 224, camera_id=0))
    assert apart.max() <= 2, "another picture than dm_control's"


@installed("mujoco", "dm_control")
@pytest.mark.usefixtures("_headless")
@pytest.mark.filterwarnings("ignore:.*DISPLAY:Warning")
def test_reacher_keeps_the_contract_on_the_package() -> None:
    check_task(short(ReacherTask()))


@installed("mujoco", "ogbench")
@pytest.mark.usefixtures("_headless")
@pytest.mark.filterwarnings("ignore:.*DISPLAY:Warning")
def test_cube_keeps_the_contract_on_the_package() -> None:
    task = CubeTask()
    check_facts(task)
    check_environment(task)
    world, model = task.world, task.first.model
    assert model.joint("object_joint_0").qposadr[0] == 14
    assert (model.nq, model.nv) == (21, 20)
    pairs, again = (task.pairs("trajectory-25", 4, seed=1) for _ in range(2))
    assert np.array_equal(pairs.start, again.start)
    assert np.array_equal(pairs.goal, again.goal)
    assert (np.linalg.norm((pairs.goal - pairs.start)[:, 14:17], axis=1) > 0.04).all(), "the expert moves it"
    env = task.make(4, 8)
    env.reset(options={"state": pairs.start, "goal": pairs.goal})
    action = np.random.default_rng(0).uniform(-1, 1, (4, 5))
    moved = env.step(action)[4]["state"]
    assert np.allclose(world.step(pairs.start, action), moved, atol=1e-5), "copies that share an arm meet"
