"""A probe that reads a set of tokens through one learned query."""

from typing import ClassVar, final

import torch
from torch import Tensor, nn

from .._checks import check_number
from .._config import configurable
from .._tensors import home
from ..errors import ConfigError
from ._training import GradientProbe, linear


@final
@configurable
class AttentiveProbe(GradientProbe):
    r"""Predict targets from tokens by one layer of cross-attention and a linear map.

    Use it for encoders that return patch tokens: averaging tokens loses where things are, and concatenating
    them gives more weights than samples. Costs `max_epochs` passes at most.

    With tokens $x_k$ (standardised per component), for each head h:

    $$ \hat y = W \operatorname{concat}_h \sum_k \operatorname{softmax}_k(q_h \cdot K_h x_k / \sqrt d) V_h x_k
       + b $$

    Only the tokens themselves tell heads where to look, so positions must be in them, as transformers put
    them.

    Shapes:
        One sample a row: embeddings (sample, token, dim), targets (sample, target). The number of tokens may
        differ from call to call.

    Args:
        embedding_dim: Components of a token.
        target_dim: Components of a target.
        num_heads: Heads; must divide `hidden_dim`.
        hidden_dim: Components of all heads together.
        learning_rate: First learning rate, above 0.
        weight_decay: AdamW's decay of the weights, at least 0; biases do not decay.
        batch_size: Samples a step.
        max_epochs: Most passes over the training samples.
        patience: Passes without progress of the validation error (by 0.01 %) after which training stops.

    Raises:
        ConfigError: An option out of range, no validation samples, or constant targets.
        ShapeError: Tensors that disagree with the dimensions.
        NonFiniteError: NaN or infinite samples.

    Numerics:
        Trains in float32, standardises and returns float64.

    Randomness:
        As `MLPProbe`: from the `generator` given to `fit` only.

    Source:
        The attentive probe of Bardes et al., V-JEPA, 2024, arXiv 2404.08471. Differences: no MLP after the
        attention, and one query for all target dimensions.

    Example:
        ```python
        import torch
        from leworld.probes import AttentiveProbe

        source = torch.Generator().manual_seed(0)
        tokens = torch.randn(400, 5, 3, generator=source)
        target = tokens[:, :, :1].mean(dim=1)
        probe = AttentiveProbe(3, 1, hidden_dim=16, batch_size=64, max_epochs=40).fit(
            tokens[:300],
            target[:300],
            validation_embeddings=tokens[300:350],
            validation_targets=target[300:350],
        )
        assert probe.score(tokens[350:], target[350:]).mean_r2 > 0.9
        ```
    """

    _axes: ClassVar[tuple[str, ...]] = ("token", "dim")

    def __init__(
        self,
        embedding_dim: int,
        target_dim: int,
        *,
        num_heads: int = 4,
        hidden_dim: int = 128,
        learning_rate: float = 3e-3,
        weight_decay: float = 1e-4,
        batch_size: int = 256,
        max_epochs: int = 100,
        patience: int = 20,
    ) -> None:
        super().__init__(
            embedding_dim,
            target_dim,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            batch_size=batch_size,
            max_epochs=max_epochs,
            patience=patience,
        )
        check_number("AttentiveProbe", "hidden_dim", hidden_dim, low=1, integer=True)
        check_number("AttentiveProbe", "num_heads", num_heads, low=1, integer=True)
        if hidden_dim % num_heads:
            raise ConfigError(
                "AttentiveProbe needs `hidden_dim` to be a multiple of `num_heads`",
                f"`hidden_dim={hidden_dim}` and `num_heads={num_heads}`",
                "Choose for example 128 and 4",
            )
        self.network = _Reader(embedding_dim, target_dim, num_heads, hidden_dim)


class _Reader(nn.Module):
    def __init__(self, embedding_dim: int, target_dim: int, num_heads: int, hidden_dim: int) -> None:
        super().__init__()
        self.query = nn.Parameter(
            torch.zeros(num_heads, hidden_dim // num_heads, dtype=torch.float32, device=home())
        )
        self.keys = linear(embedding_dim, hidden_dim)
        self.values = linear(embedding_dim, hidden_dim)
        self.head = linear(hidden_dim, target_dim)

    def forward(self, tokens: Tensor) -> Tensor:
        heads, size = self.query.shape
        keys, values = (f(tokens).unflatten(-1, (heads, size)) for f in (self.keys, self.values))
        share = ((keys * self.query).sum(dim=-1) / size**0.5).softmax(dim=-2)
        return self.head((share[..., None] * values).sum(dim=-3).flatten(-2))
