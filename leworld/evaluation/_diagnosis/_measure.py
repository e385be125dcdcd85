"""Look for what losses do not show: blind inputs, lost quantities, costs that prefer nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..._checks import check_number, plain_numbers
from ..._random import fold_seed
from ..._targets import constant_columns, encode_targets
from ...data import Episodes
from ...errors import DataError, LeWorldError
from ...metrics import PlanRank, plan_rank, within_episode_share
from ...models import WorldModel, processor_of
from ...probes import EpisodeSplit, MLPProbe, Probe, split_by_episode
from .._changed_rows import by_rows, changed_rows, everywhere
from .._latent_paths import LatentPath, distance, imagined_paths, latent_paths
from .._probing._measure import ProbeFactory
from .._probing._quantity import Quantity, quantity_values, recorded_quantities
from ._result import DiagnosisResult, PartRow

Change = Literal["shuffled", "blanked"]
_CHANGES: tuple[Change, ...] = ("shuffled", "blanked")
_SIDE, _COMPONENTS = 16, 64
_SPLIT = (0.1, 0.3)


@plain_numbers
def diagnose(
    model: WorldModel,
    episodes: Episodes,
    *,
    quantities: Mapping[str, Quantity] | None = None,
    probe: ProbeFactory = MLPProbe,
    horizon: int = 5,
    num_problems: int = 100,
    num_plans: int = 32,
    blind_below: float = 0.1,
    lost_above: float = 0.1,
    seed: int = 0,
) -> DiagnosisResult:
    r"""Look for what the losses of a model do not show.

    A latent can be predictable and Gaussian, its losses and curves perfect, and still be of no use: blind to
    the camera since the joints tell enough, without the one quantity that a task turns on, filled with what
    never changes in an episode, or flat under a planner. Four looks, on episodes that it was not trained on:

    - **within episodes**: the share of the latent's variance that lies within episodes
      (`leworld.metrics.within_episode_share`).
    - **does a part matter**: each part of the observation is shuffled over all frames, then replaced by its
      mean. With z the latents, z' those of the changed frames, q(i) the frame that frame i's part came from
      and d the model's distance,

      $$ \text{moved} = \frac{\operatorname{mean}_i d(z'_i, z_i)}{\operatorname{mean}_i d(z_{q(i)}, z_i)} $$

      so that shuffling gives 0 for a part that the model is blind to and 1 for one that is all it sees; and
      from the changed latents one predicted step against the true next latent, the rank of the expert's plan,
      and what the probes of the real latents still read.
    - **what is lost**: the same probe is fitted on the latent and on 64 principal components of the pictures,
      averaged down to 16 x 16; a quantity that only the second finds is there to be seen and not in the
      latent. What neither finds may still be in the pictures.
    - **plans**: for starts and goals `horizon` steps apart in an episode, the rank of what the episode did
      among what others did, by the distance of the imagined end to the goal, and the contrast of those costs
      (`leworld.metrics.plan_rank`). Others' plans move as much as the expert's, so that moving is not enough.

    Costs one pass over the frames for each part and change, num_problems x num_plans rollouts for each, and
    two probes a quantity.

    Args:
        model: A world model with its processor.
        episodes: Episodes that it was not trained on, 4 or more.
        quantities: What to read, by name; the column `state` where there is one when None.
        probe: Function of embedding and target size that constructs a probe.
        horizon: Steps of a plan, each `frameskip` rows.
        num_problems: Starts and goals; fewer where there are not so many, at least 2.
        num_plans: Others' plans for each, 2 or more.
        blind_below: Largest `moved` by shuffling that is called blind.
        lost_above: Smallest difference of R2 that is called lost; one below 0 counts as 0.
        seed: Which frames are exchanged, which problems and plans, the split and the probes' weights.

    Raises:
        ConfigError: A model without processor, or an option out of range.
        DataError: Episodes that are too short or too few, or a missing column.
        NonFiniteError: Latents or predictions that are NaN or infinite.

    Randomness:
        From `seed` only.

    Source:
        Which failures to look for comes from users' reports on LeWM: joint angles in the latent that made the
        camera go blind while all losses looked well, and offline ranks of the expert's plan that followed
        success where losses did not. The figures are defined here.

    Example:
        ```python
        import leworld
        from leworld.evaluation import diagnose
        from leworld.probes import RidgeProbe
        from leworld.tasks import task_of

        model = leworld.load("lewm-tworoom-tiny")
        found = diagnose(
            model, task_of(model).held_out(8), probe=RidgeProbe, num_problems=10, num_plans=4
        )
        assert found.blind_parts == () and found.rank < 0.3
        ```
    """
    owner = "diagnose"
    check_number(owner, "horizon", horizon, low=1, integer=True)
    check_number(owner, "num_problems", num_problems, low=2, integer=True)
    check_number(owner, "num_plans", num_plans, low=2, integer=True)
    check_number(owner, "blind_below", blind_below, low=0.0)
    check_number(owner, "lost_above", lost_above, low=0.0)
    check_number(owner, "seed", seed, low=0, high=2**62, integer=True)
    paths = latent_paths(model, episodes, owner=owner)
    drawn = np.random.default_rng(seed)
    kept = _kept_rows(model, episodes)
    source = _exchange(len(kept), drawn)
    problems = _Problems.drawn(model, paths, horizon, num_problems, num_plans, drawn)
    error, ranked = problems.judged(model, paths, paths)
    number = np.repeat(np.arange(len(paths)), [len(path) for path in paths])
    episode = torch.from_numpy(number)
    latents = torch.cat([path.latents for path in paths])
    if quantities is None:
        quantities = recorded_quantities(episodes)
    readers, r2, undefined = _readers(
        quantities, episodes, kept, latents.flatten(1), episode, probe=probe, seed=seed
    )
    apart = float(distance(model, latents[source], latents).mean())
    rows = []
    for part in model.observation_parts:
        for change in _CHANGES:
            changed = _changed(episodes, part, change, kept, source)
            found = latent_paths(model, changed, owner=owner)
            other = torch.cat([path.latents for path in found])
            moved = float(distance(model, other, latents).mean())
            wrong, rank = problems.judged(model, found, paths)
            rows.append(
                PartRow(
                    part=part,
                    change=change,
                    moved=_ratio(moved, apart),
                    error_ratio=_ratio(wrong, error),
                    rank=rank.rank,
                    r2={name: reader.r2(other.flatten(1)) for name, reader in readers.items()},
                )
            )
    pixel_r2: dict[str, float] = {}
    if episodes.pixels is not None and quantities:
        seen = _pixel_features(by_rows(episodes.pixels, kept))
        _, pixel_r2, _ = _readers(quantities, episodes, kept, seen, episode, probe=probe, seed=seed)
    return DiagnosisResult(
        within_share=float(within_episode_share(latents.flatten(1), episode)),
        independent_share=(len(number) - len(np.unique(number))) / (len(number) - 1),
        rank=ranked.rank,
        contrast=ranked.contrast,
        horizon=horizon,
        num_problems=ranked.num_problems,
        r2=r2,
        pixel_r2=pixel_r2,
        parts=tuple(rows),
        blind_below=blind_below,
        lost_above=lost_above,
        undefined=undefined,
    )


@dataclass(frozen=True)
class _Problems:
    """Starts (episode, first frame of a window), what was done from there, and whose plans to try instead."""

    starts: Sequence[tuple[int, int]]
    actions: Tensor
    others: Sequence[Tensor]
    reach: int

    @staticmethod
    def drawn(
        model: WorldModel,
        paths: list[LatentPath],
        horizon: int,
        count: int,
        num_plans: int,
        drawn: np.random.Generator,
    ) -> "_Problems":
        """Draw problems among all that the episodes hold, and for each plan a permutation of the actions."""
        reach = model.history_size
        starts = [(e, s) for e, path in enumerate(paths) for s in range(len(path) - reach - horizon + 1)]
        if len(starts) < 2 or len(paths) < 4:
            raise DataError(
                f"diagnose needs 4 episodes, and 2 windows of {reach} + {horizon} frames",
                f"{len(paths)} episodes hold {len(starts)}",
                "Pass more or longer episodes, or a shorter horizon",
            )
        starts = [starts[i] for i in drawn.permutation(len(starts))[:count]]
        first = reach - 1
        actions = torch.stack([paths[e].blocks[s + first : s + first + horizon] for e, s in starts])
        others = [torch.from_numpy(_exchange(len(starts), drawn)) for _ in range(num_plans)]
        return _Problems(starts, actions, others, reach)

    def judged(
        self, model: WorldModel, seen: list[LatentPath], true: list[LatentPath]
    ) -> tuple[float, PlanRank]:
        """Return the error of one step from what was seen to the truth, and the rank of the expert's plan."""
        horizon, last = self.actions.shape[1], self.reach - 1
        expert = imagined_paths(model, seen, self.starts, self.actions, owner="diagnose")
        after = torch.stack([true[e].latents[s + last + 1] for e, s in self.starts])
        goal = torch.stack([seen[e].latents[s + last + horizon] for e, s in self.starts])
        error = float(distance(model, expert[:, 0], after).mean())
        best = distance(model, expert[:, -1], goal).clone()
        costs = [
            distance(
                model,
                imagined_paths(model, seen, self.starts, self.actions[order], owner="diagnose")[:, -1],
                goal,
            ).clone()  # a model's own distance may use its memory again
            for order in self.others
        ]
        return error, plan_rank(best, torch.stack(costs, dim=1))


@dataclass(frozen=True)
class _Reader:
    """A probe that was fitted on real latents, and what it is scored on."""

    probe: Probe
    targets: Tensor
    test: Tensor

    def r2(self, embeddings: Tensor) -> float:
        """Return R2 on the test frames, read off other embeddings of them."""
        return self.probe.score(embeddings[self.test], self.targets[self.test]).mean_r2


def _readers(
    quantities: Mapping[str, Quantity],
    episodes: Episodes,
    kept: np.ndarray,
    embeddings: Tensor,
    episode: Tensor,
    *,
    probe: ProbeFactory,
    seed: int,
) -> tuple[dict[str, _Reader], dict[str, float], dict[str, str]]:
    """Fit a probe a quantity; return them, their R2, and the reasons of those that could not be fitted."""
    readers, scores, reasons = {}, {}, {}
    split: EpisodeSplit | None = None
    for index, (name, quantity) in enumerate(quantities.items()):
        values = quantity_values("diagnose", episodes, quantity)[kept]
        try:
            split = split_by_episode(episode, validation=_SPLIT[0], test=_SPLIT[1], seed=seed)
            targets = encode_targets("diagnose", values, quantity.kind)
            varied = ~constant_columns(targets[split.train])
            targets = targets[:, varied] if bool(varied.any()) else targets
            fitted = probe(embeddings.shape[1], targets.shape[1])
            fitted.fit(
                embeddings[split.train],
                targets[split.train],
                validation_embeddings=embeddings[split.validation],
                validation_targets=targets[split.validation],
                generator=torch.Generator().manual_seed(fold_seed(seed, index)),
            )
            readers[name] = _Reader(fitted, targets, split.test)
            scores[name] = readers[name].r2(embeddings)
        except LeWorldError as error:
            reasons[name] = str(error)
    return readers, scores, reasons


def _kept_rows(model: WorldModel, episodes: Episodes) -> np.ndarray:
    """Return the rows that `latent_paths` looks at."""
    skip = processor_of(model, owner="diagnose").frameskip
    spans = zip(episodes.offsets, episodes.lengths, strict=True)
    return np.concatenate([np.arange(first, first + length, skip) for first, length in spans])


def _exchange(count: int, drawn: np.random.Generator) -> np.ndarray:
    """Return for every place another one to take from, each once."""
    order = drawn.permutation(count)
    source = np.empty(count, np.int64)
    source[order] = np.roll(order, 1)
    return source


def _changed(episodes: Episodes, part: str, change: Change, kept: np.ndarray, source: np.ndarray) -> Episodes:
    """Return the episodes with a part of their kept rows exchanged, or its mean in all rows."""
    column = episodes.pixels if part == "pixels" else episodes.columns[part]
    rows = np.arange(len(column))
    if change == "shuffled":
        shown = rows.copy()
        shown[kept] = kept[source]
        new = changed_rows(column, shown)
    else:
        mean = _mean_row(column, kept)
        new = changed_rows(column, rows, late=np.ones(len(rows), bool), change=everywhere(mean))
    if part == "pixels":
        return replace(episodes, pixels=new)
    return replace(episodes, columns={**episodes.columns, part: new})


def _mean_row(column: Any, rows: np.ndarray) -> np.ndarray:
    """Return the mean of some rows in the column's own type, rounded where that is one of whole numbers."""
    if column.dtype.kind not in "iu":
        return np.asarray(column[rows]).mean(axis=0, dtype=np.float64).astype(column.dtype)
    total = sum(part.sum(axis=0, dtype=np.float64) for part in by_rows(column, rows))
    return np.asarray(total / len(rows)).round().astype(column.dtype)


def _pixel_features(pixels: Iterable[np.ndarray]) -> Tensor:
    """Return 64 principal components of pictures "row height width channel", averaged down to 16 x 16."""
    parts = []
    for some in pixels:
        pictures = torch.from_numpy(some).movedim(-1, 1).float() / 255
        height, width = (min(_SIDE, side) for side in pictures.shape[-2:])
        parts.append(F.adaptive_avg_pool2d(pictures, (height, width)).flatten(1).double())
    pooled = torch.cat(parts)
    centred = pooled - pooled.mean(dim=0)
    directions = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -_COMPONENTS:]
    return (centred @ directions).float()


def _ratio(value: float, unit: float) -> float:
    return value / unit if unit > 0 else float("nan")
