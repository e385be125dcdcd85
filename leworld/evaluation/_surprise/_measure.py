"""Violation of expectation: does a model's surprise show when the impossible happens?"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ..._checks import check_choice, check_finite, check_number, describe, plain_numbers
from ...data import Episodes
from ...errors import ConfigError, DataError, NonFiniteError, ShapeError
from ...metrics import auroc, paired_t_test
from ...models import WorldModel, processor_of
from .._latent_paths import frames_bar, latent_paths, next_errors
from .._state_world import StateWorld
from ._alarm_level import AlarmLevel
from ._monitor import alarm_threshold
from ._perturb import KINDS, Perturbed, perturb
from ._result import SurpriseResult, SurpriseRow

_BEFORE, _AFTER = 3, 5


@plain_numbers
def surprise(
    model: WorldModel,
    episodes: Episodes,
    *,
    kinds: Sequence[str] = KINDS,
    world: StateWorld | None = None,
    false_alarm_rates: Sequence[float] = (0.05, 0.01, 0.001),
    calibration: float | Tensor = 0.5,
    normal_events: Mapping[str, np.ndarray] | None = None,
    part: str = "pixels",
    seed: int = 0,
    progress: bool = False,
) -> SurpriseResult:
    """Disturb held-out episodes and measure whether the frame of the event surprises the model.

    Part of the episodes stays as it is and calibrates: it sets the surprise above which a frame raises an
    alarm. Every other episode is judged undisturbed, and once for each kind of event (see `perturb`). Only
    the first frame that shows the event counts as its detection, so a model cannot score by being confused
    ever after.

    Args:
        model: A world model with its processor, action statistics included.
        episodes: Normal episodes that the model was not trained on.
        kinds: Kinds of events: some of `teleport`, `colour`, `freeze`, `reversal` and `vanish`.
        world: Exact dynamics and pictures, so that a teleport goes on in the world. Else episodes are
            spliced.
        false_alarm_rates: Shares of normal frames that may raise an alarm, each with a threshold of its own.
            By definition one frame in twenty exceeds the threshold of 0.05, and these are the hardest ones to
            predict; ask for a smaller share where an alarm has to mean something. A rate r needs at least
            1 / r - 1 calibration frames; further rates than the first that have fewer are marked undefined.
        calibration: Share of the episodes that sets the thresholds, strictly between 0 and 1; or the scores
            of other normal frames, as `prediction_errors` gives them, and then all episodes are judged.
        normal_events: Rare but normal moments whose false alarms are counted apart, by name: a mask over the
            rows of `episodes`. A frame belongs to it when a masked row lies between the frame before
            (exclusive) and itself (inclusive); a run of such frames is one event.
        part: The camera that events disturb, see `perturb`.
        seed: Which episodes calibrate, and the events.
        progress: Show a progress bar on the error stream if that is a terminal.

    Returns:
        For each kind the detection rates, AUROC against all normal frames and against each normal event, a
        paired t-test against the same frames undisturbed, and the mean surprise around the event. A kind that
        the episodes cannot show is marked undefined.

    Raises:
        ConfigError: A model without processor, an option out of range, or too few frames to calibrate on.
        DataError: Episodes too short or without the columns that `world` needs.
        ShapeError: A mask of another length.
        NonFiniteError: The model's embeddings or predictions of normal frames are NaN or infinite.

    Randomness:
        From `seed` only.

    Source:
        Maes et al., LeWorldModel, 2026, arXiv 2603.19312, section 5.2 and appendix F.3: teleport and colour
        change, paired t-tests. Detection rates, AUROC, effect sizes, calibration and the other kinds of
        events are additions.

    Example:
        ```python
        import numpy as np
        from leworld.data import Episodes, Processor
        from leworld.evaluation import surprise
        from leworld.models import WorldModel

        class Walker(WorldModel):
            history_size, embedding_dim, action_dim = 1, 3, 1

            def _encode(self, observations):
                return observations.mean(dim=(-2, -1))

            def _predict(self, embeddings, actions):
                return embeddings + actions

            def _loss(self, batch, generator):
                raise NotImplementedError

        model = Walker()
        model.processor = Processor(
            2, frameskip=1, action_dim=1, image_mean=(0.0,) * 3, image_std=(1 / 255,) * 3,
            action_mean=(0.0,), action_std=(1.0,),
        )
        moves = np.random.default_rng(0).integers(-3, 4, (20, 30, 1))
        levels = 128 + np.cumsum(moves, axis=1) - moves
        episodes = Episodes(
            np.tile(levels.reshape(-1, 1, 1, 1), (1, 2, 2, 3)).astype(np.uint8),
            moves.reshape(-1, 1).astype(np.float32),
            lengths=np.full(20, 30),
        )
        assert surprise(model, episodes, kinds=("teleport",)).row("teleport").detected > 0.9
        ```
    """
    owner = "surprise"
    check_number(owner, "seed", seed, low=0, integer=True)
    _check_names("kinds", kinds, "kind of event", '("teleport", "colour")')
    _check_names("false_alarm_rates", false_alarm_rates, "rate", "(0.05, 0.01)")
    for kind in kinds:
        check_choice(owner, "kinds", kind, KINDS)
    skip = processor_of(model, owner=owner).frameskip
    with frames_bar(episodes, skip, owner, progress=progress, passes=1) as bar:
        paths = latent_paths(model, episodes, owner=owner, on_progress=bar.update)
        scores = next_errors(model, paths, owner=owner)
    masks = _masks(episodes, normal_events or {}, skip)
    if isinstance(calibration, Tensor):
        tested, reference = np.arange(len(episodes)), calibration.detach().cpu().double().flatten()
        check_finite(owner, "calibration", reference)
    else:
        check_number(owner, "calibration", calibration, low=0, high=1, open_low=True)
        calibrating, tested = _halves(len(episodes), calibration, seed)
        reference = torch.cat([scores[i] for i in calibrating])
    usual = [scores[i] for i in tested]
    named = {name: [mask[i] for i in tested] for name, mask in masks.items()}
    levels, undefined = _levels(usual, named, reference, false_alarm_rates)
    parts = {"normal frames": torch.cat(usual)}
    for name, mask in named.items():
        parts[name] = parts["normal frames"][torch.cat(mask)]
    rows = []
    chosen = episodes.select(tested)
    with frames_bar(chosen, skip, "events", progress=progress, passes=len(kinds)) as bar:
        for kind in kinds:
            try:
                made = perturb(chosen, kind, frameskip=skip, world=world, part=part, seed=seed)
                paths = latent_paths(model, made.episodes, owner=owner, on_progress=bar.update)
                disturbed = next_errors(model, paths, owner=owner)
                row, parts[kind] = _judge(made, disturbed, usual, parts, skip=skip, levels=levels)
                rows.append(row)
            except (DataError, NonFiniteError) as error:
                undefined[kind] = str(error)
    return SurpriseResult(
        rows=tuple(rows),
        levels=levels,
        num_calibration=len(reference),
        spread={
            name: (float(some.min()), float(some.median()), float(some.max()))
            for name, some in parts.items()
            if len(some)
        },
        undefined=undefined,
        seed=seed,
        scores=parts,
    )


def _check_names(name: str, values: object, what: str, example: str) -> None:
    if isinstance(values, str) or not isinstance(values, Sequence) or not values:
        raise ConfigError(
            f"surprise needs `{name}` to name at least one {what}",
            f"`{name}` is {describe(values)}",
            f"Pass for example {example}",
        )


def _levels(
    usual: list[Tensor], named: Mapping[str, list[Tensor]], reference: Tensor, rates: Sequence[float]
) -> tuple[tuple[AlarmLevel, ...], dict[str, str]]:
    """Set a threshold for every rate and count the false alarms above it."""
    levels: list[AlarmLevel] = []
    undefined = {}
    for rate in rates:
        try:
            threshold = alarm_threshold("surprise", reference, rate, name="false_alarm_rates")
        except ConfigError as error:
            if not levels:
                raise
            undefined[f"alarms at {100 * rate:g} %"] = str(error)
            continue
        alarms = [values > threshold for values in usual]
        every = torch.cat(alarms)
        frames, events = {"all": (int(every.sum()), len(every))}, {}
        for name, mask in named.items():
            inside = every[torch.cat(mask)]
            frames[name] = (int(inside.sum()), len(inside))
            runs = [run for m, a in zip(mask, alarms, strict=True) for run in _runs(m, a)]
            events[name] = (sum(runs), len(runs))
        levels.append(AlarmLevel(rate, threshold=threshold, frames=frames, events=events))
    return tuple(levels), undefined


def _runs(mask: Tensor, alarms: Tensor) -> list[bool]:
    """For each unbroken run of masked frames of one episode, whether any of them raises an alarm."""
    edges = torch.diff(torch.nn.functional.pad(mask.int(), (1, 1)))
    starts, ends = (edges == 1).nonzero()[:, 0].tolist(), (edges == -1).nonzero()[:, 0].tolist()
    return [bool(alarms[first:last].any()) for first, last in zip(starts, ends, strict=True)]


def _halves(count: int, calibration: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    first = min(max(round(count * calibration), 1), count - 1)
    if first < 1 or count - first < 2:
        raise ConfigError(
            "surprise needs at least one episode to calibrate on and two to test",
            f"there are {count} and `calibration={calibration}`",
            "Pass more episodes, or a smaller share",
        )
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[:first]), np.sort(order[first:])


def _masks(episodes: Episodes, events: Mapping[str, np.ndarray], skip: int) -> dict[str, list[Tensor]]:
    """Say of every judged frame whether a masked row lies in the step that led to it."""
    masks = {}
    for name, mask in events.items():
        if name in ("all", "normal frames", *KINDS):
            raise ConfigError(
                "surprise needs `normal_events` with names of their own",
                f"`{name}` stands for something else in the result",
                "Rename it",
            )
        rows = np.asarray(mask)
        if rows.shape != (episodes.num_rows,) or rows.dtype != bool:
            raise ShapeError(
                f"surprise needs a mask with one truth value for each of {episodes.num_rows} rows",
                f"`normal_events[{name!r}]` is {describe(rows)}",
                "Compare a column of the episodes with something",
            )
        masks[name] = []
        for first, length in zip(episodes.offsets, episodes.lengths, strict=True):
            steps = (length - 1) // skip
            inside = rows[first + 1 : first + 1 + steps * skip].reshape(steps, skip).any(axis=1)
            masks[name].append(torch.from_numpy(inside))
    return masks


def _judge(
    made: Perturbed,
    disturbed: list[Tensor],
    usual: list[Tensor],
    normal: Mapping[str, Tensor],
    *,
    skip: int,
    levels: tuple[AlarmLevel, ...],
) -> tuple[SurpriseRow, Tensor]:
    """Judge one kind of event; `normal` holds scores of all undisturbed frames and of named ones."""
    places = (made.event // skip - 1).tolist()
    undisturbed = [usual[i] for i in made.source]
    at_event = torch.stack([s[place] for s, place in zip(disturbed, places, strict=True)])
    before = torch.stack([s[place] for s, place in zip(undisturbed, places, strict=True)])
    if len(at_event) < 2:
        raise DataError(
            "surprise needs at least 2 episodes that can show the event",
            f"there is {len(at_event)}",
            "Pass more or longer episodes",
        )
    test = paired_t_test(at_event, before)
    offsets, curves = [], []
    for offset in range(-_BEFORE, _AFTER + 1):
        both = [
            (float(new[place + offset]), float(old[place + offset]))
            for new, old, place in zip(disturbed, undisturbed, places, strict=True)
            if 0 <= place + offset < min(len(new), len(old))
        ]
        if both:
            offsets.append(offset)
            curves.append(np.mean(both, axis=0).tolist())
    against = {
        name: float(auroc(at_event, part)) for name, part in normal.items() if len(part) and name not in KINDS
    }
    row = SurpriseRow(
        made.kind,
        num_events=len(at_event),
        num_detected=tuple(int((at_event > level.threshold).sum()) for level in levels),
        auroc=against.pop("normal frames"),
        auroc_of=against,
        t=test.t,
        p_value=test.p_value,
        effect_size=test.effect_size,
        offsets=tuple(offsets),
        disturbed=tuple(new for new, _ in curves),
        undisturbed=tuple(old for _, old in curves),
    )
    return row, at_event
