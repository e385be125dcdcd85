"""Train and measure several models alike."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..._checks import check_choice, check_number, describe, plain_numbers
from ...errors import ConfigError
from ...evaluation import (
    ComparisonResult,
)
from ...planners import CEMPlanner
from ...training import reserve_folder
from .._kept_settings import check_settings, recipe_facts
from .._recipe import Recipe
from .._task import FIXED_GOAL, Task
from ._contender import Contender
from ._known import get_contender, list_contenders
from ._measure import Comparison

_SETTINGS = "comparison.json"


@plain_numbers
def compare(
    task: Task,
    contenders: Iterable[str] | Mapping[str, Contender] | None = None,
    *,
    folder: str | Path,
    seeds: Sequence[int] = (0, 1, 2),
    recipe: Recipe | None = None,
    planner: CEMPlanner | None = None,
    protocols: Sequence[str] | None = None,
    num_pairs: int = 50,
    num_probed: int = 50,
    progress: bool = True,
) -> ComparisonResult:
    """Train several models on one task and measure them alike, as Figs. 2 and 3 of LeWM do.

    For every seed the models get the same training episodes, the same number of steps with the same number of
    windows (what a contender trains beforehand included, see `Contender.pretraining_share`), the same pairs
    of start and goal and the same held-out episodes. So they see equally many frames; seconds differ, and are
    told. Every model then plans twice: with the planner's own samples and iterations, and with a search that
    takes no more floating-point operations than a plan of the first model (`fitting_search`: both counts
    shrink by one factor, elites are a tenth). Where both are the same search it is played once.

    A contender may know one task, the task's `fixed_goal`: it learns from the rewards of that goal, which its
    training episodes then hold, and is played by a policy of its own, whatever goal a pair has. The protocol
    "fixed-goal", starts from anywhere and that goal, is the one that it is made for; the others show what
    knowing one task costs.

    Each training has a folder of its own, `NAME/seedN`, with its state, its model and, when it has been
    measured, `row.json`. The same call after an interruption goes on where it was; a call with more
    models or seeds adds them.

    Args:
        task: The task.
        contenders: Names of known models, or contenders of your own by name; when None all known ones that
            need no rewards. The first that has no policy of its own is the measure for the operations of a
            plan.
        folder: Where everything goes; made if missing.
        seeds: One training a model and seed.
        recipe: Episodes, sizes, and the settings of all trainings; `task.recipe()` when None. Its own seed is
            not used.
        planner: CEM with its samples and iterations; as usual when None.
        protocols: Some of the task's, and "fixed-goal" where it has one; when None all of the task's, and
            "fixed-goal" first where a model learns from rewards.
        num_pairs: Pairs a protocol and seed.
        num_probed: Held-out episodes to probe.
        progress: Show progress bars.

    Raises:
        ConfigError: No contender or seed, an unknown one, a protocol that the task has not, or a folder that
            holds a comparison with other settings.

    Randomness:
        From the seeds only.

    Source:
        Maes et al., LeWorldModel, 2026, arXiv 2603.19312, Figs. 2 and 3. Its fixed budget of operations is
        not published in numbers; equal frames, intervals, and the rule for the fixed budget are ours.

    Example:
        ```python
        import tempfile
        from leworld.planners import CEMPlanner
        from leworld.tasks import TwoRoomRecipe, compare, get_task
        from leworld.training import TrainSettings

        recipe = TwoRoomRecipe(
            num_episodes=4,
            embedding_dim=8,
            settings=TrainSettings(num_steps=2, batch_size=8, batchnorm_windows=16),
        )
        with tempfile.TemporaryDirectory() as folder:
            result = compare(
                get_task("tworoom"),
                ["lewm"],
                folder=folder,
                seeds=[0],
                recipe=recipe,
                planner=CEMPlanner(num_samples=4, num_iterations=1),
                protocols=["same-room"],
                num_pairs=1,
                num_probed=4,
                progress=False,
            )
        assert result.rows[0].reached["same-room"][1] == 1
        ```
    """
    found = _contenders(contenders)
    recipe = task.recipe() if recipe is None else recipe
    planner = CEMPlanner(num_iterations=10) if planner is None else planner
    if not isinstance(planner, CEMPlanner):
        raise ConfigError(
            "compare needs `planner` to be a CEMPlanner, whose samples and iterations it can fit to a budget",
            f"it is {describe(planner)}",
            "Pass for example CEMPlanner(num_samples=300, num_iterations=10)",
        )
    if protocols is None:
        one_task = any(contender.rewards is not None for contender in found.values())
        protocols = (FIXED_GOAL, *task.protocols) if one_task else task.protocols
    protocols = tuple(protocols)
    fixed = () if task.fixed_goal is None else (FIXED_GOAL,)
    for protocol in protocols:
        check_choice("compare", "protocols", protocol, (*task.protocols, *fixed))
    check_number("compare", "num_pairs", num_pairs, low=1, integer=True)
    check_number("compare", "num_probed", num_probed, low=3, integer=True)
    seeds = tuple(seeds)
    for seed in seeds:
        check_number("compare", "seeds", seed, low=0, integer=True)
    if not seeds or len(set(seeds)) < len(seeds) or not protocols:
        raise ConfigError(
            "compare needs at least one protocol, and seeds that differ",
            f"`protocols={protocols}` and `seeds={seeds}`",
            "Pass for example seeds=(0, 1, 2)",
        )
    settings = {
        "task": task.name,
        "recipe": recipe_facts(recipe),
        "reference": next((name for name, one in found.items() if one.policy is None), next(iter(found))),
        "planner": _planner_facts(planner),
        "protocols": list(protocols),
        "pairs": num_pairs,
        "probed_episodes": num_probed,
    }
    with reserve_folder(folder, owner="compare") as place:
        check_settings(place / _SETTINGS, settings, owner="compare", what="a comparison")
        rows = Comparison(task, recipe, planner, protocols, num_pairs, num_probed, progress).run(
            found, seeds, place
        )
    steps, batch = recipe.settings.num_steps, recipe.settings.batch_size
    own = [name for name, contender in found.items() if contender.settings is not None]
    but = f" (`{'`, `'.join(own)}` by settings of their own)" if own else ""
    return ComparisonResult(
        task.name,
        rows=tuple(rows),
        budget=f"{steps:,} steps of {batch} windows for each model{but}, pretraining included; "
        f"{recipe.num_episodes:,} episodes; a plan of `{settings['reference']}` as the fixed FLOPs",
        settings=settings,
    )


def _contenders(given: Iterable[str] | Mapping[str, Contender] | None) -> dict[str, Contender]:
    if given is None:
        given = [name for name in list_contenders() if get_contender(name).rewards is None]
    if isinstance(given, Mapping):
        found = dict(given)
    else:
        names = [given] if isinstance(given, str) else list(given)
        found = {name.rpartition(":")[2]: get_contender(name) for name in names}
        if len(found) < len(names):
            raise ConfigError(
                "compare needs contenders with names that differ",
                f"`{names}` were given",
                "Rename one",
            )
    if not found or not all(isinstance(one, Contender) for one in found.values()):
        raise ConfigError(
            "compare needs at least one Contender",
            f"`contenders` is {describe(given)}",
            'Pass names, for example ["lewm", "pldm"], or a dict of Contender',
        )
    for name in found:
        if not str(name).isidentifier():
            raise ConfigError(
                "compare needs names of contenders that can name a folder",
                f"{name!r} was given",
                "Use letters, digits and underscores",
            )
    return found


def _planner_facts(planner: CEMPlanner) -> dict[str, Any]:
    """Return the planner's counts, and what else was set otherwise than such a planner has it by itself."""
    counts = {"horizon": planner.horizon, "samples": planner.num_samples}
    usual = vars(CEMPlanner(planner.horizon, planner.num_samples, num_iterations=planner.num_iterations))
    own = {name: value for name, value in vars(planner).items() if usual.get(name) != value}
    return counts | {"iterations": planner.num_iterations} | own
