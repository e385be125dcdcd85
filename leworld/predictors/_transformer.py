"""The causal transformer that LeWM predicts with."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_number
from .._config import configurable
from .._typing import shapechecked
from ..nn import ConditionedBlock
from ._window import Modulations, WindowMemory
from ._window_transformer import WindowTransformer


@final
@configurable
class TransformerPredictor(WindowTransformer):
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
        self.latent_shape = (embedding_dim,)
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

    @shapechecked
    def prepare(
        self,
        embeddings: Float[Tensor, "batch time dim"],
        past_conditions: Float[Tensor, "batch time condition"],
        conditions: Float[Tensor, "batch sample horizon condition"],
    ) -> WindowMemory:
        """Return the memory that a rollout starts from, see `IncrementalPredictor`.

        Modulations depend on a frame's condition alone, so that a rollout needs them once a step, while
        `forward` computes them once a window. They take 6 * depth * embedding_dim numbers a step and
        candidate, and are computed for history_size + 8 steps at once.

        Args:
            embeddings: The known frames before the newest; all but the last history_size - 1 are left out.
            past_conditions: The action embeddings that leave them.
            conditions: The candidates' action embeddings.
        """
        return self._prepare(embeddings, past_conditions, conditions)

    @shapechecked
    def extend(
        self, memory: WindowMemory, embeddings: Float[Tensor, "batch sample dim"]
    ) -> tuple[Float[Tensor, "batch sample dim"], WindowMemory]:
        """Append each candidate's newest frame and predict the next one, in evaluation mode.

        - While the window grows, only the new frame is computed: each block remembers the keys and values of
          the others. Once it slides, every frame moves to another position and the window is computed anew.
        - Frames that all candidates share are computed once a trajectory.
        - The last block's queries and its MLP see the newest frame only.

        Nothing is read back from an accelerator or copied to it, so that a CUDA graph can capture it.

        Args:
            memory: What `prepare` or the last `extend` returned.
            embeddings: The newest frame of each candidate.

        Raises:
            ShapeError: If `prepare` got conditions of fewer steps or of other rows.
        """
        return self._extend(memory, embeddings)

    def _input(self, frames: Tensor, modulations: Modulations, before: int) -> Tensor:
        positions = self.positions[0, before : before + len(frames)]
        return frames + positions.unflatten(0, (-1, *(1 for _ in frames.shape[1:-1])))
