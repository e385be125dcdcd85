"""One report of everything, measured and put on a page."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .._checks import check_number, describe, plain_numbers
from ..data import Episodes
from ..decoders import CrossAttentionDecoder
from ..errors import ConfigError, LeWorldError
from ..evaluation import (
    FrameLatents,
    Quantity,
    diagnose,
    frame_latents,
    imagined_rollouts,
    latent_map,
    metric_monotonicity,
    open_loop,
    probing,
    recorded_quantities,
    surprise,
    training_overlap,
)
from ..hub import CheckpointRecord, checkpoint_info
from ..models import WorldModel
from ..tasks import Task
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
from ._page import render_page
from ._section import Section

_STRIDE = 5
_LARGEST_PICTURE = 96
_DECODER_STEPS = 1000


@dataclass(frozen=True)
class _Subject:
    """What every section is made from."""

    model: WorldModel
    episodes: Episodes
    source: str | Path | None
    task: Task | None
    quantities: Mapping[str, Quantity]
    decoder: CrossAttentionDecoder | None
    num_pairs: int
    seed: int
    progress: bool


@plain_numbers
def build_report(
    model: WorldModel,
    episodes: Episodes,
    *,
    source: str | Path | None = None,
    task: Task | None = None,
    quantities: Mapping[str, Quantity] | None = None,
    decoder: CrossAttentionDecoder | None = None,
    num_pairs: int = 8,
    seed: int = 0,
    progress: bool = True,
) -> str:
    """Measure what a model knows and show it on one self-contained HTML page.

    The page holds the model's card, the curves of its training, the Gaussianity of its embedding, probes,
    what the losses do not show, surprise, planned episodes as films, imagined against true futures, the error
    by horizon, latent maps and metric monotonicity. Each part is made by a function of its own
    (`probing_section` and so on), which takes a result that you may have measured otherwise; `render_page`
    joins any of them. A part that cannot be made says why in its place, and the others go on.

    Costs minutes for a small model on a CPU, most of it for planning and for training a decoder.

    Args:
        model: A world model with its processor.
        episodes: Episodes to measure on, 12 or more, best such that it was not trained on: the page says what
            is known of that, see `leworld.evaluation.training_overlap`.
        source: Name or folder that the model was loaded from. It gives the page its title and the card its
            record; in a folder, `metrics.csv` in or above it is the log of the training.
        task: The task of the model's world, see `leworld.tasks.task_of`: for planning, monotonicity, exact
            teleports, and what probes read.
        quantities: What probes read; default: the task's, or `recorded_quantities`.
        decoder: A decoder trained on this model. None trains a small one on half of the episodes, for
            pictures of up to 96 pixels.
        num_pairs: Pairs of start and goal to plan.
        seed: Decides everything that is drawn.
        progress: Show progress bars on the error stream if that is a terminal.

    Returns:
        The HTML text; write it as UTF-8. Below 10 MB.

    Raises:
        ConfigError: Something that is no model, no episodes or no task, or an option out of range.

    Randomness:
        From `seed` only; the same machine and threads give the same page, byte for byte.

    Example:
        ```python
        import numpy as np
        from leworld.data import Episodes, Processor
        from leworld.models import WorldModel
        from leworld.report import build_report

        class Blind(WorldModel):
            history_size, embedding_dim, action_dim = 1, 3, 1

            def _encode(self, observations):
                return observations.mean(dim=(-2, -1))

            def _predict(self, embeddings, actions):
                return embeddings

            def _loss(self, batch, generator):
                raise NotImplementedError

        model = Blind()
        model.processor = Processor(200, frameskip=1, action_dim=1, action_mean=(0.0,), action_std=(1.0,))
        frames = np.random.default_rng(0).integers(0, 256, (60, 4, 4, 3), np.uint8)
        episodes = Episodes(frames, np.zeros((60, 1), np.float32), lengths=np.full(12, 5))
        page = build_report(model, episodes, progress=False)
        assert "Gaussianity" in page and "Not in this report" in page
        ```
    """
    for name, value, kind in (("model", model, WorldModel), ("episodes", episodes, Episodes)):
        if not isinstance(value, kind):
            raise ConfigError(
                f"build_report needs `{name}` to be a {kind.__name__}",
                f"`{name}` is {describe(value)}",
                "Load models with `leworld.load` and read episodes with `leworld.data.read_hdf5`",
            )
    if task is not None and not isinstance(task, Task):
        raise ConfigError(
            "build_report needs `task` to be a `leworld.tasks.Task` or None",
            f"`task` is {describe(task)}",
            "Pass `leworld.tasks.task_of(model)`, or make the model's world a task",
        )
    check_number("build_report", "num_pairs", num_pairs, low=1, integer=True)
    check_number("build_report", "seed", seed, low=0, high=2**31, integer=True)
    if quantities is None:
        usual = recorded_quantities(episodes) if task is None else task.quantities
        quantities = {name: one for name, one in usual.items() if one.column in episodes.columns}
    progress = progress and sys.stderr.isatty()
    subject = _Subject(model, episodes, source, task, quantities, decoder, num_pairs, seed, progress)
    sections = []
    bar = tqdm(PARTS.items(), desc="report", unit="part", disable=not progress)
    for title, make in bar:
        bar.set_postfix_str(title)
        try:
            sections.append(make(subject))
        except LeWorldError as error:
            sections.append(Section.missing(title, str(error)))
    name = type(model).__name__ if source is None else str(source)
    if source is not None and Path(source).is_dir():
        name = Path(source).resolve().name
    known = model.processor.environment_id if model.processor is not None else None
    overlap = training_overlap(model, episodes).sentence
    place = f", in {known}" if known else ""
    lead = f"What this world model knows, measured on {len(episodes)} episodes{place}. About them: {overlap}."
    return render_page(sections, title=f"Report: {name}", lead=lead)


def _make_card(subject: _Subject) -> Section:
    return _card.card_section(subject.model, _record(subject.source))


def _record(source: str | Path | None) -> CheckpointRecord | None:
    if source is None:
        return None
    with contextlib.suppress(LeWorldError):
        return checkpoint_info(source)
    return None


def _make_training(subject: _Subject) -> Section:
    folder = None if subject.source is None else Path(subject.source)
    if folder is not None and folder.is_dir():
        for place in (folder, folder.resolve().parent):
            if (place / "metrics.csv").is_file():
                return _training.training_section(place / "metrics.csv")
    reason = (
        "no log of the training. `leworld train` leaves metrics.csv beside the model's folder; this model "
    )
    return Section.missing(_training.TITLE, reason + "came without one.")


def _make_gaussianity(subject: _Subject) -> Section:
    found = _latents(subject)
    drawn = np.random.default_rng(subject.seed)
    rows = [int(drawn.choice(np.flatnonzero(found.episode == number))) for number in np.unique(found.episode)]
    vectors = found.vectors
    return _gaussianity.gaussianity_section(
        vectors, vectors[rows], num_slices=min(4, vectors.shape[1]), seed=subject.seed
    )


def _make_probing(subject: _Subject) -> Section:
    if not subject.quantities:
        reason = "no quantity to read: there is no column `state` or `proprio`. Name one with `quantities`."
        return Section.missing(_probing.TITLE, reason)
    name = type(subject.model).__name__
    result = probing(
        {name: subject.model},
        subject.episodes,
        quantities=subject.quantities,
        stride=_STRIDE,
        seed=subject.seed,
        progress=subject.progress,
    )
    return _probing.probing_section(result)


def _make_diagnosis(subject: _Subject) -> Section:
    return _diagnosis.diagnosis_section(
        diagnose(subject.model, subject.episodes, quantities=subject.quantities, seed=subject.seed)
    )


def _make_surprise(subject: _Subject) -> Section:
    task = subject.task
    exact = task is not None and task.world is not None and "state" in subject.episodes.columns
    processor, lengths = subject.model.processor, subject.episodes.lengths
    calibrating = int((lengths - 1).sum()) // (2 * (1 if processor is None else processor.frameskip))
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
    return _surprise.surprise_section(result)


def _make_planning(subject: _Subject) -> Section:
    model, task = subject.model, subject.task
    if task is None or model.processor is None:
        reason = (
            "no environment to plan in. Make the model's world a task of `leworld.tasks` and register it, or "
            "measure with `goal_reaching` and pass the result to `planning_section`."
        )
        return Section.missing(_planning.TITLE, reason)
    pairs = task.pairs(task.protocols[-1], subject.num_pairs, seed=subject.seed)
    result = task.play(model, pairs, baselines=("random",), seed=subject.seed, progress=subject.progress)
    return _planning.planning_section(result)


def _make_imagination(subject: _Subject) -> Section:
    episodes = subject.episodes
    half = len(episodes) // 2
    decoder = subject.decoder
    if episodes.pixels is None:
        return Section.missing(_imagination.TITLE, "no pictures called `pixels` to draw.")
    if decoder is None:
        size = None if subject.model.processor is None else subject.model.processor.image_size
        if size is not None and size > _LARGEST_PICTURE:
            reason = (
                f"training a decoder of {size}-pixel pictures takes long. Train one with `train_decoder` and "
            )
            return Section.missing(_imagination.TITLE, reason + "pass it.")
        decoder = _quick_decoder(subject, episodes.select(slice(0, half)))
    column = next((q.column for q in subject.quantities.values() if q.kind == "number"), None)
    rollouts = imagined_rollouts(
        subject.model,
        episodes.select(slice(half, None)),
        decoder=decoder,
        num_rollouts=16,
        column=column,
        seed=subject.seed,
    )
    return _imagination.imagination_section(rollouts)


def _quick_decoder(subject: _Subject, episodes: Episodes) -> CrossAttentionDecoder:
    from ..training import OptimizerSettings, TrainSettings, train_decoder

    optimizer = OptimizerSettings(learning_rate=5e-3)
    settings = TrainSettings(num_steps=_DECODER_STEPS, batch_size=64, optimizer=optimizer, seed=subject.seed)
    with tempfile.TemporaryDirectory() as folder:
        return train_decoder(
            subject.model, episodes, folder=folder, settings=settings, progress=subject.progress
        )


def _make_open_loop(subject: _Subject) -> Section:
    column = next((q.column for q in subject.quantities.values() if q.kind == "number"), None)
    result = open_loop(subject.model, subject.episodes, column=column, seed=subject.seed)
    return _open_loop.open_loop_section(result)


def _make_latent_map(subject: _Subject) -> Section:
    found = _latents(subject)
    values = {}
    for name, quantity in subject.quantities.items():
        columns = np.asarray(subject.episodes.columns[quantity.column])
        columns = columns.reshape(subject.episodes.num_rows, -1)
        for component in quantity.components or range(min(2, columns.shape[1])):
            values[f"{name} {component}"] = columns[found.rows, component]
    return _latent_map.latent_map_section(latent_map(found.vectors, seed=subject.seed), values)


def _make_monotonicity(subject: _Subject) -> Section:
    task = subject.task
    steps = None if task is None or task.world is None else task.goal_steps(seed=subject.seed)
    if task is None or task.world is None or steps is None:
        reason = (
            "no world to step in. A task with a `world` and `goal_steps` offers one; else measure with "
            "`goal_monotonicity` and pass the result to this section."
        )
        return Section.missing(_monotonicity.TITLE, reason)
    return _monotonicity.monotonicity_section(metric_monotonicity(subject.model, steps, world=task.world))


def _latents(subject: _Subject) -> FrameLatents:
    return frame_latents(subject.model, subject.episodes, stride=_STRIDE)


PARTS: dict[str, Callable[[_Subject], Section]] = {
    _card.TITLE: _make_card,
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
