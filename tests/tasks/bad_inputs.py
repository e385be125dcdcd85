"""Mistakes with tasks, and the errors that they must earn."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from leworld.data import Episodes, Windows
from leworld.envs import TwoRoomArena
from leworld.errors import CheckpointError, ConfigError, DataError, LeWorldError, NonFiniteError, ShapeError
from leworld.planners import MPPIPlanner
from leworld.regularizers import SIGReg
from leworld.tasks import (
    ArmTask,
    Contender,
    CubeTask,
    ExpertPolicy,
    LeWMRecipe,
    PushTRecipe,
    PushTTask,
    ReacherTask,
    RecordedRecipe,
    SmoothPolicy,
    TwoRoomRecipe,
    TwoRoomTask,
    compare,
    get_contender,
    get_task,
    load_task,
    register,
    task_of,
    tune,
    tune_recorded,
    two_room_held_out,
    two_room_pairs,
    with_rewards,
)
from leworld.tasks.tworoom._pairs import two_room_steps
from tests.bad_input import BadInput
from tests.hub.examples import tiny_lewm
from tests.tasks.bad_gymnasium_inputs import ROWS as GYMNASIUM_ROWS
from tests.tasks.worlds import Dot, Switched
from tests.training.tiny import tiny_model, tiny_settings

HERE = np.array([60.0, 60.0])
INFO = {"state": HERE[None], "goal": HERE[None]}
_ROOM = "leworld.tasks"


def _row(name: str, case: str, call, *mentions: str, error: type[LeWorldError] = ConfigError) -> BadInput:
    return BadInput(f"{_ROOM}.{name}", case, call, error, mentions)


def _rewarded(task: object = None, **options) -> Episodes:
    states = {"state": np.zeros((4, 2), np.float32)}
    actions = np.array([[0.0], [0.0], [0.0], [np.nan]], np.float32)
    episodes = options.pop("episodes", Episodes(None, actions, lengths=np.array([4]), columns=states))
    options = {"goal": np.zeros(2), **options}
    return with_rewards(episodes, ArmTask() if task is None else task, **options)  # type: ignore[arg-type]


def _stateless() -> Episodes:
    columns = {"proprio": np.zeros((2, 1), np.float32)}
    return Episodes(None, np.array([[0.0], [np.nan]], np.float32), lengths=np.array([2]), columns=columns)


def _expert(case, call, error, *mentions):
    return _row("ExpertPolicy", case, call, *mentions, error=error)


def _two_room(case, *mentions, **options):
    return _row("two_room_pairs", case, lambda: two_room_pairs(**options), *mentions)


def _steps(case, *mentions, **options):
    return _row("TwoRoomTask.goal_steps", case, lambda: two_room_steps(TwoRoomArena(), **options), *mentions)


def _register(case, *mentions, **changes):
    def call():
        task = Dot()
        for name, value in changes.items():
            setattr(task, name, value)
        return register(task)

    return _row("register", case, call, *mentions)


def _processor():
    processor = tiny_model().processor
    return replace(processor, image_size=16)


def _small(**changes) -> TwoRoomRecipe:
    return TwoRoomRecipe(num_episodes=2, settings=tiny_settings(num_steps=1), **changes)


def _half_a_state() -> object:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "state.ckpt").write_bytes(b"PK half a file")
        return _small().train(folder, progress=False)


def _file(text: str, name: str) -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.py"
        path.write_text(text, encoding="utf-8")
        return load_task(f"{path}:{name}")


def _without_processor():
    model = tiny_lewm()
    model.processor = None
    return model


def _env(call):
    env = Dot().make(3, 8)
    env.reset(seed=0)
    return call(env)


def _senses(**parts):
    task = Dot()
    task.sense = lambda states: parts
    return task.make(3, 8).reset(seed=0)


def _steps_to(states):
    task = Dot()
    task.step = lambda *_: states
    env = task.make(3, 8)
    env.reset(seed=0)
    return env.step(np.zeros((3, 1), np.float32))


def _chosen(actions):
    env = Switched().make(3, 8)
    env.reset(seed=0)
    return env.step(actions)


def _compare(case, *mentions, **changes):
    def call():
        with tempfile.TemporaryDirectory() as folder:
            options = {"contenders": ["lewm"], "seeds": (0,)} | changes
            contenders = options.pop("contenders")
            return compare(get_task("tworoom"), contenders, folder=folder, progress=False, **options)

    return _row("compare", case, call, *mentions)


def _tune(case, *mentions, **changes):
    def call():
        with tempfile.TemporaryDirectory() as folder:
            options = {"task": get_task("tworoom"), "folder": folder, "progress": False} | changes
            return tune(**options)

    return _row("tune", case, call, *mentions)


def _tune_recorded(case, *mentions, build=lambda weight: None, windows=None, **changes):
    def call():
        episodes = get_task("tworoom").collect(2, image_size=8)
        cut = Windows(episodes, 1, frameskip=5) if windows is None else windows
        with tempfile.TemporaryDirectory() as folder:
            options = {"held_out": episodes, "folder": folder} | changes
            return tune_recorded(build, cut, **options)

    return _row("tune_recorded", case, call, *mentions)


ROWS = [
    _row("with_rewards", "a name", lambda: _rewarded("arm"), "`task`", "'arm'"),
    _row("with_rewards", "no episodes", lambda: _rewarded(episodes=3), "`episodes`", "it is 3"),
    _row("with_rewards", "kind", lambda: _rewarded(kind="shaped"), "`dense`"),
    _row("with_rewards", "unit", lambda: _rewarded(unit=0.0), "unit=0.0"),
    _row("with_rewards", "no state", lambda: _rewarded(episodes=_stateless()), "`state`", "proprio"),
    _row("with_rewards", "goal", lambda: _rewarded(goal=np.zeros(3)), "goal", error=ShapeError),
    _row("with_rewards", "NaN", lambda: _rewarded(goal=np.full(2, np.nan)), "goal", error=NonFiniteError),
    _row("with_rewards", "always there", lambda: _rewarded(ends=True), "every row", error=DataError),
    *GYMNASIUM_ROWS,
    _tune("no task", "tune_recorded", task="tworoom"),
    _tune("no recipe", "Recipe", recipe="lewm"),
    _tune("another model", "`pldm`", recipe=TwoRoomRecipe(model="pldm")),
    _tune("two trainings", "num_runs", num_runs=2),
    _tune("no steps", "num_steps", num_steps=0),
    _tune("a negative seed", "seed", seed=-1),
    _tune("no lambda", "low", low=0.0),
    _tune("hardly a range", "factor 2", low=0.1, high=0.15),
    _tune_recorded("no function", "function of a weight", build=3),
    _tune_recorded("no model", "WorldModel"),
    _tune_recorded("no windows", "Windows", windows=3),
    _tune_recorded("nothing held out", "held_out", held_out=None),
    _tune_recorded("two trainings", "num_runs", num_runs=2),
    _row("get_task", "a misspelt name", lambda: get_task("twroom"), "Did you mean `tworoom`"),
    _row("task_of", "a name", lambda: task_of("lewm-tworoom-tiny"), "WorldModel"),  # type: ignore[arg-type]
    _row("task_of", "no processor", lambda: task_of(_without_processor()), "names no world", "register"),
    _row("task_of", "an unknown world", lambda: task_of(tiny_model()), "register", "--task", "TwoRoom-v0"),
    _row("register", "a class", lambda: register(Dot), "Task", "instance"),  # type: ignore[arg-type]
    _register("a known name", "known already", "overwrite=True", name="tworoom"),
    _register("a known world", "known already", environment_id="leworld/TwoRoom-v0"),
    _register("no name", "`name`", name=""),
    _register("no actions", "`action_dim`", action_dim=0),
    _register("no success", "success_radius", success_radius=None),
    _register("no protocols", "protocols", protocols=()),
    _row("load_task", "no name", lambda: load_task("arm.py"), "FILE.py:NAME"),
    _row("load_task", "no file", lambda: load_task("nowhere/arm.py:ARM"), "nowhere/arm.py", "path"),
    _row("load_task", "no module", lambda: load_task("no_such_module:ARM"), "ModuleNotFoundError"),
    _row("load_task", "no such name", lambda: _file("x = 1", "ARM"), "no such name", "`ARM`"),
    _row("load_task", "no task", lambda: _file("ARM = 1", "ARM"), "it is 1"),
    _row("SmoothPolicy", "no actions", lambda: SmoothPolicy(0), "action_dim"),
    _row("SmoothPolicy", "never new", lambda: SmoothPolicy(1, correlation=1.0), "correlation"),
    _row(
        "SmoothPolicy", "reversed limits", lambda: SmoothPolicy(1, action_limits=(2.0, 1.0)), "action_limits"
    ),
    _row("SmoothPolicy", "other choices", lambda: SmoothPolicy(1, action_choices=3), "action_choices=3"),
    _register("other components than choices", "action_choices=3", action_choices=3),
    _row(
        "StateTask.make", "a part in place of pixels", lambda: _senses(pixels=2), "`sense`", error=ShapeError
    ),
    _row("StateTask.make", "a part of words", lambda: _senses(touch="soft"), "touch", error=ShapeError),
    _row(
        "StateTask.make", "parts of fewer", lambda: _senses(touch=np.zeros((2, 1))), "env=3", error=ShapeError
    ),
    _row(
        "StateTask.make",
        "a step to states of another shape",
        lambda: _steps_to(np.zeros((2, 3))),
        "`step`",
        "(3, 1)",
        error=ShapeError,
    ),
    _row(
        "StateTask.make",
        "a step to nowhere",
        lambda: _steps_to(np.full((3, 1), np.nan)),
        "`step`",
        "3 of it NaN",
        error=ShapeError,
    ),
    _row("StateTask.make", "one-hot choices", lambda: _chosen(np.eye(3)), "one choice", error=ShapeError),
    _row(
        "StateTask.make",
        "a choice too many",
        lambda: _chosen(np.array([0, 1, 3])),
        "0 to 2",
        error=ShapeError,
    ),
    _row("SmoothPolicy", "negative seed", lambda: SmoothPolicy(1, seed=-1), "seed"),
    _row("SmoothPolicy", "no state", lambda: SmoothPolicy(1)({"goal": HERE}), "`state`", "['goal']"),
    _row("SmoothPolicy", "an array", lambda: SmoothPolicy(1)(HERE), "ndarray"),  # type: ignore[arg-type]
    _row("StateTask.make", "no copies", lambda: Dot().make(0), "num_envs"),
    _row("StateTask.make", "no pixels", lambda: Dot().make(1, 0), "image_size"),
    _row("StateTask.make", "a step before reset", lambda: Dot().make(1).step(np.zeros((1, 1))), "`reset()`"),
    _row(
        "StateTask.make",
        "starts of other copies",
        lambda: _env(lambda env: env.reset(options={"state": np.zeros((2, 1))})),
        "`state`",
        "env=3",
        error=ShapeError,
    ),
    _row(
        "StateTask.make",
        "actions of another size",
        lambda: _env(lambda env: env.step(np.zeros((3, 2)))),
        "(3, 1)",
        error=ShapeError,
    ),
    _row("StateTask.goal_steps", "no steps", lambda: Dot().goal_steps(0), "num_steps"),
    _row("Task.pairs", "unknown protocol", lambda: Dot().pairs("trajectory-52", 1), "trajectory-5"),
    _row("Task.collect", "no episodes", lambda: Dot().collect(0), "num_episodes"),
    _row("LeWMRecipe", "a name for a task", lambda: LeWMRecipe(task="tworoom"), "get_task"),  # type: ignore[arg-type]
    _row("RecordedRecipe", "a path", lambda: RecordedRecipe(episodes="my.h5"), "open_episodes"),  # type: ignore[arg-type]
    _row("LeWMRecipe", "no history", lambda: LeWMRecipe(task=Dot(), history_size=0), "history_size"),
    _row("TwoRoomRecipe", "another model", lambda: TwoRoomRecipe(model="dreamer"), "`pldm`"),  # type: ignore[arg-type]
    _row(
        "TwoRoomRecipe.build",
        "SIGReg for PLDM",
        lambda: TwoRoomRecipe(model="pldm").build(_processor(), regularizer=SIGReg(4)),
        "PLDMTerms",
    ),
    _row("LeWMRecipe", "no hidden layer", lambda: LeWMRecipe(task=Dot(), hidden_dim=0), "hidden_dim"),
    _row("LeWMRecipe", "norm", lambda: LeWMRecipe(task=Dot(), encoder_norm="layer"), "`batch`"),  # type: ignore[arg-type]
    _row("PushTRecipe", "no steps", lambda: PushTRecipe(episode_steps=0), "episode_steps"),
    _row(
        "LeWMRecipe",
        "a negative weight",
        lambda: LeWMRecipe(task=Dot(), inverse_dynamics_weight=-1.0),
        "inverse_dynamics_weight",
    ),
    _row("TwoRoomRecipe", "frames of 20 pixels", lambda: TwoRoomRecipe(image_size=20), "multiple of 16"),
    _row("TwoRoomRecipe", "no episodes", lambda: TwoRoomRecipe(num_episodes=0), "num_episodes"),
    _row("TwoRoomRecipe", "share 2", lambda: TwoRoomRecipe(straight_share=2.0), "straight_share"),
    _row("TwoRoomRecipe", "negative lambda", lambda: TwoRoomRecipe(regularizer_weight=-0.1), "weight"),
    _row(
        "TwoRoomRecipe",
        "a number of steps for settings",
        lambda: TwoRoomRecipe(settings=100),  # type: ignore[arg-type]
        "settings",
        "TrainSettings",
    ),
    _row(
        "TwoRoomRecipe.build",
        "a name for a regularizer",
        lambda: TwoRoomRecipe().build(_processor(), regularizer="SIGReg"),  # type: ignore[arg-type]
        "regularizer",
        "module",
    ),
    _row("TwoRoomRecipe.train", "half a state", _half_a_state, "state.ckpt", error=CheckpointError),
    _row("ArmTask", "no tolerance", lambda: ArmTask(0.0), "tolerance"),
    _row("ArmTask", "all around", lambda: ArmTask(3.5), "tolerance", "3.5"),
    _row("PushTTask.pairs", "protocol", lambda: PushTTask().pairs("trajectory-30"), "trajectory-30"),
    _row("PushTTask.pairs", "no pairs", lambda: PushTTask().pairs("strict-25", 0), "num_episodes=0"),
    _row("TwoRoomTask", "doors", lambda: TwoRoomTask([(49, 14)]), "TwoRoomArena"),  # type: ignore[arg-type]
    _row("ReacherTask", "another criterion", lambda: ReacherTask("strict"), "`published`"),  # type: ignore[arg-type]
    _row("CubeTask.pairs", "an unknown protocol", lambda: CubeTask().pairs("trajectory-52"), "trajectory-25"),
    _row("ReacherTask.pairs", "no pairs", lambda: ReacherTask().pairs("trajectory-25", 0), "num_pairs"),
    _two_room("unknown protocol", "protocol", "cross-door", protocol="cross-doors"),
    _two_room("trajectory without episodes", "two_room_held_out", protocol="trajectory-25"),
    _two_room("no pairs", "num_pairs", protocol="same-room", num_pairs=0),
    _two_room("negative seed", "seed", protocol="same-room", seed=-1),
    _steps("no steps", "num_steps", num_steps=0),
    _steps("steps of no length", "step_size", step_size=0),
    _steps("a bin nearer than a step", "edges", edges=(0, 20)),
    _steps("a bin beyond the room", "edges", edges=(20, 400)),
    _steps("one edge", "edges", edges=(20,)),
    _steps("falling edges", "edges", edges=(40, 20)),
    _steps("negative seed", "seed", seed=-1),
    *(
        _row("two_room_held_out", case, lambda o=options: two_room_held_out(**o), *options)
        for case, options in (
            ("no episodes", {"num_episodes": 0}),
            ("no pixels", {"image_size": 0}),
            ("negative seed", {"seed": -1}),
        )
    ),
    _expert("negative noise", lambda: ExpertPolicy(noise_std=-1.0), ConfigError, "noise_std=-1.0"),
    _expert("probability 2", lambda: ExpertPolicy(repeat_probability=2.0), ConfigError, "at most 1"),
    _expert("negative seed", lambda: ExpertPolicy(seed=-1), ConfigError, "seed=-1"),
    _expert("an array for info", lambda: ExpertPolicy()(HERE), ConfigError, "`state` and `goal`"),  # type: ignore[arg-type]
    _expert("info without goal", lambda: ExpertPolicy()({"state": HERE}), ConfigError, "['state']"),
    _expert(
        "another number of goals", lambda: ExpertPolicy()({**INFO, "goal": HERE}), ShapeError, "one shape"
    ),
    _expert(
        "NaN state",
        lambda: ExpertPolicy()({**INFO, "state": HERE[None] * np.nan}),
        NonFiniteError,
        "info['state']",
    ),
    _compare("no model", "at least one Contender", contenders={}),
    _compare("no contender", "at least one Contender", contenders={"mine": lambda request: None}),
    _compare("an unknown model", "Did you mean `lewm`", contenders=["lewmm"]),
    _compare("a name that is no folder's", "a/b", contenders={"a/b": get_contender("lewm")}),
    _compare("no seed", "seeds", seeds=()),
    _compare("a negative seed", "seeds", seeds=(-1,)),
    _compare("an unknown protocol", "far-away", protocols=("far-away",)),
    _compare("no protocol", "protocols", protocols=()),
    _compare("no pairs", "num_pairs", num_pairs=0),
    _compare("too few episodes to probe", "num_probed", num_probed=2),
    _compare("another planner", "CEMPlanner", planner=MPPIPlanner()),
    _row("get_contender", "an unknown name", lambda: get_contender("pldmm"), "Did you mean `pldm`"),
    _row("get_contender", "no file", lambda: get_contender("nowhere.py:MINE"), "nowhere.py"),
    _row("get_contender", "something else", lambda: get_contender("math:pi"), "3.14", "Contender"),
    _row(
        "Contender",
        "no function",
        lambda: Contender(build=1, loss_weights=()),  # type: ignore[arg-type]
        "build",
    ),
    _row(
        "Contender",
        "weights that are no names",
        lambda: Contender(build=print, loss_weights=(1,)),  # type: ignore[arg-type]
        "loss_weights",
    ),
    _row(
        "Contender",
        "nothing left for the model",
        lambda: Contender(build=print, loss_weights=(), pretraining_share=1.0),  # type: ignore[arg-type]
        "pretraining_share",
    ),
]
