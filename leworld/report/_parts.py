"""The parts of a report: each measures one model and shows what it found."""

import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..decoders import CrossAttentionDecoder
from ..errors import LeWorldError
from ..evaluation import (
    diagnose,
    imagined_rollouts,
    latent_map,
    metric_monotonicity,
    open_loop,
    probing,
    surprise,
    training_overlap,
)
from ..hub import CheckpointRecord, checkpoint_info
from ..regularizers import ExactSIGReg, SIGReg, SlicedNormality, WeakSIGReg
from . import (
    _card,
    _diagnosis,
    _gaussianity,
    _imagination,
    _latent_map,
    _monotonicity,
    _open_loop,
    _planning,
    _probing,
    _surprise,
    _training,
)
from ._html import table
from ._judgement import EPISODES, spread_lines, verdict_lines
from ._section import Section
from ._subject import STRIDE, Subject
from ._verdict import VerdictLine

_LARGEST_PICTURE = 96
_DECODER_STEPS = 1000
_GAUSSIAN = (SIGReg, ExactSIGReg, WeakSIGReg, SlicedNormality)  # regularizers that ask for a Gaussian


@dataclass(frozen=True)
class Part:
    """A section, what it says of the model, and the result that both are made from, if there is one."""

    section: Section
    lines: tuple[VerdictLine, ...] = ()
    result: object = None

    @staticmethod
    def missing(title: str, reason: str) -> "Part":
        """Say why a part could not be made, and that it is not judged."""
        words = "Not in this report; the reason stands there."
        line = VerdictLine("unclear", words, "nothing", title)
        return Part(Section.missing(title, reason), (line,))


def make_part(title: str, subject: Subject) -> Part:
    """Make a part, or say in its place why it could not be made."""
    try:
        return PARTS[title](subject)
    except LeWorldError as error:
        return Part.missing(title, str(error))


def _make_card(subject: Subject) -> Part:
    return Part(_card.card_section(subject.model, _record(subject.source)))


def _record(source: str | Path | None) -> CheckpointRecord | None:
    if source is None:
        return None
    with contextlib.suppress(LeWorldError):
        return checkpoint_info(source)
    return None


def _make_episodes(subject: Subject) -> Part:
    episodes, overlap = subject.episodes, training_overlap(subject.model, subject.episodes)
    rows = [
        ("episodes", f"{len(episodes):,}"),
        ("rows", f"{episodes.num_rows:,}"),
        ("recorded", ", ".join(["pixels"] * (episodes.pixels is not None) + sorted(episodes.columns))),
        ("trained on", f"{overlap.sentence}"),
    ]
    shown = table(("fact", "value"), rows, label="Facts about the episodes", numbers=2)
    return Part(Section(EPISODES, shown), verdict_lines(overlap), overlap)


def _make_training(subject: Subject) -> Part:
    folder = None if subject.source is None else Path(subject.source)
    if folder is not None and folder.is_dir():
        for place in (folder, folder.resolve().parent):
            if (place / "metrics.csv").is_file():
                return Part(_training.training_section(place / "metrics.csv", subject.name))
    reason = (
        "no log of the training. `leworld train` leaves metrics.csv beside the model's folder; this model "
    )
    return Part(Section.missing(_training.TITLE, reason + "came without one."))


def _make_gaussianity(subject: Subject) -> Part:
    found = subject.latents
    drawn = np.random.default_rng(subject.seed)
    rows = [int(drawn.choice(np.flatnonzero(found.episode == number))) for number in np.unique(found.episode)]
    vectors = found.vectors
    section = _gaussianity.gaussianity_section(
        vectors, vectors[rows], num_slices=min(4, vectors.shape[1]), seed=subject.seed
    )
    asked = isinstance(getattr(subject.model, "regularizer", None), _GAUSSIAN)
    spread = _gaussianity.measure_spread(vectors, vectors[rows], asked=asked)
    return Part(section, tuple(spread_lines(spread)), spread)


def _make_probing(subject: Subject) -> Part:
    if not subject.quantities:
        reason = "no quantity to read: there is no column `state` or `proprio`. Name one with `quantities`."
        return Part.missing(_probing.TITLE, reason)
    result = probing(
        {subject.name: subject.model},
        subject.episodes,
        quantities=subject.quantities,
        stride=STRIDE,
        seed=subject.seed,
        progress=subject.progress,
    )
    return Part(_probing.probing_section(result), verdict_lines(result), result)


def _make_diagnosis(subject: Subject) -> Part:
    result = diagnose(subject.model, subject.episodes, quantities=subject.quantities, seed=subject.seed)
    return Part(_diagnosis.diagnosis_section(result), verdict_lines(result), result)


def _make_surprise(subject: Subject) -> Part:
    task = subject.task
    exact = task is not None and task.world is not None and "state" in subject.episodes.columns
    frameskip = subject.model.processor.frameskip if subject.model.has_processor else 1
    calibrating = int((subject.episodes.lengths - 1).sum()) // (2 * frameskip)
    rates = [rate for rate in (0.05, 0.01, 0.001) if rate == 0.05 or rate * calibrating > 1.2]
    result = surprise(
        subject.model,
        subject.episodes,
        kinds=("teleport", "colour", "freeze", "reversal", "vanish") if task is None else task.events,
        world=task.world if task is not None and exact else None,
        false_alarm_rates=rates,
        normal_events=None if task is None else task.normal_events(subject.episodes),
        seed=subject.seed,
        progress=subject.progress,
    )
    return Part(_surprise.surprise_section(result), verdict_lines(result), result)


def _make_planning(subject: Subject) -> Part:
    model, task = subject.model, subject.task
    if task is None or not model.has_processor:
        reason = (
            "no environment to plan in. Make the model's world a task of `leworld.tasks` and register it, or "
            "measure with `goal_reaching` and pass the result to `planning_section`."
        )
        return Part.missing(_planning.TITLE, reason)
    pairs = task.pairs(task.protocols[-1], subject.num_pairs, seed=subject.seed)
    result = task.play(
        model, pairs, baselines=subject.baselines, seed=subject.seed, progress=subject.progress
    )
    own = type(model).__name__
    result = replace(
        result,
        policies={subject.name if name == own else name: one for name, one in result.policies.items()},
        recordings={subject.name if name == own else name: one for name, one in result.recordings.items()},
    )
    return Part(_planning.planning_section(result), verdict_lines(result), result)


def _make_imagination(subject: Subject) -> Part:
    episodes = subject.episodes
    half = len(episodes) // 2
    decoder = subject.decoder
    if episodes.pixels is None:
        return Part(Section.missing(_imagination.TITLE, "no pictures called `pixels` to draw."))
    if decoder is None:
        size = subject.model.processor.image_size if subject.model.has_processor else None
        if size is not None and size > _LARGEST_PICTURE:
            reason = (
                f"training a decoder of {size}-pixel pictures takes long. Train one with `train_decoder` and "
            )
            return Part(Section.missing(_imagination.TITLE, reason + "pass it."))
        decoder = _quick_decoder(subject, half)
    rollouts = imagined_rollouts(
        subject.model,
        episodes.select(slice(half, None)),
        decoder=decoder,
        num_rollouts=16,
        column=_number_column(subject),
        seed=subject.seed,
    )
    return Part(_imagination.imagination_section(rollouts), result=rollouts)


def _quick_decoder(subject: Subject, half: int) -> CrossAttentionDecoder:
    from ..training import OptimizerSettings, TrainSettings, train_decoder

    optimizer = OptimizerSettings(learning_rate=5e-3)
    settings = TrainSettings(num_steps=_DECODER_STEPS, batch_size=64, optimizer=optimizer, seed=subject.seed)
    episodes = subject.episodes.select(slice(0, half))
    with tempfile.TemporaryDirectory() as folder:
        return train_decoder(
            subject.model, episodes, folder=folder, settings=settings, progress=subject.progress
        )


def _number_column(subject: Subject) -> str | None:
    return next((q.column for q in subject.quantities.values() if q.kind == "number"), None)


def _make_open_loop(subject: Subject) -> Part:
    result = open_loop(subject.model, subject.episodes, column=_number_column(subject), seed=subject.seed)
    return Part(_open_loop.open_loop_section(result, subject.name), verdict_lines(result), result)


def _make_latent_map(subject: Subject) -> Part:
    found = subject.latents
    values = {}
    for name, quantity in subject.quantities.items():
        columns = np.asarray(subject.episodes.columns[quantity.column])
        columns = columns.reshape(subject.episodes.num_rows, -1)
        for component in quantity.components or range(min(2, columns.shape[1])):
            values[f"{name} {component}"] = columns[found.rows, component]
    shown = latent_map(found.vectors, seed=subject.seed)
    return Part(_latent_map.latent_map_section(shown, values))


def _make_monotonicity(subject: Subject) -> Part:
    task = subject.task
    steps = None if task is None or task.world is None else task.goal_steps(seed=subject.seed)
    if task is None or task.world is None or steps is None:
        reason = (
            "no world to step in. A task with a `world` and `goal_steps` offers one; else measure with "
            "`goal_monotonicity` and pass the result to this section."
        )
        return Part.missing(_monotonicity.TITLE, reason)
    result = metric_monotonicity(subject.model, steps, world=task.world)
    return Part(_monotonicity.monotonicity_section(result), verdict_lines(result), result)


PARTS: dict[str, Callable[[Subject], Part]] = {
    _card.TITLE: _make_card,
    EPISODES: _make_episodes,
    _training.TITLE: _make_training,
    _gaussianity.TITLE: _make_gaussianity,
    _probing.TITLE: _make_probing,
    _diagnosis.TITLE: _make_diagnosis,
    _surprise.TITLE: _make_surprise,
    _planning.TITLE: _make_planning,
    _imagination.TITLE: _make_imagination,
    _open_loop.TITLE: _make_open_loop,
    _latent_map.TITLE: _make_latent_map,
    _monotonicity.TITLE: _make_monotonicity,
}
