"""What a world model trains on, and the step that makes it from raw windows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import describe
from ..errors import ConfigError, ShapeError
from ._columns import REWARD
from ._observation import Observation
from ._processor import Processor
from ._raw_batch import RawBatch, observation_of


@final
@dataclass(frozen=True, eq=False)
class Batch:
    """Normalised sequences, ready for `WorldModel.loss`.

    Shapes:
        observations: (batch, time, channel, height, width) where pictures are all there is; else an
            `Observation` of such pictures and of vectors (batch, time, dim).
        actions: (batch, time, action); block t leaves frame t. The last one may be partly or wholly 0.
        columns: (batch, time) each, what a model asks for by name: `reward`, the sum over block t, and
            `terminated`, `truncated`, `success`, whether block t passes or leads to a row marked so.

    Example:
        ```python
        import torch
        from leworld.data import Batch

        batch = Batch(torch.zeros(2, 4, 3, 8, 8), torch.zeros(2, 4, 10))
        assert batch.observations.shape[:2] == batch.actions.shape[:2]
        ```
    """

    observations: Float[Tensor, "batch time channel height width"] | Observation
    actions: Float[Tensor, "batch time action"]
    columns: Mapping[str, Tensor] = field(default_factory=dict)


def to_batch(raw: RawBatch, processor: Processor) -> Batch:
    """Normalise raw windows on the device they are on.

    Args:
        raw: Windows cut with the processor's frameskip.
        processor: The statistics, usually `fit_processor(train, ...)`.

    Returns:
        Observations are a bare tensor if `pixels` is all that the processor knows, else an `Observation` of
        its parts. In the last block of a window, which is needed by no loss and may run past the end of an
        episode, missing rewards (NaN) count 0. Elsewhere they stay NaN.

    Raises:
        ConfigError: An argument is of another kind, or a part that the processor knows is missing.
        ShapeError: Frames and actions do not fit the processor's frameskip or action size.

    Example:
        ```python
        import numpy as np
        from leworld.data import Episodes, Windows, fit_processor, to_batch

        rng = np.random.default_rng(0)
        films = [rng.integers(0, 256, (12, 8, 8, 3), np.uint8)]
        train = Episodes.from_trajectories(films, [rng.normal(size=(11, 2))])
        windows = Windows(train, 3, frameskip=2)
        batch = to_batch(windows[0], fit_processor(train, frameskip=2))
        assert batch.observations.shape == (1, 4, 3, 8, 8) and batch.actions.shape == (1, 4, 4)
        ```
    """
    for name, value, kind in (("raw", raw, RawBatch), ("processor", processor, Processor)):
        if not isinstance(value, kind):
            raise ConfigError(
                f"to_batch needs `{name}` to be a {kind.__name__}",
                f"`{name}` is {describe(value)}",
                "Take windows from Windows and a processor from fit_processor",
            )
    time, step = raw.rows.shape[1], raw.actions.shape[1]
    if step != time * processor.frameskip:
        raise ShapeError(
            f"to_batch needs frameskip={processor.frameskip} actions for each of the {time} frames",
            f"`raw` has {step} actions a window",
            "Cut the windows with the frameskip of the processor",
        )
    bare = processor.observation_parts == ("pixels",)
    observations = processor.observations(raw.pixels if bare else observation_of(raw))
    columns = {name: _of_blocks(name, column, time) for name, column in raw.columns.items()}
    return Batch(observations, processor.action_blocks(raw.actions), columns)


def _of_blocks(name: str, column: Tensor, time: int) -> Tensor:
    """Sum the rewards of every block, or say whether it reaches a marked row."""
    blocks = column.unflatten(1, (time, -1))
    if name != REWARD:
        return blocks.bool().any(-1)
    rewards = blocks.float()
    ends = rewards[:, -1:]
    return torch.cat((rewards[:, :-1], torch.where(ends.isnan(), 0.0, ends)), dim=1).sum(-1)
