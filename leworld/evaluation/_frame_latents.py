"""Latents of recorded episodes, with the rows that they belong to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from .._checks import check_number, plain_numbers
from ..data import Episodes
from ..models import WorldModel
from ._columns import check_episodes, strided_rows
from ._latent_paths import row_latents


@final
@dataclass(frozen=True, eq=False)
class FrameLatents:
    """Latents of some frames of recorded episodes.

    Attributes:
        latents: One a frame, float32 on the CPU.
        rows: The row of each in the episodes.
        episode: The number of its episode.

    Example:
        ```python
        import leworld
        from leworld.evaluation import FrameLatents, frame_latents
        from leworld.tasks import task_of

        model = leworld.load("lewm-tworoom-tiny")
        found = frame_latents(model, task_of(model).held_out(2), stride=20)
        assert isinstance(found, FrameLatents) and found.vectors.shape == (len(found.rows), 32)
        ```
    """

    latents: Float[Tensor, " frame *latent"]
    rows: Int[np.ndarray, " frame"]
    episode: Int[np.ndarray, " frame"]

    @property
    def vectors(self) -> Float[Tensor, "frame dim"]:
        """The latents with all their axes in one, for whatever reads vectors."""
        return self.latents.flatten(1)


@plain_numbers
def frame_latents(
    model: WorldModel,
    episodes: Episodes,
    *,
    stride: int = 1,
    on_progress: Callable[[int], object] | None = None,
) -> FrameLatents:
    """Return the latents of every `stride`-th frame of each episode, from its first on.

    Frames are embedded each on its own, except for a model that carries a state: it goes through the episode
    with its actions, by frames a frameskip apart, and a stride that is no multiple of the frameskip makes it
    do so several times.

    Args:
        model: A world model with its processor.
        episodes: Recorded episodes with the parts that the processor names.
        stride: Distance of the frames, in rows.
        on_progress: Called with the number of frames that were embedded, after each batch.

    Raises:
        ConfigError: No model, no processor, no episodes, a missing part, or a stride below 1.
        NonFiniteError: The model's latents are NaN or infinite.

    Example:
        ```python
        import leworld
        from leworld.evaluation import frame_latents
        from leworld.tasks import task_of

        model = leworld.load("lewm-tworoom-tiny")
        episodes = task_of(model).held_out(2)
        found = frame_latents(model, episodes, stride=20)
        assert found.rows[0] == 0 and found.latents.shape[1:] == model.latent_shape
        ```
    """
    check_number("frame_latents", "stride", stride, low=1, integer=True)
    check_episodes("frame_latents", episodes)
    rows, episode = strided_rows(episodes, stride)
    latents = row_latents(model, episodes, rows, owner="frame_latents", on_progress=on_progress)
    return FrameLatents(latents, rows, episode.numpy())
