"""The frame-causal transformer over tokens that DINO-WM predicts with."""

from collections.abc import Sequence
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import check_choice, check_number
from .._config import configurable
from .._typing import shapechecked
from ..nn import ConditionedBlock, SelfAttention, TransformerBlock
from ._window import Modulations, WindowMemory
from ._window_transformer import WindowTransformer


@final
@configurable
class TokenTransformerPredictor(WindowTransformer):
    """Predict the tokens of the next frame from the tokens of the frames so far and the actions taken.

    Reach for it where a latent is a grid of patch features, as in DINO-WM, and position in the picture should
    stay. It costs what its tokens cost: 196 of them make a step some 450 times as dear as one vector.

    A token of frame i sees every token of the frames up to i, its own included. A learned position is added
    to each token, transformer blocks follow, and a LayerNorm ends it. A frame's condition, the embedding of
    the action that leaves it, enters in one of two ways:

    - "concatenate" (DINO-WM): it is joined to every token of its frame, and the blocks are plain ones of
      width embedding_dim + condition_dim. What they put in the condition's place is dropped from the output,
      as the next condition is known anyway.
    - "adaln": it shifts, scales and gates every block (`leworld.nn.ConditionedBlock`) of width embedding_dim.

    Positions count from the start of the window: a rollout keeps keys and values of past frames while its
    window grows, and computes the window anew for each step once it slides.

    Shapes:
        embeddings (batch, time, token, embedding_dim), conditions (batch, time, condition_dim) ->
        (batch, time, token, embedding_dim), with time from 1 to history_size.

    Args:
        embedding_dim: Size of a token without its condition.
        num_tokens: Tokens of a frame.
        history_size: The longest window, in frames.
        condition_dim: Size of a condition.
        conditioning: How a condition enters.
        depth: Number of blocks.
        num_heads: Number of attention heads.
        head_dim: Width of a head; num_heads * head_dim need not be the blocks' width.
        mlp_dim: Hidden width of the blocks' MLPs.
        dropout: Probability of dropping attention weights and activations in the blocks in training.

    Raises:
        ShapeError: If time is above history_size or an axis has another size than it was built for.

    Numerics: LayerNorms use eps 1e-5, GELU is exact, queries, keys and values have no bias. Attention is
    torch's fused kernel, frame by frame, so that nothing of the size token x token is kept.

    Randomness: dropout draws from torch's global generator, in training mode only. Positions start as
    standard normal numbers.

    Source: Zhou et al., DINO-WM, 2024 (arXiv 2411.04983), section 3.1 and the released layers; depth 6, 16
    heads of width 64 and an MLP of 2048 are theirs. The paper's text lets a token see earlier frames only,
    the released mask its own frame too; this is the released one. "adaln" is not in it.

    Example:
        ```python
        import torch
        from leworld.predictors import TokenTransformerPredictor

        predictor = TokenTransformerPredictor(12, 4, depth=1, num_heads=2, head_dim=4, mlp_dim=16)
        embeddings, conditions = torch.randn(2, 3, 4, 12), torch.randn(2, 3, 10)
        assert predictor(embeddings, conditions).shape == (2, 3, 4, 12)
        ```
    """

    def __init__(
        self,
        embedding_dim: int,
        num_tokens: int,
        *,
        history_size: int = 3,
        condition_dim: int = 10,
        conditioning: Literal["concatenate", "adaln"] = "concatenate",
        depth: int = 6,
        num_heads: int = 16,
        head_dim: int = 64,
        mlp_dim: int = 2048,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_choice("TokenTransformerPredictor", "conditioning", conditioning, ("concatenate", "adaln"))
        for name, value in (
            ("embedding_dim", embedding_dim),
            ("num_tokens", num_tokens),
            ("history_size", history_size),
            ("condition_dim", condition_dim),
            ("depth", depth),
            ("num_heads", num_heads),
            ("head_dim", head_dim),
            ("mlp_dim", mlp_dim),
        ):
            check_number("TokenTransformerPredictor", name, value, low=1, integer=True)
        check_number("TokenTransformerPredictor", "dropout", dropout, low=0.0, high=1.0)
        self.joins = conditioning == "concatenate"
        width = embedding_dim + condition_dim if self.joins else embedding_dim

        def block() -> nn.Module:
            sizes = {"head_dim": head_dim, "dropout": dropout, "tokens_per_frame": num_tokens}
            if not self.joins:
                return ConditionedBlock(
                    width, num_heads, mlp_dim=mlp_dim, condition_dim=condition_dim, **sizes
                )
            attention = SelfAttention(width, num_heads, bias=False, fused=True, causal=True, **sizes)
            return TransformerBlock(
                width, num_heads, mlp_dim=mlp_dim, eps=1e-5, dropout=dropout, attention=attention
            )

        self.positions = nn.Parameter(torch.randn(1, history_size * num_tokens, width))
        self.blocks = nn.ModuleList(block() for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.embedding_dim = embedding_dim
        self.num_tokens = num_tokens
        self.latent_shape = (num_tokens, embedding_dim)
        self.condition_dim = condition_dim
        self.history_size = history_size

    @shapechecked
    def forward(
        self,
        embeddings: Float[Tensor, "batch time token dim"],
        conditions: Float[Tensor, "batch time condition"],
    ) -> Float[Tensor, "batch time token dim"]:
        """Predict the tokens that follow each time step."""
        self._check(embeddings, conditions)
        tokens = self._joined(embeddings, conditions).flatten(1, 2)
        tokens = tokens + self.positions[:, : tokens.shape[1]]
        for block in self.blocks:
            tokens = block(tokens) if self.joins else block(tokens, conditions)
        return self._output(self.norm(tokens)).unflatten(1, (-1, self.num_tokens))

    @shapechecked
    def prepare(
        self,
        embeddings: Float[Tensor, "batch time token dim"],
        past_conditions: Float[Tensor, "batch time condition"],
        conditions: Float[Tensor, "batch sample horizon condition"],
    ) -> WindowMemory:
        """Return the memory that a rollout starts from, see `IncrementalPredictor`.

        Args:
            embeddings: The known frames before the newest; all but the last history_size - 1 are left out.
            past_conditions: The action embeddings that leave them.
            conditions: The candidates' action embeddings.
        """
        return self._prepare(embeddings, past_conditions, conditions)

    @shapechecked
    def extend(
        self, memory: WindowMemory, embeddings: Float[Tensor, "batch sample token dim"]
    ) -> tuple[Float[Tensor, "batch sample token dim"], WindowMemory]:
        """Append each candidate's newest frame and predict the next one, in evaluation mode.

        Keys and values take 2 * depth * num_heads * head_dim numbers a token and candidate. Frames that all
        candidates share are computed once, and the last block's queries and its MLP see the newest frame
        only. See `TransformerPredictor.extend`.

        Args:
            memory: What `prepare` or the last `extend` returned.
            embeddings: The newest frame of each candidate.

        Raises:
            ShapeError: If `prepare` got conditions of fewer steps or of other rows.
        """
        return self._extend(memory, embeddings)

    def _modulations(self, conditions: Tensor) -> Modulations:
        return (
            Modulations(((conditions.movedim(-2, 0),),)) if self.joins else super()._modulations(conditions)
        )

    def _block_modulations(self, modulations: Modulations) -> Sequence[tuple[Tensor, ...]]:
        if self.joins:
            return [()] * len(self.blocks)
        return [tuple(one.unsqueeze(-2) for one in block) for block in modulations.blocks]

    def _input(self, frames: Tensor, modulations: Modulations, before: int) -> Tensor:
        if self.joins:
            ((conditions,),) = modulations.blocks
            frames = self._joined(frames, conditions)
        positions = self.positions.view(self.history_size, self.num_tokens, -1)[before : before + len(frames)]
        return frames + positions.unflatten(0, (-1, *(1 for _ in frames.shape[1:-2])))

    def _joined(self, frames: Tensor, conditions: Tensor) -> Tensor:
        """Join each frame's condition (..., condition) to all its tokens (..., token, dim)."""
        if not self.joins:
            return frames
        tiled = conditions.unsqueeze(-2).expand(*frames.shape[:-1], self.condition_dim)
        return torch.cat([frames, tiled], dim=-1)

    def _output(self, tokens: Tensor) -> Tensor:
        return tokens[..., : self.embedding_dim]
