"""How well figures that need no environment foretell success over lambda, and what `tune` finds."""

from benchmarks.tworoom import FORMER_RECIPE
from leworld.tasks import Recipe, Task, get_task, load_task


def task_named(name: str) -> Task:
    """Return leworld's task of a name, or the one at FILE.py:NAME."""
    return load_task(name) if ":" in name else get_task(name)


def full_recipe(task: Task) -> Recipe:
    """Return the recipe that is shortened: in TwoRoom that of the shipped model, which is older."""
    return FORMER_RECIPE if task.name == "tworoom" else task.recipe()
