"""A policy of discrete actions."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_number
from .._config import configurable
from .._typing import shapechecked
from ..nn import NormedMLP
from ._policy_sample import PolicySample
from ._scalar import joined


@final
@configurable
class CategoricalPolicy(nn.Module):
    """Draw one of several choices, as a one-hot vector: what models of discrete actions take.

    A share `unimix` of the probability is spread evenly, so that none is ever 0. The gradient of what is
    drawn is that of the probabilities (straight through). Called, it returns the most likely choice.

    Shapes:
        latents (*batch, embedding_dim) -> (*batch, action_dim), one-hot.

    Args:
        embedding_dim: Size of a latent.
        action_dim: Number of choices, at least 2.
        hidden_dims: Widths of the hidden layers.
        unimix: Share of the uniform distribution.

    Raises:
        ConfigError: If a size is below 1 or the share not in [0, 1].
        ShapeError: If the latents have another size.

    Randomness: `sample` draws from `generator`, or from torch's global generator.

    Source: Hafner et al., DreamerV3, 2023 (arXiv 2301.04104).

    Example:
        ```python
        import torch
        from leworld.heads import CategoricalPolicy

        drawn = CategoricalPolicy(8, 3, hidden_dims=(16,)).sample(torch.randn(5, 8))
        assert drawn.actions.sum(-1).allclose(torch.ones(5))
        ```
    """

    def __init__(
        self,
        embedding_dim: int,
        action_dim: int,
        *,
        hidden_dims: Sequence[int] = (512, 512),
        unimix: float = 0.01,
    ) -> None:
        super().__init__()
        check_number("CategoricalPolicy", "embedding_dim", embedding_dim, low=1, integer=True)
        check_number("CategoricalPolicy", "action_dim", action_dim, low=2, integer=True)
        check_number("CategoricalPolicy", "unimix", unimix, low=0.0, high=1.0)
        self.embedding_dim = embedding_dim
        self.action_dim = action_dim
        self.unimix = unimix
        self.network = NormedMLP(embedding_dim, action_dim, hidden_dims=hidden_dims)

    def forward(self, latents: Tensor) -> Float[Tensor, "*batch action"]:
        """Return the most likely choices."""
        shares = self.probabilities(latents)
        chosen = F.one_hot(shares.argmax(-1), self.action_dim).to(latents.dtype)
        return torch.where(shares.isnan(), torch.nan, chosen)

    @shapechecked
    def probabilities(self, latents: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch action"]:
        """Return the probability of each choice."""
        logits = self.network(joined("CategoricalPolicy", latents, None, self.embedding_dim, None))
        return (1 - self.unimix) * logits.softmax(-1) + self.unimix / self.action_dim

    @shapechecked
    def sample(
        self, latents: Float[Tensor, "*batch dim"], *, generator: torch.Generator | None = None
    ) -> PolicySample:
        """Draw a choice for each latent.

        Args:
            latents: Where to act.
            generator: Source of randomness; torch's global one when None.
        """
        shares = self.probabilities(latents)
        source = shares.device if generator is None else generator.device
        noise = torch.rand(shares.shape, generator=generator, device=source, dtype=shares.dtype).to(shares)
        race = shares.detach().log() - (-(noise.clamp(min=1e-12)).log()).log()
        chosen = F.one_hot(race.argmax(-1), self.action_dim).to(shares.dtype)
        logs = shares.clamp(min=torch.finfo(shares.dtype).tiny).log()
        entropy = -(shares * logs).sum(-1)
        return PolicySample(chosen + shares - shares.detach(), (chosen * logs).sum(-1), entropy, entropy)

    @shapechecked
    def log_prob(
        self, latents: Float[Tensor, "*batch dim"], actions: Float[Tensor, "*batch action"]
    ) -> Float[Tensor, "*batch"]:
        """Return the logarithm of the probability of given choices, with gradient to the policy alone.

        Args:
            latents: Where they were made.
            actions: One-hot choices.
        """
        shares = self.probabilities(latents)
        return (actions.detach() * shares.clamp(min=torch.finfo(shares.dtype).tiny).log()).sum(-1)
