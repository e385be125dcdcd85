"""The tasks that leworld knows, by name and by environment."""

from .._checks import describe, nearest, quoted
from .._imports import import_named
from ..control import check_choices
from ..errors import ConfigError
from ..models import WorldModel
from ._task import Task

_KNOWN: dict[str, Task] = {}  # registered beside their classes


def list_tasks() -> tuple[str, ...]:
    """Return the names of all known tasks, sorted.

    Example:
        ```python
        from leworld.tasks import list_tasks

        assert "tworoom" in list_tasks()
        ```
    """
    return tuple(sorted(_KNOWN))


def get_task(name: str) -> Task:
    """Return the task of a name.

    Args:
        name: One of `list_tasks()`.

    Raises:
        ConfigError: There is no such task.

    Example:
        ```python
        from leworld.tasks import get_task

        assert get_task("tworoom").protocols == ("trajectory-25", "same-room", "cross-door")
        ```
    """
    if name not in _KNOWN:
        raise ConfigError(
            "get_task needs the name of a known task", f"`{name}` is none", nearest(str(name), _KNOWN)
        )
    return _KNOWN[name]


def register(task: Task, *, overwrite: bool = False) -> Task:
    """Make a task known, so that `task_of` finds it for models of its world and commands by its name.

    Args:
        task: The task.
        overwrite: Take the place of one with the same name or world.

    Returns:
        The task, for `ARM = register(Arm())`.

    Raises:
        ConfigError: No task, one that lacks something, or a name or world that is taken.

    Example:
        ```python
        from leworld.tasks import SmoothPolicy, Task, get_task, register

        class Arm(Task):
            name, environment_id, action_dim, success_radius = "my-arm", "mine/Arm-v0", 2, 0.05

            def make(self, num_envs, image_size=None):
                raise NotImplementedError

            def collecting_policy(self):
                return SmoothPolicy(self.action_dim)

        task = register(Arm(), overwrite=True)
        assert get_task("my-arm") is task
        ```
    """
    _check(task)
    taken = [known for known in _KNOWN.values() if task.name == known.name or _ids(task) & _ids(known)]
    if taken and not overwrite and taken != [task]:
        raise ConfigError(
            "register needs a task with a name and an environment of its own",
            f"`{taken[0].name}` of `{taken[0].environment_id}` is known already",
            "Choose another name, or pass `overwrite=True`",
        )
    for known in taken:
        del _KNOWN[known.name]
    _KNOWN[task.name] = task
    return task


def task_of(model: WorldModel) -> Task:
    """Return the task of a model's world, by the environment that its processor names.

    Args:
        model: A world model with its processor.

    Raises:
        ConfigError: No model, no processor, or a world without a known task.

    Example:
        ```python
        import leworld
        from leworld.tasks import task_of

        assert task_of(leworld.load("lewm-tworoom-tiny")).name == "tworoom"
        ```
    """
    if not isinstance(model, WorldModel):
        raise ConfigError(
            "task_of needs `model` to be a `leworld.models.WorldModel`",
            f"`model` is {describe(model)}",
            "Load one with `leworld.load`",
        )
    world = model.processor.environment_id if model.has_processor else None
    for task in _KNOWN.values():
        if world in _ids(task):
            return task
    worlds = quoted(task.environment_id for task in _KNOWN.values())
    raise ConfigError(
        f"leworld needs the task of the model's world; it knows those of {worlds}",
        f"this model is of `{world}`" if world else "this model names no world",
        "Make its world a task and `leworld.tasks.register` it; commands take `--task FILE.py:NAME`",
    )


def load_task(place: str) -> Task:
    """Import a task from where you say it is, and make it known.

    This runs the code of that file or module, so name only what you trust; leworld never calls this because a
    file says so.

    Args:
        place: `path/to/file.py:NAME` or `package.module:NAME`, where NAME is a task or a class of one.

    Raises:
        ConfigError: Nothing is there, or it is no task.

    Example:
        ```python
        import tempfile
        from pathlib import Path
        from leworld.tasks import load_task

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "mine.py"
            file.write_text("from leworld.tasks import TwoRoomTask as ROOM")
            assert load_task(f"{file}:ROOM").name == "tworoom"
        ```
    """
    source, found = import_named(place, owner="load_task")
    if isinstance(found, type) and issubclass(found, Task):
        found = found()
    if not isinstance(found, Task):
        raise ConfigError(
            f"load_task needs {source} to hold a task under the name `{place.rpartition(':')[2]}`",
            "there is no such name" if found is None else f"it is {describe(found)}",
            "Name an instance of `leworld.tasks.Task`",
        )
    return register(found, overwrite=True)


def _ids(task: Task) -> set[str]:
    return {task.environment_id, *task.other_ids}


def _check(task: object) -> None:
    if not isinstance(task, Task):
        raise ConfigError(
            "register needs `task` to be a `leworld.tasks.Task`",
            f"it is {describe(task)}",
            "Pass an instance of your subclass of Task",
        )
    kind = type(task)
    for name, wanted in (("name", str), ("environment_id", str), ("action_dim", int)):
        value = getattr(task, name, None)
        if not isinstance(value, wanted) or not value:
            raise ConfigError(
                f"register needs the task's `{name}`",
                f"`{kind.__name__}.{name}` is {value!r}",
                f"Set `{name}`",
            )
    if task.action_choices is not None:
        check_choices(task.action_choices, task.action_dim, owner="register")
    own = kind.reached is not Task.reached and bool(task.success_words)
    if (task.success_radius is not None) == own or not task.protocols:
        raise ConfigError(
            "register needs a task with protocols, and either `success_radius` or its own `reached` with "
            "`success_words`",
            f"`{kind.__name__}` has protocols {task.protocols}, `success_radius={task.success_radius}` and "
            f"`success_words={task.success_words!r}`",
            "Set one of both",
        )
