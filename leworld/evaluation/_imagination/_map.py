"""Embeddings on a plane: principal components and t-SNE."""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..._checks import check_choice, check_finite, check_number, describe, require
from ..._typing import shapechecked
from ...errors import ConfigError, ShapeError
from ._map_result import METHODS, LatentMap

_PLENTY = 50  # more dimensions than this are reduced by PCA before the search for neighbours


@shapechecked
def latent_map(
    embeddings: Float[Tensor, "*batch dim"],
    *,
    method: Literal["pca", "tsne"] = "pca",
    num_components: int = 2,
    num_neighbors: int = 30,
    seed: int = 0,
) -> LatentMap:
    r"""Place embeddings, or tokens, in two dimensions (or a few more) for looking.

    PCA is linear: distances on the map are shadows of distances in the space, and the shares of variance
    tell how much is left out. t-SNE bends: it keeps who is near whom and nothing else, so neither sizes of
    clusters nor distances between them mean anything. Look at PCA first. It costs one singular value
    decomposition, O(n dim min(n, dim)); t-SNE costs O(n log n) for each of a thousand passes.

    $$ X - \bar X = U S V^\top, \qquad \text{coordinates} = U S = (X - \bar X) V, \qquad
       \text{share}_k = s_k^2 / \textstyle\sum_j s_j^2 $$

    Shapes:
        All leading axes together are the samples and are kept: (frame, dim) gives (frame, component), and
        tokens (frame, token, dim) give (frame, token, component), mapped jointly.

    Args:
        embeddings: At least 2 samples.
        method: "pca", computed by torch, or "tsne", computed by scikit-learn.
        num_components: Dimensions of the map; t-SNE makes at most 3.
        num_neighbors: Perplexity of t-SNE, about how many neighbours each sample keeps: small shows detail,
            large shows outlines. PCA has no use for it.
        seed: Randomness of t-SNE.

    Returns:
        The map: coordinates, shares of variance for PCA, and a plot.

    Raises:
        ConfigError: An unknown method, more components than the method has, or no more samples than
            neighbours for t-SNE.
        ShapeError: Fewer than 2 samples, no components, or not floating-point.
        NonFiniteError: NaN or infinite entries.
        MissingExtraError: t-SNE without scikit-learn, which the extra `maps` brings.

    Numerics:
        PCA in float64. The sign of each principal direction is chosen so that its entry of largest magnitude
        is positive, so equal inputs give equal maps. Embeddings that are all equal lie on one point with
        shares of 0. t-SNE starts from PCA and sees the first 50 principal components of larger embeddings.

    Randomness:
        From `seed` only: the same call gives the same map on the same machine and versions.

    Source:
        van der Maaten and Hinton, Visualizing Data using t-SNE, 2008 (JMLR 9). Maes et al., LeWorldModel,
        2026 (arXiv 2603.19312), map states of Push-T by it. UMAP is left out: its compiler, numba, is large
        and sets the newest numpy that may be installed beside it.

    Example:
        ```python
        import torch
        from leworld.evaluation import latent_map

        line = torch.linspace(-1, 1, 50)[:, None] * torch.tensor([3.0, 0.0, 4.0])
        found = latent_map(line)
        assert found.explained_variance[0] > 0.999
        assert abs(abs(float(found.coordinates[0, 0])) - 5.0) < 1e-5
        ```
    """
    owner = "latent_map"
    check_choice(owner, "method", method, METHODS)
    check_number(owner, "num_components", num_components, low=1, integer=True)
    check_number(owner, "num_neighbors", num_neighbors, low=2, integer=True)
    check_number(owner, "seed", seed, low=0, high=2**32 - 1, integer=True)
    samples = embeddings.detach().cpu().double().flatten(0, -2) if embeddings.ndim > 1 else None
    if samples is None or len(samples) < 2 or not samples.shape[1]:
        raise ShapeError(
            f"{owner} needs at least 2 samples with components on the last axis",
            f"`embeddings` is {describe(embeddings)}",
            "Pass the embeddings of several frames, one a row",
        )
    check_finite(owner, "embeddings", samples)
    _check_room(samples, method, num_components, num_neighbors)
    shares = None
    if method == "pca":
        points, shares = _principal(samples, num_components)
    else:
        if samples.shape[1] > _PLENTY:
            samples, _ = _principal(samples, min(_PLENTY, len(samples)))
        points = torch.from_numpy(_tsne(samples.numpy(), num_components, num_neighbors, seed)).double()
    return LatentMap(
        coordinates=points.reshape(*embeddings.shape[:-1], num_components).numpy(),
        method=method,
        explained_variance=shares,
    )


def _check_room(samples: Tensor, method: str, num_components: int, num_neighbors: int) -> None:
    most = {"pca": min(samples.shape), "tsne": 3}[method]
    if num_components > most:
        raise ConfigError(
            f"latent_map needs `num_components` of at most {most} for {method} of {tuple(samples.shape)}",
            f"`num_components={num_components}` was given",
            "Ask for fewer components",
        )
    if method != "pca" and num_neighbors >= len(samples):
        raise ConfigError(
            f"latent_map needs more samples than `num_neighbors` for {method}",
            f"there are {len(samples)} samples and `num_neighbors={num_neighbors}`",
            "Pass more samples, or a smaller `num_neighbors`",
        )


def _principal(samples: Tensor, num_components: int) -> tuple[Tensor, tuple[float, ...]]:
    """Return coordinates along the first principal directions, and their shares of the variance."""
    centred = samples - samples.mean(dim=0)
    _, spread, directions = torch.linalg.svd(centred, full_matrices=False)
    noise = max(samples.shape) * torch.finfo(torch.float64).eps * float(samples.norm())
    spread = spread.where(spread > noise, 0.0)
    directions = directions[:num_components]
    largest = directions.gather(1, directions.abs().argmax(dim=1, keepdim=True))
    directions = directions * largest.sign()
    points = (centred @ directions.T).where(spread[:num_components] > 0, 0.0)
    total = spread.square().sum()
    shares = spread.square()[:num_components] / total.where(total > 0, 1.0)
    return points, tuple(shares.tolist())


def _tsne(samples: np.ndarray, num_components: int, num_neighbors: int, seed: int) -> np.ndarray:
    manifold = require("sklearn.manifold", extra="maps", purpose="t-SNE")
    tsne = manifold.TSNE(
        n_components=num_components,
        perplexity=float(num_neighbors),
        init="pca" if min(samples.shape) >= num_components else "random",
        method="barnes_hut",
        random_state=seed,
        n_jobs=1,
    )
    return tsne.fit_transform(samples)
