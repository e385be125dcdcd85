"""Latents that are several categorical variables."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import accumulation_dtype, check_number, plain_numbers
from .._typing import shapechecked


@final
@plain_numbers
class CategoricalLatents(nn.Module):
    r"""Several categorical variables as one-hot vectors: the stochastic latents of DreamerV2 and DreamerV3.

    A share `unimix` of every distribution is uniform,

    $$ p = (1 - \epsilon) \operatorname{softmax}(l) + \epsilon / K $$

    so that no class has probability 0 and no divergence is infinite. The gradient of a one-hot vector is
    that of p (straight through). Called, it returns the most likely classes.

    Shapes:
        logits (*batch, variable, class) -> (*batch, variable, class), one-hot.

    Args:
        unimix: Share of the uniform distribution.

    Raises:
        ConfigError: If the share is not in [0, 1].

    Numerics: probabilities and divergences in float32 at least.

    Randomness: `sample` draws from `generator`, or from torch's global generator.

    Source: Hafner et al., DreamerV3, 2023 (arXiv 2301.04104), in whose code the share enters the divergence
    as well. It has no parameters.

    Example:
        ```python
        import torch
        from leworld.nn import CategoricalLatents

        latents, logits = CategoricalLatents(), torch.randn(5, 4, 6, requires_grad=True)
        drawn = latents.sample(logits, generator=torch.Generator().manual_seed(0))
        assert drawn.sum(-1).eq(1).all() and drawn.requires_grad
        assert latents.divergence(logits, logits).abs().max() < 1e-6
        ```
    """

    def __init__(self, unimix: float = 0.01) -> None:
        super().__init__()
        check_number("CategoricalLatents", "unimix", unimix, low=0.0, high=1.0)
        self.unimix = unimix

    @shapechecked
    def forward(self, logits: Float[Tensor, "*batch variable kind"]) -> Float[Tensor, "*batch variable kind"]:
        """Return the most likely class of each variable."""
        return self._one_hot(logits, self.log_probabilities(logits))

    @shapechecked
    def log_probabilities(
        self, logits: Float[Tensor, "*batch variable kind"]
    ) -> Float[Tensor, "*batch variable kind"]:
        """Return the logarithm of each class's probability."""
        logits = logits.to(accumulation_dtype(logits.dtype))
        if not self.unimix:
            return logits.log_softmax(-1)
        return ((1 - self.unimix) * logits.softmax(-1) + self.unimix / logits.shape[-1]).log()

    @shapechecked
    def sample(
        self,
        logits: Float[Tensor, "*batch variable kind"],
        *,
        generator: torch.Generator | None = None,
        noise: Float[Tensor, "*batch variable kind"] | None = None,
    ) -> Float[Tensor, "*batch variable kind"]:
        """Draw a class of each variable.

        Args:
            logits: Of the distributions.
            generator: Source of randomness; torch's global one when None.
            noise: Gumbel noise itself, in place of a draw; the class of the largest sum with the logarithm of
                its probability is drawn.
        """
        logs = self.log_probabilities(logits)
        if noise is None:
            source = logs.device if generator is None else generator.device
            uniform = torch.rand(logs.shape, generator=generator, device=source, dtype=logs.dtype)
            tiny = torch.finfo(logs.dtype).tiny
            noise = -(-uniform.clamp(min=tiny).log()).clamp(min=tiny).log()
        return self._one_hot(logits, logs, logs.detach() + noise.to(logs))

    @shapechecked
    def divergence(
        self,
        one: Float[Tensor, "*batch variable kind"],
        other: Float[Tensor, "*batch variable kind"],
    ) -> Float[Tensor, "*batch"]:
        """Return the Kullback-Leibler divergence of `one` from `other`, summed over the variables.

        Args:
            one: Logits of the distributions over which the expectation is taken.
            other: Logits of those that they are compared with.
        """
        logs, others = self.log_probabilities(one), self.log_probabilities(other)
        return (logs.exp() * (logs - others)).sum((-2, -1))

    @shapechecked
    def balanced_divergence(
        self,
        posterior: Float[Tensor, "*batch variable kind"],
        prior: Float[Tensor, "*batch variable kind"],
        *,
        free_nats: float = 1.0,
    ) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
        """Return the divergence with gradient to the prior, and that to the posterior, at least `free_nats`.

        What lies below `free_nats` is given away: it has no gradient.

        Args:
            posterior: Logits after an observation.
            prior: Logits before it.
            free_nats: Least divergence of all variables together.
        """
        check_number("CategoricalLatents.balanced_divergence", "free_nats", free_nats, low=0.0)
        teaches_prior = self.divergence(posterior.detach(), prior)
        teaches_posterior = self.divergence(posterior, prior.detach())
        return teaches_prior.clamp(min=free_nats), teaches_posterior.clamp(min=free_nats)

    def extra_repr(self) -> str:
        """Say the share."""
        return f"unimix={self.unimix}"

    def _one_hot(self, logits: Tensor, logs: Tensor, scores: Tensor | None = None) -> Tensor:
        """Return the classes of the largest scores, with the gradient of the probabilities."""
        chosen = (logs if scores is None else scores).detach().argmax(-1, keepdim=True)
        every = torch.arange(logs.shape[-1], device=logs.device, dtype=torch.int64)
        shares = logs.exp()
        return ((chosen == every).to(shares) + (shares - shares.detach())).to(logits.dtype)
