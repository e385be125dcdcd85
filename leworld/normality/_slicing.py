"""From one coordinate to many: a univariate statistic, averaged over directions."""

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import accumulation_dtype, check_one_device, check_samples, check_size
from .._phases import reaches
from .._products import product
from .._transforms import looks
from .._typing import shapechecked
from ._statistic import UnivariateStatistic

_FAR = 1000.0


@shapechecked
def sliced_statistic(
    statistic: UnivariateStatistic,
    samples: Float[Tensor, "*batch sample dim"],
    *,
    directions: Float[Tensor, "dim slice"],
) -> Float[Tensor, "*batch"]:
    """Average a univariate statistic over the projections of the samples on given directions.

    By the Cramer-Wold theorem a distribution is standard normal exactly when all its projections on unit
    directions are; the mean over directions is the smooth stand-in for the worst direction. Costs one matrix
    product and the statistic of sample x slice numbers.

    Shapes: samples (*batch, sample, dim), directions (dim, slice) -> (*batch).

    Args:
        statistic: What judges each projection.
        samples: Points to compare with the standard normal distribution.
        directions: One unit vector a column.

    Raises:
        ShapeError: For fewer than 2 samples, an empty axis, or directions of another dimension or device.

    Numerics: projects in float32 (float64 for float64) whatever autocast says; on a CPU in float64 where a
    projection exceeds 1000, and the statistic then judges float64.

    Source: R. Balestriero and Y. LeCun, "LeJEPA", arXiv 2511.08544, definition 2.

    Example:
        ```python
        import torch
        from leworld.normality import EppsPulley, sliced_statistic

        samples = torch.randn(128, 3, generator=torch.Generator().manual_seed(0))
        along_axes = sliced_statistic(EppsPulley(), samples, directions=torch.eye(3))
        assert torch.allclose(along_axes, EppsPulley()(samples).mean())
        ```
    """
    check_samples("sliced_statistic", "samples", samples)
    fix = "Draw at least one direction"
    check_size("sliced_statistic", "directions", directions, -1, "slice", low=1, fix=fix)
    check_one_device("sliced_statistic", samples=samples, directions=directions)
    dtype = accumulation_dtype(samples.dtype)
    with torch.autocast(samples.device.type, enabled=False):
        projections = product(samples.to(dtype), directions.to(dtype))
        if looks(projections) and reaches(projections, _FAR):
            projections = samples.double() @ directions.double()
        return statistic(projections).mean(-1).to(dtype)
