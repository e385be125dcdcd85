"""What every univariate statistic must do. Adding a class is adding a line to STATISTICS."""

import cmath
import math

import torch
from torch import Tensor

from leworld.normality import (
    AndersonDarling,
    CramerVonMises,
    EppsPulley,
    ExtendedJarqueBera,
    GaussHermiteEppsPulley,
    JarqueBera,
    Moments,
    OrderStatisticLikelihood,
    ShapiroFrancia,
    ShapiroWilk,
    SimpsonEppsPulley,
    UnivariateStatistic,
    VasicekEntropy,
    Watson,
)

STATISTICS: dict[str, UnivariateStatistic] = {
    "epps_pulley": EppsPulley(),
    "epps_pulley_coarse": EppsPulley(6, 2.0),
    "simpson_epps_pulley": SimpsonEppsPulley(),
    "gauss_hermite_epps_pulley": GaussHermiteEppsPulley(),
    "anderson_darling": AndersonDarling(),
    "cramer_von_mises": CramerVonMises(),
    "watson": Watson(),
    "shapiro_francia": ShapiroFrancia(),
    "shapiro_francia_rahman": ShapiroFrancia("rahman"),
    "shapiro_wilk": ShapiroWilk(),
    "shapiro_wilk_rahman_govindarajulu": ShapiroWilk("rahman-govindarajulu"),
    "jarque_bera": JarqueBera(),
    "extended_jarque_bera": ExtendedJarqueBera(),
    "vasicek": VasicekEntropy(),
    "vasicek_standardized": VasicekEntropy(3, standardize=True),
    "order_statistic_likelihood": OrderStatisticLikelihood(),
    "moments": Moments(),
    "moments_two": Moments(2),
}
# Whose null mean is itself simulated, from this many draws.
SIMULATED = (ShapiroFrancia, ShapiroWilk, VasicekEntropy)
DRAWS = 20_000
# Whose value tends to a number, where the others grow in proportion to N.
FLAT = (ShapiroFrancia, ShapiroWilk, VasicekEntropy)
# False-alarm rate of at most 1e-6 for a mean of thousands of bounded-variance draws, two-sided.
Z = 5.5


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def blind(statistic: UnivariateStatistic) -> bool:
    """Whether shift and scale change nothing, by design."""
    shape_only = isinstance(statistic, ShapiroFrancia | ShapiroWilk | JarqueBera)
    return shape_only or (isinstance(statistic, VasicekEntropy) and statistic.standardize)


def check_null_mean(statistic: UnivariateStatistic) -> None:
    for num_samples in (statistic.min_samples, 3, 16, 200):
        if num_samples < statistic.min_samples:
            continue
        values = statistic(draw(num_samples, 6000, seed=num_samples))
        error = (values.mean() - statistic.null_mean(num_samples)).abs().item()
        table = 1 / DRAWS if isinstance(statistic, SIMULATED) else 0.0
        bound = Z * values.std().item() * math.sqrt(1 / values.numel() + table) + 1e-12
        assert error <= bound, f"N={num_samples}: null mean off by {error:.4g}, bound {bound:.4g}"


def check_axes(statistic: UnivariateStatistic) -> None:
    samples = draw(3, 2, 17, 5) * 1.3 + 0.2
    values = statistic(samples)
    assert values.shape == (3, 2, 5)
    for i in range(3):
        for j in range(2):
            for k in range(5):
                alone = statistic(samples[i, j, :, k : k + 1])
                torch.testing.assert_close(values[i, j, k], alone[0], rtol=1e-12, atol=1e-13)


def check_permutation(statistic: UnivariateStatistic) -> None:
    samples = draw(31, 4)
    order = torch.randperm(31, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(statistic(samples[order]), statistic(samples), rtol=1e-12, atol=1e-13)


def check_grows_with_misfit(statistic: UnivariateStatistic) -> None:
    samples = draw(64, 400)
    null = statistic(samples)
    for changed in (samples + 0.5, samples * 1.5, samples * 0.5):
        value = statistic(changed)
        if blind(statistic):
            torch.testing.assert_close(value, null, rtol=1e-9, atol=1e-11)
        else:
            assert value.mean() - null.mean() > Z * ((value.var() + null.var()) / 400).sqrt()
    flat_tailed = torch.special.ndtr(draw(256, 400)) * math.sqrt(12) - math.sqrt(3)
    if not isinstance(statistic, Moments) or statistic.max_order >= 4:
        value, null = statistic(flat_tailed), statistic(draw(256, 400))
        assert value.mean() - null.mean() > Z * ((value.var() + null.var()) / 400).sqrt()


def check_growth_with_samples(statistic: UnivariateStatistic) -> None:
    excess = []
    flat = isinstance(statistic, FLAT)
    for num_samples in (50, 200) if flat else (256, 1024):
        samples = draw(num_samples, 64)
        samples = torch.special.ndtr(samples) if blind(statistic) else samples + 1
        excess.append(statistic(samples).mean().item() - statistic.null_mean(num_samples))
    low, high = (0.5, 2.2) if flat else (3.2, 4.6)
    assert low < excess[1] / excess[0] < high, (
        f"excess {excess[0]:.4g}, four times the samples {excess[1]:.4g}"
    )


def check_dtypes(statistic: UnivariateStatistic) -> None:
    samples = draw(129, 7)
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        rounded = samples.to(dtype)
        value = statistic(rounded)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value.double(), statistic(rounded.double()), rtol=1e-5, atol=1e-5)
    assert statistic(samples).dtype == torch.float64


def check_ignores_autocast(statistic: UnivariateStatistic) -> None:
    samples = draw(65, 16, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = statistic(samples)
    assert torch.equal(inside, statistic(samples))


def check_layout(statistic: UnivariateStatistic) -> None:
    samples = draw(2, 19, 6)
    expected = statistic(samples)
    views = (
        samples.transpose(1, 2).contiguous().transpose(1, 2),
        torch.cat([torch.full((2, 3, 6), float("nan"), dtype=torch.float64), samples], 1)[:, 3:],
    )
    for view in views:
        torch.testing.assert_close(statistic(view), expected, rtol=1e-12, atol=1e-13)
    expanded = samples[:1].expand(3, -1, -1)
    torch.testing.assert_close(statistic(expanded)[2], expected[0], rtol=1e-12, atol=1e-13)


def check_gradient(statistic: UnivariateStatistic) -> None:
    samples = (draw(2, 9, 3) * 1.4 + 0.3).requires_grad_()
    assert torch.autograd.gradcheck(statistic, (samples,))
    assert torch.autograd.gradgradcheck(statistic, (samples,))


def check_nan_stays_in_its_coordinate(statistic: UnivariateStatistic) -> None:
    samples = draw(2, 12, 3)
    expected = statistic(samples)
    samples[1, 4, 2] = float("nan")
    values = statistic(samples)
    assert values[1, 2].isnan()
    assert statistic.p_value(values, 12)[1, 2].isnan()
    torch.testing.assert_close(values.flatten()[:-1], expected.flatten()[:-1], rtol=1e-12, atol=1e-13)


def check_extremes_are_finite(statistic: UnivariateStatistic) -> None:
    far = torch.tensor([-1e3, 1e3, 0.0, 1.0, -40.0, 40.0, 3.0, -2.0])[:, None]
    for samples in (torch.zeros(8, 1), torch.full((8, 1), 0.7), far, far.double()):
        samples = samples.clone().requires_grad_()
        value = statistic(samples)
        (gradient,) = torch.autograd.grad(value.sum(), samples)
        assert value.isfinite().all()
        assert gradient.isfinite().all()


def check_p_values(statistic: UnivariateStatistic) -> None:
    """Uniform under the null: Kolmogorov's distance within its bound at a false-alarm rate of 1e-6."""
    num, num_samples = 3000, 25
    values = statistic(draw(num_samples, num, seed=77))
    p = statistic.p_value(values, num_samples)
    assert p.shape == values.shape
    assert (p[values.argsort()].diff() <= 0).all(), "a larger value must not be more plausible"
    grid = torch.arange(1, num + 1, dtype=torch.float64) / num
    distance = (p.sort().values - grid).abs().max().item()
    bound = math.sqrt(math.log(2e6) / 2) * (num**-0.5 + DRAWS**-0.5) + 0.01
    assert distance <= bound, f"p-values off by {distance:.3f}, bound {bound:.3f}"
    assert statistic.p_value(values.new_tensor([1e4]), num_samples) < 1e-4


def check_published_quadrature(statistic: UnivariateStatistic) -> None:
    """Only Epps-Pulley with its defaults passes this: the published sum, one complex number at a time."""
    samples = [0.3, -1.2, 2.0, 0.7, -0.1]
    total = 0.0
    for j in range(17):
        t = 3 * j / 16
        characteristic = sum(cmath.exp(1j * t * x) for x in samples) / 5
        weight = (3 / 16) * (1 if j in (0, 16) else 2) * math.exp(-t * t / 2)
        total += 5 * weight * abs(characteristic - math.exp(-t * t / 2)) ** 2
    value = statistic(torch.tensor(samples, dtype=torch.float64)[:, None])
    assert math.isclose(value.item(), total, rel_tol=1e-13)


CHECKS = (
    check_null_mean,
    check_axes,
    check_permutation,
    check_grows_with_misfit,
    check_growth_with_samples,
    check_dtypes,
    check_ignores_autocast,
    check_layout,
    check_gradient,
    check_nan_stays_in_its_coordinate,
    check_extremes_are_finite,
    check_p_values,
)
