"""Multivariate statistics against numerical integrals of their definitions, scipy and exact expectations."""

import cmath
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

from leworld.normality import BHEP, BHEPM, COMB, EnergyDistance, HenzeVisagie, HenzeZirkler
from leworld.normality._energy import distance_to_normal
from tests.normality.conformance import Z, draw

SAMPLES = [0.3, -1.2, 2.0, 0.7, -0.1]
_AS_COLUMN = torch.tensor(SAMPLES, dtype=torch.float64)[:, None]


def integral(integrand: Callable[[float], float]) -> float:
    """Trapezoid rule on the whole line, which converges faster than any power for these integrands."""
    step = 1 / 32
    return step * math.fsum(integrand(step * j) for j in range(-32 * 12, 32 * 12 + 1))


def characteristic(t: float) -> complex:
    return sum(cmath.exp(1j * t * x) for x in SAMPLES) / len(SAMPLES)


def moment_generating(t: float) -> float:
    return sum(math.exp(t * x) for x in SAMPLES) / len(SAMPLES)


@pytest.mark.parametrize("beta", [0.3, 1.0, 1.7])
def test_bhep_is_its_integral(beta: float) -> None:
    def integrand(t: float) -> float:
        weight = math.exp(-((t / beta) ** 2) / 2) / (beta * math.sqrt(2 * math.pi))
        return len(SAMPLES) * abs(characteristic(t) - math.exp(-t * t / 2)) ** 2 * weight

    assert BHEP(beta)(_AS_COLUMN).item() == pytest.approx(integral(integrand), rel=1e-11)


def test_henze_zirkler_is_bhep_at_its_width() -> None:
    assert HenzeZirkler().beta(5, 1) == pytest.approx((15 / 4) ** 0.2 / math.sqrt(2))
    assert HenzeZirkler()(_AS_COLUMN).item() == BHEP(HenzeZirkler().beta(5, 1))(_AS_COLUMN).item()


@pytest.mark.parametrize("beta", [1.5, 3.0, 10.0])
def test_bhep_m_is_the_log_of_its_integral(beta: float) -> None:
    def integrand(t: float) -> float:
        error = moment_generating(t) - math.exp(t * t / 2)
        return len(SAMPLES) * error**2 * math.exp(-beta * t * t)

    assert BHEPM(beta)(_AS_COLUMN).item() == pytest.approx(math.log(integral(integrand)), abs=1e-9)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 5.0])
def test_henze_visagie_is_the_log_of_its_integral(gamma: float) -> None:
    def integrand(t: float) -> float:
        slope = sum(x * math.exp(t * x) for x in SAMPLES) / len(SAMPLES)
        return len(SAMPLES) * (slope - t * moment_generating(t)) ** 2 * math.exp(-gamma * t * t)

    assert HenzeVisagie(gamma)(_AS_COLUMN).item() == pytest.approx(math.log(integral(integrand)), abs=1e-11)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 5.0])
def test_comb_is_its_integral(gamma: float) -> None:
    def integrand(t: float) -> float:
        product = characteristic(t).real * moment_generating(t)
        return (product - 1) * math.exp(-gamma * t * t) / math.sqrt(math.pi / gamma)

    value = COMB(gamma)(_AS_COLUMN).item()
    assert value == pytest.approx(math.log1p(5 * integral(integrand) ** 2) / 2, rel=1e-10)


@pytest.mark.parametrize("statistic", [BHEPM(4.0), HenzeVisagie(4.0)])
def test_exact_means_of_the_exponentials(statistic: BHEPM | HenzeVisagie) -> None:
    """The mean of T is known for every N although that of log T is not."""
    for num_samples, dim in ((2, 1), (8, 2), (16, 3)):
        values = statistic(draw(20000, num_samples, dim, seed=dim)).exp()
        if isinstance(statistic, BHEPM):
            expected = math.pi ** (dim / 2) * (2 ** (-dim / 2) - 3 ** (-dim / 2))
        else:
            expected = (math.pi / 2) ** (dim / 2) * dim * (1 + 1 / 4)
        assert abs(values.mean().item() - expected) <= Z * values.std().item() / math.sqrt(values.numel())


def test_comb_under_the_null_is_centred_where_theory_says() -> None:
    """Signed T from the public value, at sizes where it is negative only."""
    gamma, num_samples, dim = 3.0, 2, 1
    samples = draw(20000, num_samples, dim, seed=5)
    size = (torch.expm1(2 * COMB(gamma)(samples)) / num_samples).sqrt()
    x, y = samples[:, 0, 0], samples[:, 1, 0]
    growth = (x.square() - y.square()) / (4 * gamma)
    cosines = [(a * b / (2 * gamma)).cos() for a, b in ((x, x), (y, y), (x, y))]
    signed = (cosines[0] + cosines[1] + 2 * growth.cosh() * cosines[2]) / 4 - 1
    torch.testing.assert_close(size, signed.abs(), rtol=1e-6, atol=1e-9)
    expected = ((1 - 1j / gamma) ** (-dim / 2) - 1).real / num_samples
    assert abs(signed.mean().item() - expected) <= Z * signed.std().item() / math.sqrt(signed.numel())


@pytest.mark.parametrize("scale", [0.2, 1.0, 3.0])
def test_energy_in_one_dimension_is_cramers_distance(scale: float) -> None:
    """The energy distance is 2 int (F_N - Phi)^2 dx."""
    x = np.sort(scale * np.array(SAMPLES))
    grid = np.linspace(-14, 14, 280001)
    steps = np.searchsorted(x, grid, side="right") / 5
    distance = 2 * integrate.trapezoid((steps - special.ndtr(grid)) ** 2, grid)
    assert EnergyDistance()(scale * _AS_COLUMN).item() == pytest.approx(5 * distance, rel=1e-3)


def test_energy_against_scipy() -> None:
    quantiles = special.ndtri((np.arange(200000) + 0.5) / 200000)
    expected = 5 * stats.energy_distance(SAMPLES, quantiles) ** 2
    assert EnergyDistance()(_AS_COLUMN).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("dim", [2, 3, 4, 8, 64, 1024, 4096])
def test_distance_to_a_gaussian(dim: int) -> None:
    radii = (0.0, 0.1, 1.0, 2.0, 4.0, 7.0, 12.0, 30.0, 300.0, 1e4)
    points = torch.zeros(len(radii), dim, dtype=torch.float64)
    points[:, 0] = torch.tensor(radii, dtype=torch.float64)
    values = distance_to_normal(points).tolist()
    for radius, value in zip(radii, values, strict=True):
        w, b = radius**2 / 2, dim / 2
        if w > 20 * b:
            ratio = math.exp(math.lgamma(b) - math.lgamma(b + 0.5))
            term = total = 1.0
            for k in range(10):
                term *= (-0.5 + k) * (-0.5 - b + 1 + k) / ((k + 1) * w)
                total += term
            scale = math.sqrt(2) / ratio
            expected, tolerance = scale * ratio * math.sqrt(w) * total, 1e-9
        else:
            scale = math.sqrt(2) * math.exp(math.lgamma(b + 0.5) - math.lgamma(b))
            expected, tolerance = scale * mixture(w, b), 1e-11
        assert value == pytest.approx(expected, rel=tolerance), f"radius {radius}"


def mixture(w: float, b: float) -> float:
    """1F1(-1/2; b; -w) as Kummer's sum of positive terms, a Poisson mixture of ratios of gamma functions."""
    k = np.arange(0, int(w + 40 * math.sqrt(w + 1) + 60))
    logs = k * math.log(w) if w > 0 else np.where(k == 0, 0.0, -np.inf)
    ratios = (
        special.gammaln(b + 0.5 + k) - special.gammaln(b + k) + special.gammaln(b) - special.gammaln(b + 0.5)
    )
    return float(np.exp(logs - w - special.gammaln(k + 1) + ratios).sum())


def test_distance_to_a_gaussian_in_single_precision() -> None:
    points = draw(50, 192, dtype=torch.float32) * torch.logspace(-2, 3, 50)[:, None]
    expected = distance_to_normal(points.double())
    torch.testing.assert_close(distance_to_normal(points).double(), expected, rtol=2e-6, atol=0)


def test_energy_gradient_stays_bounded_and_alive_far_out() -> None:
    samples = (draw(16, 8) * 1e4).requires_grad_()
    (gradient,) = torch.autograd.grad(EnergyDistance()(samples), samples)
    assert gradient.norm(dim=-1).max() <= 4
    assert gradient.norm(dim=-1).min() > 0.1


def test_log_statistics_stay_finite_and_ordered_where_the_plain_ones_overflow() -> None:
    samples = draw(32, 192, dtype=torch.float32)
    for statistic in (BHEPM(), HenzeVisagie(1.0), COMB(0.1)):
        values = torch.stack([statistic(samples * scale + 0.1) for scale in (1.0, 3.0, 30.0, 1000.0)])
        assert values.isfinite().all()
        assert (values.diff() > 0).all()


def test_comb_is_blind_to_the_scale_of_a_gaussian() -> None:
    for num_samples in (20, 500):
        values = COMB(2.0)(draw(40, num_samples, 2))
        assert (torch.expm1(2 * values) / num_samples).sqrt().mean() < 3 / num_samples**0.5
    assert COMB()(torch.zeros(8, 3)).item() == 0, "nothing but the scale is wrong"
