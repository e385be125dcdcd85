"""Maps against scikit-learn and against what is known of the samples."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from leworld.evaluation import LatentMap, latent_map
from leworld.evaluation._imagination._map import _principal


def samples(count: int = 60, dim: int = 7) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    spread = torch.tensor([3.0, 2.0, 1.0, 0.7, 0.5, 0.3, 0.1] * 20).double()[:dim]
    return torch.randn(count, dim, generator=generator).double() * spread + 5.0


def check_principal(principal) -> None:
    for x in (samples(), samples(6, 100)):
        oracle = PCA(n_components=3).fit(x.numpy())
        points, shares = principal(x, 3)
        # scikit-learn chooses signs by the same rule, so coordinates agree with their signs.
        np.testing.assert_allclose(points.numpy(), oracle.transform(x.numpy()), atol=1e-9)
        np.testing.assert_allclose(shares, oracle.explained_variance_ratio_, atol=1e-12)
    # A rotation of the space changes signs at most.
    turned = (
        samples() @ torch.linalg.qr(torch.randn(7, 7, generator=torch.Generator().manual_seed(1)).double())[0]
    )
    np.testing.assert_allclose(
        principal(turned, 2)[0].abs().numpy(), principal(samples(), 2)[0].abs().numpy(), atol=1e-9
    )
    # Equal samples lie on one point and explain nothing.
    points, shares = principal(torch.full((5, 3), 0.1).double(), 2)
    assert not points.any()
    assert shares == (0.0, 0.0)


def _by(change_points=lambda p: p, change_shares=lambda s: s, before=lambda x: x):
    def principal(x, num):
        points, shares = _principal(before(x), num)
        return change_points(points), change_shares(shares)

    return principal


def _uncentred(x, num):
    _, s, v = torch.linalg.svd(x, full_matrices=False)
    return x @ v[:num].T, tuple((s.square() / s.square().sum())[:num].tolist())


WRONG = {
    "not centred": _uncentred,
    "standardised": _by(before=lambda x: (x - x.mean(0)) / x.std(0).clamp(min=1e-9)),
    "whitened": _by(change_points=lambda p: p / p.std(dim=0).clamp(min=1e-9)),
    "signs as they come": _by(change_points=lambda p: p * torch.tensor([-1.0, 1.0, 1.0])[: p.shape[1]]),
    "order turned over": _by(change_points=lambda p: p.flip(1)),
    "shares of deviations": _by(change_shares=lambda s: tuple(np.sqrt(s) / (np.sqrt(s).sum() or 1))),
    "shares of the shown": _by(change_shares=lambda s: tuple(np.array(s) / (sum(s) or 1))),
}


def test_ours_passes() -> None:
    check_principal(_principal)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_one_is_rejected(name: str) -> None:
    with pytest.raises(AssertionError):
        check_principal(WRONG[name])


def test_tokens_are_mapped_jointly_and_keep_their_axes() -> None:
    x = samples()
    whole = latent_map(x.float(), num_components=3)
    tokens = latent_map(x.float().reshape(12, 5, 7), num_components=3)
    assert tokens.coordinates.shape == (12, 5, 3)
    np.testing.assert_array_equal(tokens.coordinates.reshape(-1, 3), whole.coordinates)
    assert tokens.explained_variance == whole.explained_variance
    assert "60 samples: 3 components hold" in str(tokens)


def clusters() -> tuple[torch.Tensor, np.ndarray]:
    generator = torch.Generator().manual_seed(0)
    centres = 6.0 * torch.randn(4, 80, generator=generator)
    label = np.repeat(np.arange(4), 25)
    return centres[torch.from_numpy(label)] + torch.randn(100, 80, generator=generator), label


def test_tsne_keeps_clusters_apart_and_repeats_itself() -> None:
    x, label = clusters()
    state = np.random.get_state()[1].copy()
    one = latent_map(x, method="tsne", num_neighbors=10, seed=3)
    two = latent_map(x, method="tsne", num_neighbors=10, seed=3)
    other = latent_map(x, method="tsne", num_neighbors=20, seed=3)
    assert np.array_equal(one.coordinates, two.coordinates)
    assert not np.allclose(one.coordinates, other.coordinates)
    assert one.explained_variance is None
    assert np.array_equal(np.random.get_state()[1], state)
    points = one.coordinates
    gap = np.linalg.norm(points[:, None] - points[None], axis=-1) + 1e9 * np.eye(100)
    assert (label[gap.argmin(axis=1)] == label).all()


def test_a_missing_package_says_which_extra_brings_it(monkeypatch) -> None:
    import sys

    from leworld.errors import MissingExtraError

    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(MissingExtraError, match=r"leworld\[maps\]"):
        latent_map(samples(), method="tsne", num_neighbors=5)


def test_the_picture_is_coloured_by_the_quantity(tmp_path) -> None:
    from PIL import Image

    found = latent_map(samples())
    plain = found.plot(tmp_path / "plain.png")
    coloured = found.plot(tmp_path / "new" / "coloured.png", values=np.arange(60), label="x")

    def colours(path) -> int:
        with Image.open(path) as picture:
            return len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0))

    assert colours(coloured) > 2 * colours(plain)
    assert LatentMap(found.coordinates[:, :2], "tsne").plot(tmp_path / "tsne.svg").stat().st_size > 0
