"""What every multivariate statistic must do. Adding a class is adding a line to MULTIVARIATE."""

import math

import torch

from leworld.normality import (
    BHEP,
    BHEPM,
    COMB,
    EnergyDistance,
    HenzeVisagie,
    HenzeZirkler,
    MultivariateStatistic,
)
from tests.normality.conformance import Z, draw

MULTIVARIATE: dict[str, MultivariateStatistic] = {
    "bhep": BHEP(0.4),
    "bhep_narrow": BHEP(),
    "henze_zirkler": HenzeZirkler(),
    "energy": EnergyDistance(),
    "bhep_m": BHEPM(),
    "comb": COMB(1.0),
    "henze_visagie": HenzeVisagie(),
}
# Whose null mean is itself simulated, from this many draws.
SIMULATED = (BHEPM, COMB, HenzeVisagie)
DRAWS = 2_000


def check_null_mean(statistic: MultivariateStatistic) -> None:
    for num_samples, dim in ((2, 1), (3, 4), (20, 2), (24, 12)):
        values = statistic(draw(3000, num_samples, dim, seed=num_samples))
        error = (values.mean() - statistic.null_mean(num_samples, dim)).abs().item()
        table = 1 / DRAWS if isinstance(statistic, SIMULATED) else 0.0
        bound = Z * values.std().item() * math.sqrt(1 / values.numel() + table) + 1e-12
        assert error <= bound, f"N={num_samples}, dim={dim}: null mean off by {error:.4g}, bound {bound:.4g}"


def check_axes(statistic: MultivariateStatistic) -> None:
    samples = draw(3, 2, 17, 5) * 1.3 + 0.2
    values = statistic(samples)
    assert values.shape == (3, 2)
    for i in range(3):
        for j in range(2):
            torch.testing.assert_close(values[i, j], statistic(samples[i, j]), rtol=1e-12, atol=1e-13)


def check_symmetries(statistic: MultivariateStatistic) -> None:
    samples = draw(31, 6) + 0.2
    order = torch.randperm(31, generator=torch.Generator().manual_seed(1))
    rotation = torch.linalg.qr(draw(6, 6, seed=2)).Q
    expected = statistic(samples)
    for changed in (samples[order], samples @ rotation, -samples):
        torch.testing.assert_close(statistic(changed), expected, rtol=1e-10, atol=1e-11)


def check_grows_with_misfit(statistic: MultivariateStatistic) -> None:
    samples = draw(200, 40, 4)
    null = statistic(samples)
    skewed = -torch.log1p(-torch.special.ndtr(samples)) - 1
    changes = [samples + 0.5]
    if not isinstance(statistic, COMB):
        changes.append(samples * 1.5)
    if not (isinstance(statistic, BHEP) and statistic.beta < 0.2):
        changes.append(skewed)
    for changed in changes:
        value = statistic(changed)
        assert value.mean() - null.mean() > Z * ((value.var() + null.var()) / 200).sqrt()


def check_dtypes(statistic: MultivariateStatistic) -> None:
    samples = draw(65, 7)
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        rounded = samples.to(dtype)
        value = statistic(rounded)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value.double(), statistic(rounded.double()), rtol=3e-5, atol=1e-5)
    assert statistic(samples).dtype == torch.float64


def check_ignores_autocast(statistic: MultivariateStatistic) -> None:
    samples = draw(33, 16, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = statistic(samples)
    assert torch.equal(inside, statistic(samples))


def check_layout(statistic: MultivariateStatistic) -> None:
    samples = draw(2, 19, 6)
    expected = statistic(samples)
    poison = torch.full((2, 3, 6), float("nan"), dtype=torch.float64)
    for view in (
        samples.transpose(1, 2).contiguous().transpose(1, 2),
        torch.cat([poison, samples], 1)[:, 3:],
    ):
        torch.testing.assert_close(statistic(view), expected, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(statistic(samples[:1].expand(3, -1, -1))[2], expected[0], rtol=1e-12, atol=0)


def check_gradient(statistic: MultivariateStatistic) -> None:
    for dim in (1, 3):
        samples = (draw(2, 6, dim) * 1.4 + 0.3).requires_grad_()
        assert torch.autograd.gradcheck(statistic, (samples,))
        assert torch.autograd.gradgradcheck(statistic, (samples,))


def check_extremes_are_finite(statistic: MultivariateStatistic) -> None:
    twice = draw(12, 8, dtype=torch.float32)
    twice[6:] = twice[:6]
    for samples in (torch.zeros(8, 3), torch.full((8, 3), 0.7), 100 * draw(12, 8).float(), twice):
        samples = samples.clone().requires_grad_()
        value = statistic(samples)
        (gradient,) = torch.autograd.grad(value, samples)
        assert value.isfinite()
        assert gradient.isfinite().all()


def check_nan_stays_in_its_index(statistic: MultivariateStatistic) -> None:
    samples = draw(3, 12, 3)
    expected = statistic(samples)
    samples[1, 4, 2] = float("nan")
    values = statistic(samples)
    assert values[1].isnan()
    assert statistic.p_value(values, 12, dim=3)[1].isnan()
    torch.testing.assert_close(values[::2], expected[::2], rtol=1e-12, atol=1e-13)


def check_p_values(statistic: MultivariateStatistic) -> None:
    """Uniform under the null: Kolmogorov's distance within its bound at a false-alarm rate of 1e-6."""
    num, num_samples, dim = 2000, 12, 3
    values = statistic(draw(num, num_samples, dim, seed=77))
    p = statistic.p_value(values, num_samples, dim=dim)
    assert p.shape == values.shape
    assert (p[values.argsort()].diff() <= 0).all(), "a larger value must not be more plausible"
    grid = torch.arange(1, num + 1, dtype=torch.float64) / num
    distance = (p.sort().values - grid).abs().max().item()
    bound = math.sqrt(math.log(2e6) / 2) * (num**-0.5 + DRAWS**-0.5) + 1 / DRAWS
    assert distance <= bound, f"p-values off by {distance:.3f}, bound {bound:.3f}"


CHECKS = (
    check_null_mean,
    check_axes,
    check_symmetries,
    check_grows_with_misfit,
    check_dtypes,
    check_ignores_autocast,
    check_layout,
    check_gradient,
    check_extremes_are_finite,
    check_nan_stays_in_its_index,
    check_p_values,
)
