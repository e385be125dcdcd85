"""RankMe: how many directions a set of embeddings uses."""

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_finite, check_size, measured
from .._precision import back, double
from .._typing import shapechecked


@shapechecked
def effective_rank(
    embeddings: Float[Tensor, "*batch sample dim"], *, center: bool = False
) -> Float[Tensor, "*batch"]:
    r"""Compute the exponential of the entropy of the normalised singular values of the embeddings.

    Use it beside the standard deviation to see an embedding collapse into few directions, which a loss curve
    and even a probe notice late. Costs one singular value decomposition, O(sample * dim * min(sample, dim)).

    $$ \mathrm{rank}(Z) = \exp\Big(-\sum_k p_k \log p_k\Big), \qquad
       p_k = \frac{\sigma_k(Z)}{\sum_j \sigma_j(Z)} $$

    with $\sigma_k$ the singular values of the matrix whose rows are the samples. The value lies between 1
    (all samples on one line through the origin) and min(sample, dim) (all singular values equal). It cannot
    exceed the number of samples, so compare values of equal sample counts only.

    Shapes:
        Leading axes are judged each on its own; samples on the second-to-last axis, components on the last.

    Args:
        embeddings: At least 2 samples.
        center: Subtract the mean over samples first. The published measure does not, so that a common offset
            counts as one direction; with `center=True` only the spread counts.

    Returns:
        One float64 value for each leading index. It is 0 where no direction is used at all: embeddings that
        are zero or, with `center=True`, constant. Constant embeddings that are not centred give 1.

    Raises:
        ShapeError: Fewer than 2 samples, no components, or not floating-point.
        NonFiniteError: NaN or infinite entries.

    Numerics:
        float64 throughout, no gradients. Singular values below max(sample, dim) * 2.2e-16 times the largest
        one of the embeddings before centring are rounding and count as zero.

    Source:
        Garrido, Balestriero, Najman and LeCun, RankMe: Assessing the downstream performance of pretrained
        self-supervised representations by their rank, 2023, arXiv 2210.02885, equation 1. Difference: they
        add 1e-7 to every $p_k$ against log 0; here $0 \log 0 = 0$ exactly.

    Example:
        ```python
        import torch
        from leworld.metrics import effective_rank

        spread = torch.eye(4)
        line = torch.tensor([[1.0, 2.0], [2.0, 4.0], [-3.0, -6.0]])
        assert abs(float(effective_rank(spread)) - 4.0) < 1e-9
        assert abs(float(effective_rank(line)) - 1.0) < 1e-6
        ```
    """
    check_size(
        "effective_rank",
        "embeddings",
        embeddings,
        -2,
        "sample",
        low=2,
        fix="Pass the embeddings of several observations, one a row",
    )
    check_size(
        "effective_rank", "embeddings", embeddings, -1, "dim", low=1, fix="Pass at least one component"
    )
    check_finite("effective_rank", "embeddings", embeddings)
    matrix = double(measured("effective_rank", "embeddings", embeddings))
    largest = torch.linalg.matrix_norm(matrix, ord="fro")
    if center:
        matrix = matrix - matrix.mean(dim=-2, keepdim=True)
    values = torch.linalg.svdvals(matrix)
    noise = max(matrix.shape[-2:]) * torch.finfo(torch.float64).eps * largest
    values = values.where(values > noise[..., None], 0.0)
    total = values.sum(dim=-1)
    shares = values / total.where(total > 0, 1.0)[..., None]
    entropy = -torch.special.xlogy(shares, shares).sum(dim=-1)
    return back(entropy.exp().where(total > 0, 0.0), embeddings.device)
