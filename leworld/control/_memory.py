"""What a model predictive controller remembers of one environment."""

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class Memory:
    """One environment's goal, the model's state of it, and the actions that wait to be executed.

    It is never changed in place, so that a call that fails leaves the policy as it was.

    Args:
        goal: Latent of the goal (*latent), or None.
        state: The model's state, of this one environment; None before its first frame.
        before: The state before the newest frame, and the block that led from it; None at the first frame.
        block: The last executed block (action), which the next frame has not been told of yet.
        queue: Raw actions still to be executed.
        executed: Raw actions executed since the newest frame.
        guesses: The last plan, and what else that search kept, (guess, horizon, action), normalised and
            shifted by what was queued.
        num_plans: How many searches were made; each has random numbers of its own.
    """

    goal: Tensor | None
    state: Any | None = None
    before: tuple[Any, Tensor] | None = None
    block: Tensor | None = None
    queue: tuple[np.ndarray, ...] = ()
    executed: tuple[np.ndarray, ...] = ()
    guesses: Tensor | None = None
    num_plans: int = 0

    @property
    def at_frame(self) -> bool:
        """Whether the coming frame enters the state: a whole block has been executed, or none yet."""
        return not self.executed

    def planned(self, actions: np.ndarray, plan: Tensor, elites: Tensor | None, executed: int) -> "Memory":
        """Queue raw actions, and keep the plan (horizon, action) and elites less the `executed` blocks."""
        guesses = shifted(plan, executed).unsqueeze(0)
        if elites is not None and executed < len(plan):
            guesses = torch.cat((guesses, shifted(elites, executed)))
        return replace(self, queue=tuple(actions), guesses=guesses, num_plans=self.num_plans + 1)


def shifted(blocks: Tensor, executed: int) -> Tensor:
    """Drop the first `executed` steps of (..., horizon, action) and append as many zeros."""
    return torch.cat((blocks[..., executed:, :], torch.zeros_like(blocks[..., :executed, :])), dim=-2)
