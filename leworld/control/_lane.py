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

    @property
    def at_frame(self) -> bool:
        """Whether the coming frame enters the history: a whole block has been executed, or none yet."""
        return not self.current

    def see(self, embedding: Tensor, history_size: int) -> None:
        """Append a real frame and keep the last `history_size` of them with the blocks between."""
        self.frames = [*self.frames, embedding][-history_size:]
        kept = len(self.frames) - 1
        self.blocks = self.blocks[len(self.blocks) - kept :]
