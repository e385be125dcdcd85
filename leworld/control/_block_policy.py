"""What policies share that decide on one action block at a time, without a search."""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..data import Observation
from ..models import WorldModel, model_input, processor_of, to_weights
from ..nn import evaluation_mode
from ._action_limits import limit_arrays
from ._policy import Policy


class BlockPolicy(Policy):
    """Keeps a model's state, asks `_blocks` every `frameskip` steps, and executes what it says."""

    def __init__(self, model: WorldModel, action_limits: Any) -> None:
        owner = type(self).__name__
        self._processor = processor_of(model, owner=owner)
        if self._processor.action_choices is not None:
            action_limits = (0.0, 1.0)  # one-hot
        self._low, self._high = limit_arrays(
            action_limits, self._processor.action_dim, owner=owner, finite=False
        )
        self._model = model
        self._start()

    @abstractmethod
    def _blocks(self, latents: Tensor, num_blocks: int) -> Tensor:
        """Return a normalised block (env, action) for latents (env, *latent), after `num_blocks` of them."""

    def _start(self) -> None:
        self._state: Any = None
        self._block: Tensor | None = None  # executed since the state
        self._queue: list[np.ndarray] = []
        self._num_blocks = 0

    def _act(self, observation: Observation) -> Float[np.ndarray, "env action"]:
        """Return the next raw action of every environment; one-hot if discrete."""
        if not self._queue:
            self._state, self._block, self._queue = self._next_block(observation)
            self._num_blocks += 1
        action, self._queue = self._queue[0], self._queue[1:]
        return action.copy()

    @torch.no_grad()
    def _next_block(self, observation: Observation) -> tuple[Any, Tensor, list[np.ndarray]]:
        """Return the state of this moment, the block that leaves it, and its raw actions."""
        with evaluation_mode(self._model):
            state = self._model.observe(self._state, model_input(self._model, observation), self._block)
            block = self._blocks(self._model.present(state), self._num_blocks)
        actions = self._processor.raw_actions(block.float().cpu())
        if self._processor.action_choices is not None:
            actions = self._processor.one_hot(self._processor.choices(actions))
        raw = actions.numpy().clip(self._low, self._high)
        executed = self._processor.action_blocks(torch.from_numpy(raw))[:, 0]
        return state, to_weights(self._model, executed), list(raw.swapaxes(0, 1))
