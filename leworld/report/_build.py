"""One report of everything, measured and put on a page."""

from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from .._checks import plain_numbers
from ..data import Episodes
from ..decoders import CrossAttentionDecoder
from ..evaluation import Quantity
from ..models import WorldModel
from ..tasks import Task
from ._page import render_page
from ._parts import PARTS, make_part
from ._subject import checked_subject
from ._verdict import verdict_section


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

    On top stands a verdict: what is good, what is not and what is unclear, each compared with something, see
    `verdict_lines`. Below, the page holds the model's card, its episodes, the curves of its training, the
    Gaussianity of its embedding, probes, what the losses do not show, surprise, planned episodes as films,
    imagined against true futures, the error by horizon, latent maps and metric monotonicity. Each part is
    made by a function of its own (`probing_section` and so on), which takes a result that you may have
    measured otherwise; `render_page` joins any of them. A part that cannot be made says why in its place, and
    the others go on.

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
    subject = checked_subject(
        "build_report",
        model,
        episodes,
        source=source,
        task=task,
        quantities=quantities,
        decoder=decoder,
        num_pairs=num_pairs,
        seed=seed,
        progress=progress,
    )
    parts = []
    bar = tqdm(PARTS, desc="report", unit="part", disable=not subject.progress)
    for title in bar:
        bar.set_postfix_str(title)
        parts.append(make_part(title, subject))
    known = model.processor.environment_id if model.has_processor else None
    place = f", in {known}" if known else ""
    lead = f"What this world model knows, measured on {len(episodes)} episodes{place}."
    lines = [line for part in parts for line in part.lines]
    verdict = [verdict_section(lines)] if lines else []
    return render_page(
        [*verdict, *(part.section for part in parts)], title=f"Report: {subject.name}", lead=lead
    )
