"""What a report is made of: a model under a name, and the episodes to measure it on."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .._checks import check_number, describe
from .._files import run_name
from ..data import Episodes
from ..decoders import CrossAttentionDecoder
from ..errors import ConfigError
from ..evaluation import FrameLatents, Quantity, frame_latents, recorded_quantities
from ..models import WorldModel
from ..tasks import Task

STRIDE = 5


@dataclass(frozen=True)
class Subject:
    """What every part is measured on."""

    model: WorldModel
    name: str
    episodes: Episodes
    source: str | Path | None
    task: Task | None
    quantities: Mapping[str, Quantity]
    decoder: CrossAttentionDecoder | None
    num_pairs: int
    seed: int
    progress: bool
    baselines: tuple[str, ...] = ("random", "oracle")

    @cached_property
    def latents(self) -> FrameLatents:
        """Latents of some frames of the episodes."""
        return frame_latents(self.model, self.episodes, stride=STRIDE)


def checked_subject(
    owner: str,
    model: object,
    episodes: object,
    *,
    source: str | Path | None,
    task: object,
    quantities: Mapping[str, Quantity] | None,
    decoder: CrossAttentionDecoder | None,
    num_pairs: int,
    seed: int,
    progress: bool,
) -> Subject:
    """Check what a report is asked for."""
    if not isinstance(model, WorldModel):
        raise _unfit(owner, "model", model, WorldModel)
    if not isinstance(episodes, Episodes):
        raise _unfit(owner, "episodes", episodes, Episodes)
    if task is not None and not isinstance(task, Task):
        raise ConfigError(
            f"{owner} needs `task` to be a `leworld.tasks.Task` or None",
            f"`task` is {describe(task)}",
            "Pass `leworld.tasks.task_of(model)`, or make the model's world a task",
        )
    check_number(owner, "num_pairs", num_pairs, low=1, integer=True)
    check_number(owner, "seed", seed, low=0, high=2**31, integer=True)
    if quantities is None:
        usual = recorded_quantities(episodes) if task is None else task.quantities
        quantities = {name: one for name, one in usual.items() if one.column in episodes.columns}
    name = type(model).__name__ if source is None else run_name(source)
    return Subject(
        model=model,
        name=name,
        episodes=episodes,
        source=source,
        task=task,
        quantities=quantities,
        decoder=decoder,
        num_pairs=num_pairs,
        seed=seed,
        progress=progress and sys.stderr.isatty(),
    )


def _unfit(owner: str, name: str, value: object, kind: type) -> ConfigError:
    return ConfigError(
        f"{owner} needs `{name}` to be a {kind.__name__}",
        f"`{name}` is {describe(value)}",
        "Load models with `leworld.load` and read episodes with `leworld.data.read_hdf5`",
    )
