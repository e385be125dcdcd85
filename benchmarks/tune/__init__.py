"""How well figures that need no environment foretell success over lambda, and what `tune` finds."""

from leworld.tasks import Task, get_task, load_task


def task_named(name: str) -> Task:
    """Return leworld's task of a name, or the one at FILE.py:NAME."""
    return load_task(name) if ":" in name else get_task(name)
