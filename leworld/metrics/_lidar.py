"""LiDAR: how many directions tell objects apart, noise between views of one object left out."""

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_finite, check_number, check_size, measured
from .._precision import back, double
from .._typing import shapechecked


@shapechecked
def lidar(embeddings: Float[Tensor, "object view dim"], *, ridge: float = 1e-4) -> Float[Tensor, ""]:
    r"""Compute the effective rank of the linear discriminant matrix of objects seen in several views.

    RankMe counts every direction in use, also those that hold only noise. LiDAR weighs a direction by how far
    it separates objects compared with how much it varies among views of one object. For a world model a view
    is an augmentation, or a neighbouring frame, of one moment. Costs O(object * view * dim^2 + dim^3).

    $$ \Sigma_b = \frac{1}{n} \sum_i (\mu_i - \mu)(\mu_i - \mu)^\top, \qquad
       \Sigma_w = \frac{1}{nq} \sum_{i,j} (z_{ij} - \mu_i)(z_{ij} - \mu_i)^\top + \delta I, $$

    $$ \mathrm{LiDAR} = \exp\Big(-\sum_k p_k \log p_k\Big), \qquad
       p = \lambda(\Sigma_w^{-1/2} \Sigma_b \Sigma_w^{-1/2}) \text{ divided by its sum} $$

    with n objects, q views of each, $\mu_i$ the mean over views and $\mu$ the mean of all. The value lies
    between 1 and min(n - 1, dim); compare values of equal n and q only.

    Shapes:
        Objects, their views, components.

    Args:
        embeddings: At least 2 objects with at least 2 views each.
        ridge: $\delta$, above 0, in squared units of the embedding.

    Returns:
        One float64 value; 0 when all objects have the same mean, so that no direction separates them.

    Raises:
        ShapeError: Fewer than 2 objects or views, no components, or not floating-point.
        ConfigError: A ridge that is not above 0.
        NonFiniteError: NaN or infinite entries.

    Numerics:
        float64, no gradients. Eigenvalues below dim * 2.2e-16 times the largest count as zero.

    Source:
        Thilak et al., LiDAR: Sensing Linear Probing Performance in Joint Embedding SSL Architectures, 2023,
        arXiv 2312.04000, section 3. Differences: covariances divide by n and nq (the eigenvalues' shares
        differ through the ridge only), and $0 \log 0 = 0$ where they add 1e-7 to every share.

    Example:
        ```python
        import torch
        from leworld.metrics import lidar

        corners = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        views = torch.stack([corners - 0.01, corners + 0.01], dim=1)
        assert 1.0 < lidar(views) <= 2.0
        ```
    """
    check_number("lidar", "ridge", ridge, low=0, open_low=True)
    for axis, meaning in enumerate(("object", "view", "dim")):
        fix = "Pass several views of several objects, with axes (object, view, dim)"
        check_size("lidar", "embeddings", embeddings, axis, meaning, low=1 + (axis < 2), fix=fix)
    check_finite("lidar", "embeddings", embeddings)
    views = double(measured("lidar", "embeddings", embeddings))
    means = views.mean(dim=1)
    apart = means - means.mean(dim=0)
    size = views.abs().max()
    alike = apart.abs().max() <= 16 * torch.finfo(embeddings.dtype).eps * size
    inner = (views - means[:, None]).flatten(0, 1)
    within = inner.T @ inner / len(inner) + ridge * torch.eye(
        views.shape[2], dtype=inner.dtype, device=inner.device
    )
    factor = torch.linalg.cholesky(within)  # any square root has the same eigenvalues
    whitened = torch.linalg.solve_triangular(factor, apart.T, upper=False)
    values = torch.linalg.svdvals(whitened).square()
    values = values.where(values > views.shape[2] * torch.finfo(values.dtype).eps * values[0], 0.0)
    shares = values / values.sum().where(~alike, 1.0)
    return back((-torch.special.xlogy(shares, shares).sum()).exp().where(~alike, 0.0), embeddings.device)
