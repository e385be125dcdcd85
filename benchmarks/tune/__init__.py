"""How well figures that need no environment foretell success over lambda, and what `tune` finds."""

from collections.abc import Callable

from benchmarks.arm import Arm
from leworld.tasks import Task, get_task, list_tasks, load_task

_OTHERS: dict[str, Callable[[], Task]] = {"arm": Arm}  # where leworld does not bring a task of that name


def task_named(name: str) -> Task:
    """Return leworld's task of a name, one of the benchmarks', or one at FILE.py:NAME."""
    if ":" in name:
        return load_task(name)
    if name not in list_tasks() and name in _OTHERS:
        return _OTHERS[name]()
    return get_task(name)
