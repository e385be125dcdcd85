"""What every multivariate statistic promises."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from .._checks import check_number
from .._typing import shapechecked
from ._null import simulated_p_value


class MultivariateStatistic(nn.Module, ABC):
    """Distance of samples from N(0, I), judged over all coordinates at once; larger is worse.

    `forward` takes samples on the second-to-last axis, judges each leading index on its own and returns
    float32 (float64 for float64). All of the family compare every sample with every other: the cost is
    sample^2 x dim, and sample^2 numbers are stored. None of them changes when the samples are rotated.

    Example:
        ```python
        import torch
        from leworld.normality import BHEP, MultivariateStatistic

        statistic = BHEP(0.5)
        samples = torch.randn(10, 64, 3, generator=torch.Generator().manual_seed(0))
        assert isinstance(statistic, MultivariateStatistic)
        assert statistic(samples).shape == (10,)
        assert abs(statistic(samples).mean().item() / statistic.null_mean(64, 3) - 1) < 0.3
        ```
    """

    def __init__(self) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, samples: Float[Tensor, "*batch sample dim"]) -> Float[Tensor, "*batch"]:
        """Return the statistic of each leading index."""

    @abstractmethod
    def null_mean(self, num_samples: int, dim: int) -> float:
        """Return the mean of the statistic over `num_samples` independent draws from N(0, I)."""

    @shapechecked
    def p_value(
        self, statistic: Float[Tensor, "*batch"], num_samples: int, *, dim: int
    ) -> Float[Tensor, "*batch"]:
        """Return how often `num_samples` draws from N(0, I) in `dim` dimensions score at least `statistic`.

        Compares with 2,000 seeded simulations, which the first call for a pair of sizes draws and judges
        (2,000 evaluations) and later calls remember; so the smallest value is 1 / 2001. Not differentiable.
        """
        owner = type(self).__name__
        check_number(owner, "num_samples", num_samples, low=2, integer=True)
        check_number(owner, "dim", dim, low=1, integer=True)
        return simulated_p_value(self, statistic, num_samples, dim)
