"""Whether an embedding is an isotropic Gaussian, judged on orthogonal slices with p-values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_finite, check_number, check_size, check_unmapped, measured
from .._precision import back, double, has_float64
from .._typing import shapechecked
from ..errors import ConfigError


@runtime_checkable
class SliceStatistic(Protocol):
    """A statistic of samples on the second-to-last axis with a known null, like those of `normality`."""

    def __call__(self, samples: Tensor, /) -> Tensor:
        """Return one value for each slice of "sample slice"."""
        ...

    @property
    def p_value(self) -> Callable[[Tensor, int], Tensor]:
        """Return how often N(0, 1) gives such a value, of values and the number of samples."""
        ...


@final
@dataclass(frozen=True)
class NormalityTest:
    """How an embedding's slices compare with N(0, 1).

    Attributes:
        statistic: The statistic of every slice.
        slice_p_values: Its p-value.
        p_value: Fisher's combination of all of them: the probability that an isotropic Gaussian looks at
            least this far off, given independent samples.
        rejected: Share of slices with a p-value of at most 0.05; about 0.05 for a Gaussian.
        projections: The samples on each slice, for a histogram.

    Example:
        ```python
        import torch
        from leworld.metrics import NormalityTest

        result = NormalityTest(
            statistic=torch.tensor([0.4]),
            slice_p_values=torch.tensor([0.8]),
            p_value=0.8,
            rejected=0.0,
            projections=torch.zeros(5, 1),
        )
        assert "p = 0.8" in str(result)
        ```
    """

    statistic: Float[Tensor, " slice"]
    slice_p_values: Float[Tensor, " slice"]
    p_value: float
    rejected: float
    projections: Float[Tensor, "sample slice"]

    def __str__(self) -> str:
        samples, slices = self.projections.shape
        return (
            f"{slices} slices of {samples} samples: p = {self.p_value:.3g}, "
            f"{self.rejected:.0%} of slices rejected at 5 %"
        )


@shapechecked
def sliced_normality(
    embeddings: Float[Tensor, "sample dim"],
    statistic: SliceStatistic,
    *,
    num_slices: int | None = None,
    generator: torch.Generator | None = None,
) -> NormalityTest:
    """Test whether embeddings come from N(0, I), on randomly turned orthogonal slices.

    SIGReg asks for this distribution; a loss value does not tell whether what remains is noise. Slices are
    orthonormal, because projections of an isotropic Gaussian on orthogonal directions are independent, so
    that their p-values combine exactly (Fisher: -2 sum log p is chi-squared with two degrees of freedom a
    slice). Costs one QR decomposition and one statistic.

    Samples must be independent: pass one frame an episode, or frames far apart. Neighbouring frames are near
    copies and make any test reject.

    Args:
        embeddings: At least 8 samples.
        statistic: Any univariate statistic with `p_value`, such as `leworld.normality.AndersonDarling()`.
        num_slices: Number of directions, at most dim; None for as many as dim.
        generator: Source of the directions. None: a new one with seed 0.

    Raises:
        ShapeError: Fewer than 8 samples, no components, or not floating-point.
        ConfigError: More slices than dimensions.
        NonFiniteError: NaN or infinite entries.

    Numerics:
        float64, no gradients. P-values below 1e-12 are raised to it before they are combined; a statistic
        whose p-values come from simulations cannot tell so small ones anyway.

    Randomness:
        From `generator` only. Under the null the directions do not matter.

    Source:
        Slicing as in Balestriero and LeCun, LeJEPA, 2025, arXiv 2511.08544; the combination is R. A. Fisher,
        Statistical Methods for Research Workers, 1932.

    Example:
        ```python
        import torch
        from leworld.metrics import sliced_normality
        from leworld.normality import AndersonDarling

        samples = torch.randn(500, 8, generator=torch.Generator().manual_seed(0))
        assert sliced_normality(samples, AndersonDarling()).p_value > 0.01
        assert sliced_normality(2 * samples, AndersonDarling()).p_value < 1e-9
        ```
    """
    fix = "Pass the embeddings of independent observations, one a row"
    check_unmapped("sliced_normality", embeddings=embeddings)
    check_size("sliced_normality", "embeddings", embeddings, 0, "sample", low=8, fix=fix)
    check_size("sliced_normality", "embeddings", embeddings, 1, "dim", low=1, fix=fix)
    check_finite("sliced_normality", "embeddings", embeddings)
    count, dim = embeddings.shape
    if num_slices is not None:
        fix = "Orthogonal slices are at most as many as dimensions; pass None for all"
        check_number("sliced_normality", "num_slices", num_slices, low=1, high=dim, integer=True, fix=fix)
    if isinstance(statistic, type):
        raise ConfigError(
            "sliced_normality needs an instance of a statistic",
            f"`statistic` is the class {statistic.__name__}",
            "Pass for example `leworld.normality.AndersonDarling()`",
        )
    source = torch.Generator("cpu").manual_seed(0) if generator is None else generator
    dtype = torch.float64 if has_float64(source.device) else torch.float32
    drawn = double(torch.randn(dim, dim, generator=source, device=source.device, dtype=dtype))
    turn, upper = torch.linalg.qr(drawn)
    turn = (turn * upper.diagonal().sign())[:, :num_slices]
    samples = double(measured("sliced_normality", "embeddings", embeddings))
    projections = samples @ turn.to(samples.device)
    values = statistic(projections).detach().double()
    p_values = statistic.p_value(values, count).double()
    fisher = -p_values.clamp(min=1e-12).log().sum()
    combined = torch.special.gammaincc(torch.full_like(fisher, len(p_values)), fisher)
    return NormalityTest(
        statistic=back(values, embeddings.device),
        slice_p_values=back(p_values, embeddings.device),
        p_value=float(combined),
        rejected=float((p_values <= 0.05).double().mean()),
        projections=back(projections, embeddings.device),
    )
