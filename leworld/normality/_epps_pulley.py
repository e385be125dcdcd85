"""The Epps-Pulley statistic: squared distance between characteristic functions."""

import math
from typing import final

from jaxtyping import Float
from torch import Tensor

from .._checks import accumulation_dtype, check_number, check_samples, plain_numbers
from .._config import configurable
from .._phases import without_turns
from .._typing import shapechecked
from ._constants import constants
from ._statistic import UnivariateStatistic


@final
@configurable
class EppsPulley(UnivariateStatistic):
    """Weighted squared distance between the samples' characteristic function and the Gaussian's, times N.

    Smooth in every sample, with bounded gradient and curvature, and linear in samples: the default choice for
    training. Costs samples x dim x knots sines and cosines and stores as many for the backward pass; for
    projections on many directions `leworld.regularizers.SIGReg` takes a path that stores none of them.

    With samples x_1..x_N, phi(t) = exp(-t^2 / 2), knots t_j = j t_max / (J - 1) for j = 0..J-1, and weights
    q_j of the trapezoid rule on [0, t_max], doubled because the integrand is even (t_max / (J - 1) at both
    ends, twice that between):

        T = N sum_j q_j phi(t_j) [ (mean_n cos(t_j x_n) - phi(t_j))^2 + (mean_n sin(t_j x_n))^2 ]

    Shapes: samples (*batch, sample, dim) -> (*batch, dim).

    Args:
        num_knots: Quadrature points on [0, t_max], both ends included; from 2 to 65,536. The published choice
            is 17.
        t_max: Largest frequency, above 0. The published choice is 3.

    Raises:
        ShapeError: For fewer than 2 samples, no coordinates or an input that is not floating-point.
        ConfigError: For an option out of range.

    Numerics: float16 and bfloat16 are judged in float32; float64 stays float64. Whole turns of the angles are
    taken off in float64 first, so that samples up to 1e8 keep their phase (not on MPS). The factor N keeps
    the mean under the null the same for every N (1.0525 at the default knots) while any fixed misfit grows in
    proportion to N. When all samples coincide at 0 the value is 0.402 N and the gradient is exactly zero,
    because both factors of every gradient term, sin(0) and the mean sine, vanish there.

    Source: T. W. Epps and L. B. Pulley, "A test for normality based on the empirical characteristic
    function", Biometrika 70 (1983), with a fixed null in place of estimated mean and variance; quadrature and
    factor N as published with R. Balestriero and Y. LeCun, "LeJEPA", arXiv 2511.08544 (the text integrates
    over [-5, 5], the released code over [0, 3]; this follows the code).

    Example:
        ```python
        import torch
        from leworld.normality import EppsPulley

        samples = torch.randn(256, 8, generator=torch.Generator().manual_seed(0))
        statistic = EppsPulley()
        assert statistic(samples).shape == (8,)
        assert (statistic(3 * samples) > 10 * statistic.null_mean(256)).all()
        ```
    """

    def __init__(self, num_knots: int = 17, t_max: float = 3.0) -> None:
        super().__init__()
        check_number("EppsPulley", "num_knots", num_knots, low=2, high=65_536, integer=True)
        check_number("EppsPulley", "t_max", t_max, low=0, open_low=True)
        self.num_knots = int(num_knots)
        self.t_max = float(t_max)
        self._knots = tuple(j * self.spacing for j in range(self.num_knots))
        self._targets = tuple(math.exp(-t * t / 2) for t in self._knots)
        pairs = enumerate(self._targets)
        ends = (0, self.num_knots - 1)
        self._weights = tuple((1 if j in ends else 2) * self.spacing * target for j, target in pairs)

    @property
    def spacing(self) -> float:
        """Distance between neighbouring knots."""
        return self.t_max / (self.num_knots - 1)

    @property
    def knots(self) -> tuple[float, ...]:
        """Frequencies t_j, from 0 to t_max."""
        return self._knots

    @property
    def targets(self) -> tuple[float, ...]:
        """The Gaussian's characteristic function phi(t_j)."""
        return self._targets

    @property
    def weights(self) -> tuple[float, ...]:
        """Quadrature weights with the Gaussian window in them, q_j phi(t_j)."""
        return self._weights

    @plain_numbers
    def null_mean(self, num_samples: int) -> float:
        """Return sum_j q_j phi(t_j) (1 - phi(t_j)^2), which holds for every number of samples."""
        del num_samples
        return sum(w * (1 - target**2) for w, target in zip(self.weights, self.targets, strict=True))

    @shapechecked
    def forward(self, samples: Float[Tensor, "*batch sample dim"]) -> Float[Tensor, "*batch dim"]:
        """Return the statistic of each coordinate."""
        check_samples("EppsPulley", "samples", samples)
        x = without_turns(samples, self.spacing).to(accumulation_dtype(samples.dtype))
        angles = x.unsqueeze(-1) * constants(self.knots, x)
        cosine_error = angles.cos().mean(-3) - constants(self.targets, x)
        sine_error = angles.sin().mean(-3)
        distance = cosine_error.square() + sine_error.square()
        return samples.shape[-2] * (distance * constants(self.weights, x)).sum(-1)

    @plain_numbers
    def from_sums(
        self, sums: Float[Tensor, "*batch 2 knot slice"], num_samples: int | Tensor
    ) -> Float[Tensor, "*batch slice"]:
        """Return the statistic from sums over samples, as `leworld.kernels.ecf_sums` returns them.

        The knot at 0, where both characteristic functions are 1, is left out of the sums and adds nothing.
        """
        means = sums / num_samples
        cosine_error = means[..., 0, :, :] - constants(self.targets[1:], sums).unsqueeze(-1)
        distance = cosine_error.square() + means[..., 1, :, :].square()
        return num_samples * (constants(self.weights[1:], sums).unsqueeze(-1) * distance).sum(-2)

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"num_knots={self.num_knots}, t_max={self.t_max}"
