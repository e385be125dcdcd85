"""What transformers with a window of frames share: going on from the keys and values of past frames."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ShapeError
from ..nn import ConditionedBlock, TransformerBlock
from ._checks import check_last_axes, check_last_axis, check_next, check_start
from ._incremental import IncrementalPredictor
from ._window import (
    KeysValues,
    Modulations,
    WindowMemory,
    can_extend_block,
    extend_block,
    prepare_block,
)

_STEPS_AT_ONCE = 8


class WindowTransformer(IncrementalPredictor):
    """A transformer whose positions count from the start of the window; `*latent` is what a frame is.

    Frames are (batch, sample, time, *latent) here.
    """

    slides = True
    blocks: nn.ModuleList
    norm: nn.LayerNorm
    history_size: int
    latent_shape: tuple[int, ...]
    condition_dim: int

    @property
    def can_extend(self) -> bool:
        """Whether `extend` computes what `forward` does: nothing is in training mode, replaced or hooked."""
        return super().can_extend and all(can_extend_block(block) for block in self.blocks)

    def _prepare(self, embeddings: Tensor, past_conditions: Tensor, conditions: Tensor) -> WindowMemory:
        sizes = {"latent": self.latent_shape, "condition_dim": self.condition_dim}
        check_start(type(self).__name__, embeddings, past_conditions, conditions, **sizes)
        first = max(0, embeddings.shape[1] - self.history_size + 1)
        shared, past = embeddings[:, first:].unsqueeze(1), past_conditions[:, first:].unsqueeze(1)
        return WindowMemory(shared, self._modulations(past) if shared.shape[2] else None, conditions)

    def _extend(self, memory: WindowMemory, embeddings: Tensor) -> tuple[Tensor, WindowMemory]:
        owner, latent = type(self).__name__, self.latent_shape
        check_next(owner, embeddings, memory.conditions, step=memory.step, latent=latent)
        size, known, step = self.history_size, memory.shared.shape[2], memory.step
        frames = (*memory.frames, embeddings)[-size:]
        start = known + step + 1 - size  # of the window, counted from the first shared frame
        begin, seen = step, memory.blocks  # of the candidates' own frames, the first that is to be computed
        if step == 0 or start > 0:
            begin, seen = max(0, start - known), ()
            if memory.shared_modulations is not None and start < known:
                window = slice(max(0, start), known)
                _, seen = self._append(memory.shared[:, :, window], memory.shared_modulations[window], ())
        modulations, first = memory.modulations, memory.first
        if modulations is None or step >= first + len(modulations):
            first = begin
            modulations = self._modulations(memory.conditions[:, :, first : first + size + _STEPS_AT_ONCE])
        new = torch.stack(frames[begin - step - 1 :], dim=2)
        output, seen = self._append(new, modulations[begin - first : step + 1 - first], seen)
        return output, replace(
            memory, step=step + 1, frames=frames, modulations=modulations, first=first, blocks=seen
        )

    def _modulations(self, conditions: Tensor) -> Modulations:
        """Compute all blocks' modulations for (*row, time, condition); SiLU is applied once for all."""
        activated = F.silu(conditions.movedim(-2, 0).contiguous())
        return Modulations(
            tuple(prepare_block(cast(ConditionedBlock, one), activated) for one in self.blocks)
        )

    @abstractmethod
    def _input(self, frames: Tensor, modulations: Modulations, before: int) -> Tensor:
        """Return what enters the first block: frames (time, *row, *latent) after `before` others."""

    def _append(
        self, embeddings: Tensor, modulations: Modulations, past: tuple[KeysValues, ...]
    ) -> tuple[Tensor, tuple[KeysValues, ...]]:
        """Append frames to a window; return what the last block says after the last of them.

        The rows of `past` may broadcast against those of the embeddings; it is empty at a window's start.
        """
        before = len(past[0].keys) if past else 0
        tokens = self._input(embeddings.movedim(2, 0), modulations, before).contiguous()
        given = self._block_modulations(modulations)
        seen = []
        for i, block in enumerate(cast(Sequence[ConditionedBlock | TransformerBlock], self.blocks)):
            last_only = i == len(self.blocks) - 1
            earlier = past[i] if past else KeysValues()
            tokens, keys_values = extend_block(block, tokens, given[i], earlier, last_only=last_only)
            seen.append(keys_values)
        return self._output(self.norm(tokens[-1])), tuple(seen)

    def _block_modulations(self, modulations: Modulations) -> Sequence[tuple[Tensor, ...]]:
        return modulations.blocks

    def _output(self, tokens: Tensor) -> Tensor:
        return tokens

    def _check(self, embeddings: Tensor, conditions: Tensor) -> None:
        time = embeddings.shape[1]
        if not 1 <= time <= self.history_size:
            raise ShapeError(
                f"{type(self).__name__} needs from 1 to `history_size={self.history_size}` frames along time",
                f"`embeddings` has shape {tuple(embeddings.shape)}, i.e. time={time}",
                "Pass the last frames only; a model's `rollout` slides that window for you",
            )
        check_last_axes(type(self).__name__, "embeddings", embeddings, self.latent_shape)
        check_last_axis(type(self).__name__, "conditions", conditions, self.condition_dim)
