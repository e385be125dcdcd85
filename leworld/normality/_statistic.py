"""What every univariate statistic promises."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from .._checks import check_number
from .._typing import shapechecked
from ._null import simulated_p_value


class UnivariateStatistic(nn.Module, ABC):
    """Distance of samples from N(0, 1), one value for each coordinate; larger is worse.

    `forward` takes samples on the second-to-last axis, judges each coordinate of the last axis and each
    leading index on its own, accumulates in float32 (float64 for float64) and returns that dtype. It needs at
    least `min_samples` samples.

    Example:
        ```python
        import torch
        from leworld.normality import EppsPulley, UnivariateStatistic

        statistic = EppsPulley()
        samples = torch.randn(512, 64, generator=torch.Generator().manual_seed(0))
        assert isinstance(statistic, UnivariateStatistic)
        assert abs(statistic(samples).mean().item() / statistic.null_mean(512) - 1) < 0.3
        ```
    """

    min_samples: int = 2

    def __init__(self) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, samples: Float[Tensor, "*batch sample dim"]) -> Float[Tensor, "*batch dim"]:
        """Return the statistic of each coordinate."""

    @abstractmethod
    def null_mean(self, num_samples: int) -> float:
        """Return the mean of the statistic over `num_samples` independent draws from N(0, 1)."""

    @shapechecked
    def p_value(self, statistic: Float[Tensor, "*values"], num_samples: int) -> Float[Tensor, "*values"]:
        """Return how often `num_samples` draws from N(0, 1) score at least `statistic`; not differentiable.

        Compares with 20,000 seeded simulations, which the first call for a number of samples draws and judges
        and later calls remember; so the smallest value is 1 / 20,001. Statistics with a known law override
        this.
        """
        check_number(type(self).__name__, "num_samples", num_samples, low=self.min_samples, integer=True)
        return simulated_p_value(self, statistic, num_samples)
