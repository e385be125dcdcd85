"""What a model predictive controller remembers of one environment."""

from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from torch import Tensor


@final
@dataclass
class Lane:
    """One environment's goal, real history, and the actions that wait to be executed."""

    goal: Tensor
    generator: torch.Generator
    frames: list[Tensor] = field(default_factory=list)  # embeddings of real frames, oldest first
    blocks: list[Tensor] = field(default_factory=list)  # normalised blocks executed between them
    current: list[np.ndarray] = field(default_factory=list)  # raw actions executed since the last frame
    queue: list[np.ndarray] = field(default_factory=list)  # raw actions still to be executed
    plan: Tensor | None = None  # the last plan, normalised, shifted by what has been queued
    elites: Tensor | None = None  # what else that search kept (elite, horizon, action), shifted likewise
    before: tuple[list[Tensor], list[Tensor]] | None = None  # frames and blocks up to the newest frame

    @property
    def at_frame(self) -> bool:
        """Whether the coming frame enters the history: a whole block has been executed, or none yet."""
        return not self.current

    def see(self, embedding: Tensor, history_size: int) -> None:
        """Append a real frame and keep the last `history_size` of them with the blocks between."""
        self.before = (self.frames, self.blocks) if self.frames else None
        self.frames = [*self.frames, embedding][-history_size:]
        kept = len(self.frames) - 1
        self.blocks = self.blocks[len(self.blocks) - kept :]

    def advance(self, plan: Tensor, elites: Tensor | None, executed: int) -> None:
        """Remember a plan (horizon, action) and elites, less the `executed` blocks, with zeros after."""
        self.plan = shifted(plan, executed)
        self.elites = None if elites is None or executed >= len(plan) else shifted(elites, executed)


def shifted(blocks: Tensor, executed: int) -> Tensor:
    """Drop the first `executed` steps of (..., horizon, action) and append as many zeros."""
    return torch.cat((blocks[..., executed:, :], torch.zeros_like(blocks[..., :executed, :])), dim=-2)
