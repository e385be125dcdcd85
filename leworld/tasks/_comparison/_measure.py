"""Train and measure one contender after the other."""

import gc
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..._checks import describe
from ..._files import write_atomically
from ...control import Policy
from ...data import Episodes, Observation, Windows
from ...errors import ConfigError, DataError
from ...evaluation import (
    ComparisonRow,
    GoalPairs,
    GoalReachingResult,
    decision_cost,
    goal_reaching,
    plan_cost,
    probing,
)
from ...hub import save
from ...models import WorldModel, processor_of
from ...planners import CEMPlanner
from ...training import Devices, train
from .._recipe import MODEL_FOLDER, Recipe
from .._seconds import timed
from .._task import FIXED_GOAL, SIDE_BY_SIDE, Task
from ._contender import BuildRequest, Contender, PolicyRequest
from ._rewarded import rewarded
from ._search import fitting_search, with_search

_ROW, _SECONDS = "row.json", "seconds.json"


class Comparison:
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

        def play(found: GoalPairs) -> GoalReachingResult:
            return goal_reaching(
                found, {"own": policy}, env=env, seed=seed, num_recorded=0, progress=self.progress
            )

        reached = _counted(pairs, play)
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
        def play(found: GoalPairs) -> GoalReachingResult:
            return self.task.play(
                model,
                found,
                planner=planner,
                baselines=(),
                seed=seed,
                num_recorded=0,
                progress=self.progress,
            )

        return _counted(pairs, play)


def _counted(
    pairs: Mapping[str, GoalPairs], play: Callable[[GoalPairs], GoalReachingResult]
) -> dict[str, tuple[int, int]]:
    """Play each protocol by one policy: the goals reached, and the pairs played."""
    counts = {}
    for protocol, found in pairs.items():
        (outcome,) = play(found).policies.values()
        counts[protocol] = (sum(outcome.reached), len(outcome.reached))
    return counts


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
