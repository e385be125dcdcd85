"""What a world model trains on, and the step that makes it from raw windows."""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from torch import Tensor

from .._checks import describe
from ..errors import ConfigError, ShapeError
from ._processor import Processor
from ._windows import RawBatch


@final
@dataclass(frozen=True, eq=False)
class Batch:
    """Normalised sequences, ready for `WorldModel.loss`.

    Shapes:
        observations: (batch, time, channel, height, width).
        actions: (batch, time, action); block t leaves frame t. The last one may be partly or wholly 0.

    Example:
        ```python
        import torch
        from leworld.data import Batch

        batch = Batch(torch.zeros(2, 4, 3, 8, 8), torch.zeros(2, 4, 10))
        assert batch.observations.shape[:2] == batch.actions.shape[:2]
        ```
    """

    observations: Float[Tensor, "batch time channel height width"]
    actions: Float[Tensor, "batch time action"]


def to_batch(raw: RawBatch, processor: Processor) -> Batch:
    """Normalise raw windows on the device they are on.

    Args:
        raw: Windows cut with the processor's frameskip.
        processor: The statistics, usually `fit_processor(train, ...)`.

    Raises:
        ConfigError: An argument is of another kind.
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
    time, step = raw.pixels.shape[1], raw.actions.shape[1]
    if step != time * processor.frameskip:
        raise ShapeError(
            f"to_batch needs frameskip={processor.frameskip} actions for each of the {time} frames",
            f"`raw` has {step} actions a window",
            "Cut the windows with the frameskip of the processor",
        )
    return Batch(processor.observations(raw.pixels), processor.action_blocks(raw.actions))
