"""The causal transformer that LeWM predicts with."""

from collections.abc import Sequence
from typing import cast, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_number
from .._config import configurable
from .._typing import shapechecked
from ..errors import ShapeError
from ..nn import ConditionedBlock
from ..nn._incremental import KeysValues
from ._incremental import Conditions, IncrementalPredictor, Memory


@final
@configurable
class TransformerPredictor(IncrementalPredictor):
    """Predict the next embedding at every time step from the embeddings and action embeddings so far.

    A learned position is added to each embedding, causal transformer blocks whose branches are modulated by
    the action embedding of the same step (AdaLN-zero, see `leworld.nn.ConditionedBlock`) follow, and a
    LayerNorm ends it. Positions count from the start of the window that is passed in: when the window slides
    over a longer sequence, a frame moves to another position, so nothing computed for the old window can be
    kept.

    Before training every block is the identity, because its gates are zero.

    Shapes:
        embeddings (batch, time, embedding_dim), conditions (batch, time, condition_dim) ->
        (batch, time, embedding_dim), with time from 1 to history_size.

    Args:
        embedding_dim: Size of an embedding, and width of the transformer.
        history_size: Number of positions, i.e. the longest window.
        condition_dim: Size of an action embedding; embedding_dim when None.
        depth: Number of blocks.
        num_heads: Number of attention heads.
        head_dim: Width of a head; num_heads * head_dim need not be embedding_dim.
        mlp_dim: Hidden width of the blocks' MLPs.
        dropout: Probability of dropping attention weights and activations in the blocks in training; the
            paper finds 0.1 best.
        embedding_dropout: The same for the input after the positions are added.

    Raises:
        ShapeError: If time is above history_size or an axis has another size than it was built for.

    Randomness: dropout draws from torch's global generator, in training mode only. Positions start as
    standard normal numbers, the modulations at zero.

    Source: Maes et al., LeWorldModel, 2026 (arXiv 2603.19312), section 3.1 and appendix D. The paper speaks
    of a ViT-S; depth 6, 16 heads of width 64, an MLP of 2048 and everything else are the released network's.

    Example:
        ```python
        import torch
        from leworld.predictors import TransformerPredictor

        predictor = TransformerPredictor(32, history_size=3, depth=2, num_heads=4, head_dim=32, mlp_dim=64)
        embeddings, conditions = torch.randn(2, 3, 32), torch.randn(2, 3, 32)
        assert predictor(embeddings, conditions).shape == (2, 3, 32)
        ```
    """

    def __init__(
        self,
        embedding_dim: int,
        history_size: int = 3,
        *,
        condition_dim: int | None = None,
        depth: int = 6,
        num_heads: int = 16,
        head_dim: int = 64,
        mlp_dim: int = 2048,
        dropout: float = 0.1,
        embedding_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.condition_dim = embedding_dim if condition_dim is None else condition_dim
        for name, value in (
            ("embedding_dim", embedding_dim),
            ("history_size", history_size),
            ("condition_dim", self.condition_dim),
            ("depth", depth),
            ("num_heads", num_heads),
            ("head_dim", head_dim),
            ("mlp_dim", mlp_dim),
        ):
            check_number("TransformerPredictor", name, value, low=1, integer=True)
        check_number("TransformerPredictor", "dropout", dropout, low=0.0, high=1.0)
        check_number("TransformerPredictor", "embedding_dropout", embedding_dropout, low=0.0, high=1.0)
        self.positions = nn.Parameter(torch.randn(1, history_size, embedding_dim))
        self.blocks = nn.ModuleList(
            ConditionedBlock(
                embedding_dim,
                num_heads,
                head_dim=head_dim,
                mlp_dim=mlp_dim,
                condition_dim=self.condition_dim,
                dropout=dropout,
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(embedding_dim)
        self.embedding_dim = embedding_dim
        self.history_size = history_size
        self.embedding_dropout = embedding_dropout

    @shapechecked
    def forward(
        self, embeddings: Float[Tensor, "batch time dim"], conditions: Float[Tensor, "batch time condition"]
    ) -> Float[Tensor, "batch time dim"]:
        """Predict the embedding that follows each time step."""
        self._check(embeddings, conditions)
        tokens = embeddings + self.positions[:, : embeddings.shape[1]]
        if self.training and self.embedding_dropout:
            tokens = F.dropout(tokens, self.embedding_dropout)
        for block in self.blocks:
            tokens = block(tokens, conditions)
        return self.norm(tokens)

    @property
    def can_extend(self) -> bool:
        """Whether `extend` computes what `forward` does: nothing is in training mode, replaced or hooked."""
        if any(m.training or m._forward_hooks or m._forward_pre_hooks for m in self.modules()):
            return False
        return all(type(b) is ConditionedBlock and b._can_extend for b in self.blocks)

    @shapechecked
    def prepare_conditions(self, conditions: Float[Tensor, "*row time condition"]) -> Conditions:
        """Compute the modulations of every block, for `extend`.

        They depend on a frame's condition alone, so that a rollout needs them once a step, while `forward`
        computes them once a window. They take 6 * depth * embedding_dim numbers a step. SiLU is applied once
        for all blocks, and scales have their 1 added.

        Args:
            conditions: Action embeddings, of any number of steps.
        """
        self._check_last_axis("conditions", conditions, self.condition_dim)
        activated = F.silu(conditions.movedim(-2, 0).contiguous())
        return Conditions(tuple(block.modulation._prepare(activated) for block in self._blocks()))

    @shapechecked
    def extend(
        self,
        embeddings: Float[Tensor, "*row time dim"],
        conditions: Conditions,
        *,
        memory: Memory | None = None,
    ) -> tuple[Float[Tensor, "*row dim"], Memory]:
        """Append frames to a window and predict what follows the last of them, in evaluation mode.

        Equal to the last output of `forward` on the whole window, but earlier frames are not computed again:
        each block remembers their keys and values. See `can_extend`.

        Args:
            embeddings: New frames, behind those that `memory` holds.
            conditions: The same number of steps of what `prepare_conditions` returned.
            memory: What the last call returned; None at the start of a window. Its rows may broadcast.

        Raises:
            ShapeError: If the window grows beyond history_size or conditions and embeddings do not fit.
        """
        self._check_last_axis("embeddings", embeddings, self.embedding_dim)
        before = 0 if memory is None else len(memory)
        self._check_time("embeddings", embeddings, before)
        if len(conditions) != embeddings.shape[-2]:
            raise ShapeError(
                "TransformerPredictor.extend needs one step of `conditions` for every new frame",
                f"`conditions` has {len(conditions)} and `embeddings` shape {tuple(embeddings.shape)}",
                "Slice what `prepare_conditions` returned, `conditions[first:last]`",
            )
        past = (KeysValues(),) * len(self.blocks) if memory is None else memory.blocks
        span = slice(before, before + embeddings.shape[-2])
        tokens = (embeddings + self.positions[0, span]).movedim(-2, 0).contiguous()
        seen = []
        for i, (block, modulations) in enumerate(zip(self._blocks(), conditions.modulations, strict=True)):
            last_only = i == len(self.blocks) - 1
            tokens, keys_values = block._extend(tokens, modulations, past[i], last_only=last_only)
            seen.append(keys_values)
        return self.norm(tokens[-1]), Memory(tuple(seen))

    def _blocks(self) -> Sequence[ConditionedBlock]:
        return cast(Sequence[ConditionedBlock], self.blocks)

    def _check(self, embeddings: Tensor, conditions: Tensor) -> None:
        self._check_time("embeddings", embeddings, 0)
        self._check_last_axis("embeddings", embeddings, self.embedding_dim)
        self._check_last_axis("conditions", conditions, self.condition_dim)

    def _check_time(self, name: str, tensor: Tensor, before: int) -> None:
        time = tensor.shape[-2]
        if not 1 <= time <= self.history_size - before:
            rest = f" after the {before} that `memory` holds" if before else ""
            raise ShapeError(
                f"TransformerPredictor needs from 1 to `history_size={self.history_size}` frames along time",
                f"`{name}` has shape {tuple(tensor.shape)}, i.e. time={time}{rest}",
                "Pass the last frames only; a model's `rollout` slides that window for you",
            )

    def _check_last_axis(self, name: str, tensor: Tensor, due: int) -> None:
        if tensor.shape[-1] != due:
            raise ShapeError(
                f"TransformerPredictor needs `{name}` with {due} entries on the last axis",
                f"`{name}` has shape {tuple(tensor.shape)}",
                "Pass what the model's projector and action encoder return",
            )
