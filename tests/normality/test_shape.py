"""Statistics of shape and of moments against scipy, values by hand and exact moments."""

import math

import numpy as np
import pytest
import torch
from scipy import special, stats

from leworld.normality import ExtendedJarqueBera, JarqueBera, Moments, ShapiroFrancia, ShapiroWilk
from tests.normality.conformance import draw


@pytest.mark.parametrize("num_samples", [3, 4, 5, 6, 11, 12, 50, 400])
def test_shapiro_wilk_against_scipy(num_samples: int) -> None:
    samples = draw(num_samples, 3, seed=num_samples)
    samples[:, 1] = samples[:, 1].exp()
    value = ShapiroWilk()(samples)
    p = ShapiroWilk().p_value(value, num_samples)
    for j in range(3):
        expected = stats.shapiro(samples[:, j].numpy())
        assert 1 - value[j].item() == pytest.approx(expected.statistic, abs=1e-8)
        tolerance = 0.02 if num_samples == 3 else 1e-6  # simulated against exact, else the same formula
        assert p[j].item() == pytest.approx(expected.pvalue, abs=tolerance)


def test_shapiro_wilk_p_value_far_out_is_small_and_not_nan() -> None:
    for num_samples in (4, 8, 30):
        p = ShapiroWilk().p_value(torch.tensor([1e-9, 0.9, 1.0], dtype=torch.float64), num_samples)
        assert p.isfinite().all()
        assert p[0] > 0.99
        assert (p[1:] < 1e-3).all()


@pytest.mark.parametrize(("scores", "offset"), [("blom", 3 / 8), ("elfving", math.pi / 8), ("rahman", 0.0)])
def test_shapiro_francia_is_one_minus_the_squared_correlation(scores, offset: float) -> None:
    samples = draw(17, 1) * 3 + 2
    m = special.ndtri((np.arange(1, 18) - offset) / (18 - 2 * offset))
    correlation = np.corrcoef(np.sort(samples[:, 0].numpy()), m)[0, 1]
    assert ShapiroFrancia(scores)(samples).item() == pytest.approx(1 - correlation**2, rel=1e-10)


def test_shapiro_francia_is_half_of_the_cosine_loss_near_a_fit() -> None:
    samples = draw(400, 1)
    samples = samples - samples.mean()
    m = torch.special.ndtri((torch.arange(1, 401, dtype=torch.float64) - 3 / 8) / 400.25)
    cosine = 1 - torch.nn.functional.cosine_similarity(samples.sort(0).values[:, 0], m, dim=0)
    assert ShapiroFrancia()(samples).item() == pytest.approx(2 * cosine.item(), rel=0.02)


def test_a_perfect_plot_is_zero() -> None:
    m = torch.special.ndtri((torch.arange(1, 51, dtype=torch.float64) - 3 / 8) / 50.25)[:, None]
    assert ShapiroFrancia()(7 * m - 3).item() < 1e-28
    assert ShapiroFrancia()((7 * m - 3).float()).item() < 1e-12


def test_rahman_govindarajulu_solves_its_tridiagonal_system() -> None:
    """Symmetric, summing to 0, and close to the exact coefficients of N = 5 (from tables)."""
    ends = torch.eye(5, dtype=torch.float64)
    samples = ends + 0.01 * torch.arange(5, dtype=torch.float64)[:, None]
    value = ShapiroWilk("rahman-govindarajulu")(samples)
    m = special.ndtri(np.arange(1, 6) / 6)
    f = stats.norm.pdf(m)
    inverse = 42 * (np.diag(2 * f * f) - np.diag(f[1:] * f[:-1], 1) - np.diag(f[1:] * f[:-1], -1))
    a = inverse @ m / np.linalg.norm(inverse @ m)
    for j in range(5):
        x = np.sort(samples[:, j].numpy())
        expected = 1 - (a @ x) ** 2 / ((x - x.mean()) ** 2).sum()
        assert value[j].item() == pytest.approx(expected, rel=1e-10)
    assert a[-1] == pytest.approx(0.6646, abs=0.03)


@pytest.mark.parametrize("num_samples", [2, 3, 10, 200])
def test_jarque_bera_against_scipy(num_samples: int) -> None:
    samples = draw(num_samples, 2, seed=num_samples).exp()
    value = JarqueBera()(samples)
    for j in range(2):
        expected = stats.jarque_bera(samples[:, j].numpy()).statistic
        assert value[j].item() == pytest.approx(expected, rel=1e-10)


def test_jarque_bera_of_two_samples_is_a_third() -> None:
    assert JarqueBera()(draw(2, 3)).tolist() == pytest.approx([1 / 3] * 3)
    assert JarqueBera().null_mean(2) == pytest.approx(1 / 3)


def test_extended_jarque_bera_by_parts() -> None:
    samples = draw(15, 1) * 1.4 + 0.3
    x = samples[:, 0].numpy()
    expected = 15 * x.mean() ** 2 + 14 / 2 * (x.var(ddof=1) - 1) ** 2 + stats.jarque_bera(x).statistic
    assert ExtendedJarqueBera()(samples).item() == pytest.approx(expected, rel=1e-12)


def test_moment_statistics_at_collapse() -> None:
    samples = torch.full((16, 1), 0.5, dtype=torch.float64, requires_grad=True)
    assert JarqueBera()(samples).item() == pytest.approx(3 * 16 / 8)
    value = ExtendedJarqueBera()(samples)
    assert value.item() == pytest.approx(16 * 0.25 + 15 / 2 + 6)
    (gradient,) = torch.autograd.grad(value.sum(), samples)
    assert gradient.flatten().tolist() == pytest.approx([2 * 0.5] * 16), "the mean's pull and no other"
    assert ShapiroWilk()(samples).item() == 1


@pytest.mark.parametrize("max_order", [1, 2, 4, 7])
def test_moments_against_numpys_hermite_polynomials(max_order: int) -> None:
    samples = draw(11, 1) * 1.2 + 0.1
    x = samples[:, 0].numpy()
    expected = 0.0
    for k in range(1, max_order + 1):
        coefficients = [0.0] * k + [1.0]
        mean = np.polynomial.hermite_e.hermeval(x, coefficients).mean()
        expected += 11 * mean**2 / math.factorial(k)
    assert Moments(max_order)(samples).item() == pytest.approx(expected, rel=1e-11)


def test_moments_vanish_exactly_when_the_first_moments_match() -> None:
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    counts = np.rint(weights / weights.sum() * 6).astype(int)  # 1, 4 and 1
    samples = torch.from_numpy(np.repeat(nodes, counts))[:, None]
    assert Moments(5)(samples).item() < 1e-24
    assert Moments(6)(samples).item() > 0.1
