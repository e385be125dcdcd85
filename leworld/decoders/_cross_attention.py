"""The paper's visualiser: patches ask one embedding what they look like."""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_equal_size, check_number
from .._config import configurable
from .._transforms import fused_attention
from .._typing import shapechecked
from ..errors import ConfigError
from ..nn import MLP


@final
@configurable
class CrossAttentionDecoder(nn.Module):
    r"""Decode an embedding into a picture: one learned query token a patch, cross-attention, an MLP, patches.

    Train it on the embeddings of a frozen model to see what they hold. With keys and values m, a linear map
    of the embedding z, the query tokens x (learned, one a patch) pass through `depth` layers

        x = x + CrossAttention(LayerNorm(x), m)
        x = x + MLP(LayerNorm(x))

    and a LayerNorm and a linear layer turn each into the pixels of its patch, which are added to a learned
    background picture. Costs O(patches * depth * hidden_dim * mlp_dim) a picture.

    Shapes:
        embeddings (batch, embedding_dim) -> pictures (batch, channels, image_size, image_size), 0 black and 1
        white, not clamped.

    Args:
        embedding_dim: Size of an embedding.
        image_size: Side of the pictures.
        patch_size: Side of a patch; must divide image_size.
        hidden_dim: Width of the tokens.
        depth: Number of layers.
        num_heads: Heads of the attention; must divide hidden_dim.
        mlp_dim: Hidden width of the MLPs; twice hidden_dim when None.
        num_keys: Tokens that the embedding is spread over. With one, the published form, attention has
            nothing to choose from: its weights are 1 whatever the query, so the layers hold no weights for
            queries and keys, which would never learn, and every patch receives the same value. With more,
            each patch attends to its own mixture.

    Raises:
        ConfigError: Sizes that do not divide each other, or an option out of range.
        ShapeError: Embeddings of another size, rank or dtype.

    Numerics: no BatchNorm and no dropout, so training and evaluation compute the same. At the start the
    picture is almost the background, 0.5 everywhere, and query tokens are sines and cosines of their patch's
    place, so that neighbouring patches begin alike and what one learns serves the others: from random tokens,
    patches in which something is seen rarely can stay blank.

    Source: Maes et al., LeWorldModel, 2026 (arXiv 2603.19312), appendix D: 196 query tokens for 224-pixel
    pictures in patches of 16, keys and values from one 192-dimensional token. Depth, widths and loss are not
    given there; ours are chosen by trying. Different: the background picture, which spares the layers the
    walls and floors that never change; and it decodes whatever embedding it is given. Give it what the
    model's `encode` returns, behind the projector, because only that is what the model predicts.

    Example:
        ```python
        import torch
        from leworld.decoders import CrossAttentionDecoder

        decoder = CrossAttentionDecoder(32, image_size=64, patch_size=8, hidden_dim=64, depth=2)
        assert decoder(torch.randn(5, 32)).shape == (5, 3, 64, 64)
        ```
    """

    def __init__(
        self,
        embedding_dim: int,
        image_size: int = 224,
        *,
        patch_size: int = 16,
        hidden_dim: int = 256,
        depth: int = 4,
        num_heads: int = 4,
        mlp_dim: int | None = None,
        num_keys: int = 1,
        channels: int = 3,
    ) -> None:
        super().__init__()
        mlp_dim = 2 * hidden_dim if mlp_dim is None else mlp_dim
        for name, value in (
            ("embedding_dim", embedding_dim),
            ("image_size", image_size),
            ("patch_size", patch_size),
            ("hidden_dim", hidden_dim),
            ("depth", depth),
            ("num_heads", num_heads),
            ("mlp_dim", mlp_dim),
            ("num_keys", num_keys),
            ("channels", channels),
        ):
            check_number("CrossAttentionDecoder", name, value, low=1, integer=True)
        _check_divides("patch_size", patch_size, "image_size", image_size)
        _check_divides("num_heads", num_heads, "hidden_dim", hidden_dim)
        self.grid = image_size // patch_size
        self.patch_size = patch_size
        self.embedding_dim = embedding_dim
        self.image_size = image_size
        self.channels = channels
        self.num_keys = num_keys
        self.memory = nn.Linear(embedding_dim, num_keys * hidden_dim)
        self.queries = nn.Parameter(torch.empty(1, self.grid**2, hidden_dim))
        self.layers = nn.ModuleList(
            _Layer(hidden_dim, num_heads, mlp_dim=mlp_dim, num_keys=num_keys) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(hidden_dim)
        self.output = nn.Linear(hidden_dim, channels * patch_size**2, bias=False)
        self.background = nn.Parameter(torch.empty(channels, image_size, image_size))
        self.queries.data.copy_(_waves(self.grid, hidden_dim, self.queries.device))
        nn.init.normal_(self.output.weight, std=0.02 * hidden_dim**-0.5)
        nn.init.constant_(self.background, 0.5)

    @shapechecked
    def forward(self, embeddings: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch channel height width"]:
        """Decode the embeddings, which are converted to the dtype of the weights."""
        check_equal_size(
            "CrossAttentionDecoder",
            "the last axis of `embeddings`",
            embeddings.shape[-1],
            self.embedding_dim,
            expected_by="its `embedding_dim`",
            fix="Decode embeddings of the model that it was trained on, or build it for that size",
        )
        memory = self.memory(embeddings.to(self.memory.weight.dtype)).unflatten(-1, (self.num_keys, -1))
        tokens = self.queries
        for layer in self.layers:
            tokens = layer(tokens, memory)
        patches = self.output(self.norm(tokens))
        cells = patches.transpose(1, 2).unflatten(2, (self.grid, self.grid))
        return F.pixel_shuffle(cells, self.patch_size) + self.background


class _Layer(nn.Module):
    """Cross-attention and an MLP, each behind a LayerNorm and added to the tokens."""

    def __init__(self, dim: int, num_heads: int, *, mlp_dim: int, num_keys: int) -> None:
        super().__init__()
        if num_keys > 1:
            self.query_norm = nn.LayerNorm(dim)
            self.query = nn.Linear(dim, dim)
            self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, dim)
        self.mlp_norm = nn.LayerNorm(dim)
        self.mlp = MLP(dim, mlp_dim)
        self.num_heads = num_heads
        self.num_keys = num_keys

    def forward(self, tokens: Tensor, memory: Tensor) -> Tensor:
        """Update tokens (batch or 1, patch, dim) with keys and values made of memory (batch, key, dim)."""
        tokens = tokens + self.output(self._attend(tokens, memory))
        return tokens + self.mlp(self.mlp_norm(tokens))

    def _attend(self, tokens: Tensor, memory: Tensor) -> Tensor:
        value = self.value(memory)
        if self.num_keys == 1:
            return value  # softmax over one key is 1
        query = self.query(self.query_norm(tokens)).expand(memory.shape[0], -1, -1)
        heads = (
            part.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for part in (query, self.key(memory), value)
        )
        return fused_attention(*heads).transpose(1, 2).flatten(2)


def _waves(grid: int, dim: int, device: torch.device) -> Tensor:
    """Return tokens (1, grid * grid, dim): waves along rows and columns, 2 to 2 * grid patches long."""
    count = -(-dim // 4)
    steps, places = (torch.arange(size, dtype=torch.float32, device=device) for size in (count, grid))
    rates = math.pi / grid * grid ** (steps / count)
    angles = (places + 0.5)[:, None] * rates
    waves = 2**0.5 * torch.cat([angles.sin(), angles.cos()], dim=1)
    rows, columns = waves[:, None].expand(-1, grid, -1), waves[None].expand(grid, -1, -1)
    # Interleaved, so that a width that is no multiple of 4 loses the last waves and not all of the columns.
    return torch.stack([rows, columns], dim=-1).reshape(1, grid * grid, 4 * count)[..., :dim]


def _check_divides(divisor_name: str, divisor: int, name: str, number: int) -> None:
    if number % divisor:
        raise ConfigError(
            f"CrossAttentionDecoder needs `{divisor_name}` to divide `{name}`",
            f"`{divisor_name}={divisor}` and `{name}={number}`",
            f"Change one of them, for example `{name}={divisor * max(1, round(number / divisor))}`",
        )
