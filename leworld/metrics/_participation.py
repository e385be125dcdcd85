"""Participation ratio: how many directions carry the variance of a set of embeddings."""

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_finite, check_size, measured
from .._precision import back, double
from .._typing import shapechecked


@shapechecked
def participation_ratio(embeddings: Float[Tensor, "*batch sample dim"]) -> Float[Tensor, "*batch"]:
    r"""Compute the squared sum over the sum of squares of the covariance's eigenvalues.

    Like `effective_rank` it counts the directions in use, but from variances instead of singular values and
    around the mean, so it weighs large directions more and ignores an offset. Costs two traces, O(sample *
    dim * min(sample, dim)), and no decomposition.

    $$ \mathrm{PR}(Z) = \frac{(\sum_k \lambda_k)^2}{\sum_k \lambda_k^2}
       = \frac{(\operatorname{tr} C)^2}{\operatorname{tr} C^2} $$

    with $\lambda_k$ the eigenvalues of the covariance C of the samples. The value lies between 1 (all on a
    line) and min(sample - 1, dim) (equal variance in every direction).

    Shapes:
        Leading axes are judged each on its own; samples on the second-to-last axis, components on the last.

    Args:
        embeddings: At least 2 samples.

    Returns:
        One float64 value for each leading index; 0 for constant embeddings, which use no direction.

    Raises:
        ShapeError: Fewer than 2 samples, no components, or not floating-point.
        NonFiniteError: NaN or infinite entries.

    Numerics:
        float64, no gradients. Spread below 16 machine epsilons of the input's dtype times the largest entry
        is rounding and counts as none.

    Source:
        Gao et al., A theory of multineuronal dimensionality, dynamics and measurement, 2017, bioRxiv 214262.

    Example:
        ```python
        import torch
        from leworld.metrics import participation_ratio

        cross = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        assert abs(float(participation_ratio(cross)) - 2.0) < 1e-12
        ```
    """
    fix = "Pass the embeddings of several observations, one a row"
    check_size("participation_ratio", "embeddings", embeddings, -2, "sample", low=2, fix=fix)
    check_size("participation_ratio", "embeddings", embeddings, -1, "dim", low=1, fix=fix)
    check_finite("participation_ratio", "embeddings", embeddings)
    matrix = double(measured("participation_ratio", "embeddings", embeddings))
    centred = matrix - matrix.mean(dim=-2, keepdim=True)
    size, spread = (values.abs().amax(dim=(-2, -1)) for values in (matrix, centred))
    used = spread > 16 * torch.finfo(embeddings.dtype).eps * size
    centred = centred / spread.where(used, 1.0)[..., None, None]
    if centred.shape[-2] < centred.shape[-1]:
        centred = centred.mT
    gram = centred.mT @ centred
    trace = gram.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    squares = gram.square().sum(dim=(-2, -1))
    ratio = (trace.square() / squares.where(used, 1.0)).where(used, 0.0)
    return back(ratio, embeddings.device)
