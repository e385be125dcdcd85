"""Predictors that see the last frames and no further, all at once."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from .._checks import check_number
from .._typing import shapechecked
from ._checks import check_frames, check_next, check_start
from ._incremental import IncrementalPredictor


@final
@dataclass(frozen=True)
class RecentMemory:
    """Where a rollout of a `RecentFramesPredictor` stands; its tensors are never changed in place.

    Args:
        frames: The window before the newest frame, (batch, sample or 1, window - 1, dim).
        past_conditions: Theirs.
        conditions: The candidates' conditions, (batch, sample, horizon, condition).
        step: How many frames have been appended.
    """

    frames: Tensor
    past_conditions: Tensor
    conditions: Tensor
    step: int = 0


class RecentFramesPredictor(IncrementalPredictor, ABC):
    """Predicts from the last `history_size` frames and conditions, zeros standing for those before the first.

    A class of this kind writes `_predict`. An output depends on its window alone, wherever that lies, so that
    a sequence may be of any length: each of its outputs sees the last `history_size` frames.
    """

    slides = True

    def __init__(self, embedding_dim: int, history_size: int, condition_dim: int | None) -> None:
        super().__init__()
        self.owner = type(self).__name__
        self.condition_dim = embedding_dim if condition_dim is None else condition_dim
        for name, value in (
            ("embedding_dim", embedding_dim),
            ("history_size", history_size),
            ("condition_dim", self.condition_dim),
        ):
            check_number(self.owner, name, value, low=1, integer=True)
        self.embedding_dim = embedding_dim
        self.history_size = history_size
        self.window = history_size  # frames that an output sees

    @abstractmethod
    def _predict(self, frames: Tensor, conditions: Tensor) -> Tensor:
        """Return (*row, dim) from (*row, window, dim) and (*row, window, condition)."""

    @shapechecked
    def forward(
        self, embeddings: Float[Tensor, "batch time dim"], conditions: Float[Tensor, "batch time condition"]
    ) -> Float[Tensor, "batch time dim"]:
        """Predict the embedding that follows each time step."""
        sizes = {"dim": self.embedding_dim, "condition_dim": self.condition_dim}
        check_frames(self.owner, embeddings, conditions, **sizes)
        return self._predict(self._windows(embeddings), self._windows(conditions))

    @shapechecked
    def prepare(
        self,
        embeddings: Float[Tensor, "batch time dim"],
        past_conditions: Float[Tensor, "batch time condition"],
        conditions: Float[Tensor, "batch sample horizon condition"],
    ) -> RecentMemory:
        """Return the memory that a rollout starts from: the window before the newest frame.

        Args:
            embeddings: The known frames before the newest.
            past_conditions: The action embeddings that leave them.
            conditions: The candidates' action embeddings.
        """
        latent, size = (self.embedding_dim,), self.condition_dim
        check_start(self.owner, embeddings, past_conditions, conditions, latent=latent, condition_dim=size)
        return RecentMemory(self._before(embeddings), self._before(past_conditions), conditions)

    @shapechecked
    def extend(
        self, memory: RecentMemory, embeddings: Float[Tensor, "batch sample dim"]
    ) -> tuple[Float[Tensor, "batch sample dim"], RecentMemory]:
        """Append each candidate's newest frame and predict the next one, from one window.

        Args:
            memory: What `prepare` or the last `extend` returned.
            embeddings: The newest frame of each candidate.

        Raises:
            ShapeError: If `prepare` got conditions of fewer steps or of other rows.
        """
        step = memory.step
        check_next(self.owner, embeddings, memory.conditions, step=step, latent=(self.embedding_dim,))
        newest = memory.conditions[:, :, step : step + 1]
        frames = _appended(memory.frames, embeddings.unsqueeze(2))
        conditions = _appended(memory.past_conditions, newest)
        after = replace(memory, frames=frames[:, :, 1:], past_conditions=conditions[:, :, 1:], step=step + 1)
        return self._predict(frames, conditions), after

    def _windows(self, values: Tensor) -> Tensor:
        """Return the window that ends at each step, (batch, time, window, dim)."""
        size, time = self.window, values.shape[1]
        padded = F.pad(values, (0, 0, size - 1, 0))
        return torch.stack([padded[:, first : first + time] for first in range(size)], dim=2)

    def _before(self, values: Tensor) -> Tensor:
        """Return the last window - 1 of (batch, time, dim), zeros before them."""
        size = self.window - 1
        last = values[:, max(0, values.shape[1] - size) :]
        return F.pad(last, (0, 0, size - last.shape[1], 0)).unsqueeze(1)


def _appended(window: Tensor, newest: Tensor) -> Tensor:
    return torch.cat([window.expand(-1, newest.shape[1], -1, -1), newest], dim=2)
