"""A policy of continuous actions."""

import math
from collections.abc import Sequence
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_choice, check_number
from .._config import configurable
from .._typing import shapechecked
from ..errors import ConfigError
from ..nn import NormedMLP
from ._policy_sample import PolicySample
from ._scalar import joined


@final
@configurable
class GaussianPolicy(nn.Module):
    r"""Draw actions in (-1, 1) from a Gaussian that tanh squashes: TD-MPC2's policy prior.

    $$ a = \tanh(\mu + \sigma \epsilon), \qquad
       \log \sigma = l + \tfrac{1}{2} (h - l) (\tanh(\rho) + 1) $$

    with mu and rho from a perceptron, epsilon standard normal, and l and h the ends of `log_std`. Called, it
    returns tanh(mu), to act without noise. Model actions are normalised blocks: a model that is trained with
    such a policy needs a processor whose action statistics put the limits at -1 and 1 (mean and deviation of
    the middle and half the width).

    Shapes:
        latents (*batch, embedding_dim) -> (*batch, action_dim).

    Args:
        embedding_dim: Size of a latent.
        action_dim: Size of an action (block).
        hidden_dims: Widths of the hidden layers.
        log_std: Lowest and highest logarithm of the standard deviation.
        entropy: Which entropy `TDMPC2` rewards: "unsquashed", as published, that of the Gaussian times the
            number of actions; or "squashed", that of the actions, which falls as means run off to where tanh
            is flat. Take it for short trainings on recorded episodes: values that are still wrong may drive
            all actions to their limits, and nothing brings them back.

    Raises:
        ConfigError: If a size is below 1, `log_std` are not two numbers that rise, or `entropy` is unknown.
        ShapeError: If latents or noise have another size.

    Numerics: the density of squashed actions has 1e-6 added to 1 - a^2, as published, so that log_prob stays
    finite at -1 and 1.

    Randomness: `sample` draws from `generator`, or from torch's global generator.

    Source: Hansen, Su and Wang, TD-MPC2, 2024 (arXiv 2310.16828), and its code; squashing as in Haarnoja et
    al., Soft actor-critic, 2018 (arXiv 1801.01290), appendix C.

    Example:
        ```python
        import torch
        from leworld.heads import GaussianPolicy

        policy = GaussianPolicy(8, 2, hidden_dims=(16,))
        drawn = policy.sample(torch.randn(5, 8), generator=torch.Generator().manual_seed(0))
        assert drawn.actions.abs().max() < 1 and policy(torch.randn(5, 8)).shape == (5, 2)
        ```
    """

    def __init__(
        self,
        embedding_dim: int,
        action_dim: int,
        *,
        hidden_dims: Sequence[int] = (512, 512),
        log_std: Sequence[float] = (-10.0, 2.0),
        entropy: Literal["unsquashed", "squashed"] = "unsquashed",
    ) -> None:
        super().__init__()
        check_number("GaussianPolicy", "embedding_dim", embedding_dim, low=1, integer=True)
        check_number("GaussianPolicy", "action_dim", action_dim, low=1, integer=True)
        for end in log_std:
            check_number("GaussianPolicy", "log_std", end)
        if len(log_std) != 2 or log_std[0] >= log_std[1]:
            raise ConfigError(
                "GaussianPolicy needs `log_std` to be a low and a higher number",
                f"it is {tuple(log_std)}",
                "Pass for example (-10.0, 2.0)",
            )
        check_choice("GaussianPolicy", "entropy", entropy, ("unsquashed", "squashed"))
        self.entropy = entropy
        self.embedding_dim = embedding_dim
        self.action_dim = action_dim
        self.log_std = tuple(log_std)
        self.network = NormedMLP(embedding_dim, 2 * action_dim, hidden_dims=hidden_dims)

    def forward(self, latents: Tensor) -> Float[Tensor, "*batch action"]:
        """Return the squashed means."""
        return self.moments(latents)[0].tanh()

    @shapechecked
    def moments(
        self, latents: Float[Tensor, "*batch dim"]
    ) -> tuple[Float[Tensor, "*batch action"], Float[Tensor, "*batch action"]]:
        """Return means before the squashing, and logarithms of the standard deviations."""
        made = self.network(joined("GaussianPolicy", latents, None, self.embedding_dim, None))
        mean, raw = made.chunk(2, dim=-1)
        low, high = self.log_std
        return mean, low + 0.5 * (high - low) * (raw.tanh() + 1)

    @shapechecked
    def sample(
        self,
        latents: Float[Tensor, "*batch dim"],
        *,
        generator: torch.Generator | None = None,
        noise: Float[Tensor, "*batch action"] | None = None,
    ) -> PolicySample:
        """Draw an action for each latent.

        Args:
            latents: Where to act.
            generator: Source of the noise; torch's global one when None.
            noise: The noise itself, in place of a draw.
        """
        mean, log_std = self.moments(latents)
        if noise is None:
            source = mean.device if generator is None else generator.device
            noise = torch.randn(mean.shape, generator=generator, device=source, dtype=mean.dtype)
        noise = noise.to(mean)
        actions = (mean + noise * log_std.exp()).tanh()
        plain, log_prob = _densities(noise, log_std, actions)
        if self.entropy == "squashed":
            return PolicySample(actions, log_prob, -log_prob, -log_prob)
        # as published: the scale's factor log_prob / (log_prob + 1e-8) is all that is left of the squashing
        scaled = -log_prob * (self.action_dim * plain / (log_prob + 1e-8))
        return PolicySample(actions, log_prob, -log_prob, scaled)

    @shapechecked
    def log_prob(
        self, latents: Float[Tensor, "*batch dim"], actions: Float[Tensor, "*batch action"]
    ) -> Float[Tensor, "*batch"]:
        """Return the logarithm of the density of actions that are given, with gradient to the policy alone.

        Its mean gradient over actions that the policy drew is 0, unlike that of `sample(...).log_prob`, whose
        actions move along with the policy.

        Args:
            latents: Where they were taken.
            actions: In [-1, 1]; those nearer to an end than 1e-6 count as that near.
        """
        mean, log_std = self.moments(latents)
        taken = actions.detach().to(mean).clamp(-1 + 1e-6, 1 - 1e-6)
        return _densities((taken.atanh() - mean) / log_std.exp(), log_std, taken)[1]


def _densities(noise: Tensor, log_std: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logarithms of the density before and after the squashing."""
    plain = (-0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)
    return plain, plain - (F.relu(1 - actions.square()) + 1e-6).log().sum(-1)
