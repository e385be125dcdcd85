"""Train and measure several models alike."""

import gc
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..._checks import check_choice, check_number, describe, plain_numbers
from ..._files import write_atomically
from ...control import Policy
from ...data import Episodes, Observation, Windows
from ...errors import ConfigError, DataError
from ...evaluation import (
    ComparisonResult,
    ComparisonRow,
    GoalPairs,
    decision_cost,
    goal_reaching,
    plan_cost,
    probing,
)
from ...hub import save
from ...models import WorldModel, processor_of
from ...planners import CEMPlanner
from ...training import Devices, reserve_folder, train
from .._kept_settings import check_settings, recipe_facts
from .._recipe import MODEL_FOLDER, Recipe
from .._seconds import timed
from .._task import FIXED_GOAL, SIDE_BY_SIDE, Task
from ._contender import BuildRequest, Contender, PolicyRequest
from ._known import get_contender, list_contenders
from ._rewarded import rewarded
from ._search import fitting_search, with_search

_SETTINGS, _ROW, _SECONDS = "comparison.json", "row.json", "seconds.json"


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
        rows = _Comparison(task, recipe, planner, protocols, num_pairs, num_probed, progress).run(
            found, seeds, place
        )
    steps, batch = recipe.settings.num_steps, recipe.settings.batch_size
    return ComparisonResult(
        task.name,
        rows=tuple(rows),
        budget=f"{steps:,} steps of {batch} windows for each model, pretraining included; "
        f"{recipe.num_episodes:,} episodes; a plan of `{settings['reference']}` as the fixed FLOPs",
        settings=settings,
    )


class _Comparison:
    """One comparison while it runs."""

    def __init__(
        self,
        task: Task,
        recipe: Recipe,
        planner: CEMPlanner,
        protocols: tuple[str, ...],
        num_pairs: int,
        num_probed: int,
        progress: bool,
    ) -> None:
        self.task = task
        self.recipe = recipe
        self.planner = planner
        self.protocols = protocols
        self.num_pairs = num_pairs
        self.num_probed = num_probed
        self.progress = progress
        self.budget: int | None = None

    def run(
        self, contenders: Mapping[str, Contender], seeds: Sequence[int], folder: Path
    ) -> list[ComparisonRow]:
        """Train and measure what is not done yet; rows come by model, then seed."""
        rows: dict[tuple[str, int], ComparisonRow] = {}
        for seed in seeds:
            recipe = replace(self.recipe, settings=replace(self.recipe.settings, seed=seed))
            episodes: Episodes | None = None
            for name, contender in contenders.items():
                place = folder / name / f"seed{seed}"
                row = _read(place / _ROW)
                if row is not None and row.loss_weights != contender.loss_weights:
                    raise ConfigError(
                        "compare needs the rows in its folder to be of the contenders that it is given",
                        f"that in {place} has the loss weights {list(row.loss_weights)} and `{name}` "
                        f"{list(contender.loss_weights)}",
                        "Delete that folder to train anew, or call the contender by another name",
                    )
                if row is None:
                    episodes = recipe.collect(progress=self.progress) if episodes is None else episodes
                    row = self._measured(name, contender, recipe, episodes, place)
                    text = json.dumps(row.to_json(), indent=1, allow_nan=False) + "\n"
                    write_atomically(place / _ROW, lambda file, text=text: file.write_text(text))
                    gc.collect()  # Lightning leaves cycles that hold the episodes
                if self.budget is None and row.search is not None:
                    self.budget = row.cost.flops
                rows[name, seed] = row
        return [rows[name, seed] for name in contenders for seed in seeds]

    def _measured(
        self, name: str, contender: Contender, recipe: Recipe, episodes: Episodes, place: Path
    ) -> ComparisonRow:
        seed, task = recipe.settings.seed, self.task
        episodes = rewarded(episodes, task, contender.rewards)
        model, facts = self._trained(contender, recipe, episodes, place)
        held_out = task.held_out(max(self.num_probed, self.num_pairs), seed=seed)
        pairs = {
            protocol: task.fixed_goal_pairs(self.num_pairs, episodes=held_out, seed=seed)
            if protocol == FIXED_GOAL
            else task.pairs(protocol, self.num_pairs, episodes=held_out, seed=seed)
            for protocol in self.protocols
        }
        if contender.policy is None:
            played = self._planned(model, pairs, held_out, seed)
        else:
            request = PolicyRequest(
                model=model, task=task, episodes=episodes, planner=self.planner, seed=seed
            )
            played = self._acted(contender.policy(request), model, pairs, held_out, seed)
        known = probing(
            {name: model}, held_out, quantities=task.quantities, seed=seed, progress=self.progress
        )
        probes: dict[str, dict[str, Any]] = {}
        for row in known.rows:
            if row.undefined is None:
                probes.setdefault(row.quantity, {})[row.probe] = (row.r2, row.r2_interval)
        return ComparisonRow(
            model=name,
            seed=seed,
            num_parameters=sum(weight.numel() for weight in model.parameters()),
            loss_weights=contender.loss_weights,
            probes=probes,
            **played,
            **facts,
        )

    def _planned(
        self, model: WorldModel, pairs: Mapping[str, GoalPairs], held_out: Episodes, seed: int
    ) -> dict[str, Any]:
        """Play a model by MPC to the goal, with the planner's search and with one of fixed operations."""
        start, goal = (_moment(held_out, model, row) for row in (0, 1))
        limits = self.task.action_limits
        cost = plan_cost(model, self.planner, start=start, goal=goal, action_limits=limits)
        budget = cost.flops if self.budget is None else self.budget
        search = self.planner.num_samples, self.planner.num_iterations
        fixed, fixed_cost = fitting_search(budget, cost, *search), cost
        fixed_reached = reached = self._played(model, pairs, self.planner, seed)
        if fixed != search:
            other = with_search(self.planner, *fixed)
            fixed_cost = plan_cost(model, other, start=start, goal=goal, action_limits=limits)
            fixed_reached = self._played(model, pairs, other, seed)
        return {
            "reached": reached,
            "search": search,
            "fixed_reached": fixed_reached,
            "fixed_search": fixed,
            "cost": cost,
            "fixed_cost": fixed_cost,
        }

    def _acted(
        self,
        policy: Policy,
        model: WorldModel,
        pairs: Mapping[str, GoalPairs],
        held_out: Episodes,
        seed: int,
    ) -> dict[str, Any]:
        """Play a contender's own policy."""
        start, goal = (_moment(held_out, model, row) for row in (0, 1))
        cost = decision_cost(model, policy, start=start, goal=goal)
        env = self.task.make(SIDE_BY_SIDE, processor_of(model, owner="compare").image_size)
        reached = {}
        for protocol, found in pairs.items():
            result = goal_reaching(
                found, {"own": policy}, env=env, seed=seed, num_recorded=0, progress=self.progress
            )
            outcome = result.policies["own"]
            reached[protocol] = (sum(outcome.reached), len(outcome.reached))
        both = {"reached": reached, "search": None, "cost": cost}
        return both | {f"fixed_{name}": value for name, value in both.items()}

    def _trained(
        self, contender: Contender, recipe: Recipe, episodes: Episodes, place: Path
    ) -> tuple[WorldModel, dict[str, Any]]:
        settings = recipe.settings
        if contender.settings is not None:
            settings = contender.settings(settings)
        before = round(contender.pretraining_share * settings.num_steps)
        request = BuildRequest(
            recipe=recipe,
            processor=recipe.processor(episodes),
            episodes=episodes,
            folder=place / "before",
            num_steps=before,
            action_limits=self.task.action_limits,
        )
        model, pretraining = timed(lambda: contender.build(request), place / _SECONDS, "build")
        if not isinstance(model, WorldModel):
            raise ConfigError(
                "compare needs a contender's `build` to return a WorldModel",
                f"it returned {describe(model)}",
                "Subclass leworld.models.WorldModel",
            )
        windows = Windows(episodes, model.history_size, frameskip=self.task.frameskip)
        rest = replace(settings, num_steps=settings.num_steps - before)
        _, seconds = timed(
            lambda: train(
                model,
                windows,
                folder=place,
                settings=rest,
                progress=self.progress,
                devices=Devices(accelerator="cpu"),
            ),
            place / _SECONDS,
            "training",
        )
        save(model, place / MODEL_FOLDER, overwrite=True)
        frames = settings.num_steps * settings.batch_size * (model.history_size + 1)
        pretraining = pretraining if before else 0.0
        return model, {
            "training_seconds": pretraining + seconds,
            "pretraining_seconds": pretraining,
            "num_frames": frames,
        }

    def _played(
        self, model: WorldModel, pairs: Mapping[str, GoalPairs], planner: CEMPlanner, seed: int
    ) -> dict[str, tuple[int, int]]:
        counts = {}
        for protocol, found in pairs.items():
            result = self.task.play(
                model,
                found,
                planner=planner,
                baselines=(),
                seed=seed,
                num_recorded=0,
                progress=self.progress,
            )
            (outcome,) = result.policies.values()
            counts[protocol] = (sum(outcome.reached), len(outcome.reached))
        return counts


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


def _read(path: Path) -> ComparisonRow | None:
    if not path.exists():
        return None
    try:
        return ComparisonRow.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, DataError) as error:
        raise ConfigError(
            "compare needs the rows in its folder to be those that it wrote",
            f"reading {path} failed: {error}",
            "Delete that file to measure anew",
        ) from error


def _moment(episodes: Episodes, model: WorldModel, row: int) -> Observation:
    return episodes.observation(model.observation_parts, [row])
