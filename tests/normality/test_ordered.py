"""Statistics of ordered samples against scipy, their defining integrals and values worked out by hand."""

import math

import numpy as np
import pytest
import torch
from scipy import special, stats

from leworld.errors import ShapeError
from leworld.normality import (
    AndersonDarling,
    CramerVonMises,
    OrderStatisticLikelihood,
    UnivariateStatistic,
    VasicekEntropy,
    Watson,
)
from leworld.normality._limit_law import anderson_darling_tail, cramer_von_mises_tail, watson_tail
from leworld.normality._null import simulated_p_value
from tests.normality.conformance import Z, draw


def samples_and_array(num_samples: int, scale: float) -> tuple[torch.Tensor, np.ndarray]:
    samples = draw(num_samples, 1, seed=num_samples) * scale + 0.1
    return samples, samples[:, 0].numpy()


def step_integral(samples: np.ndarray, weight: float) -> float:
    """N int (F_N - u)^2 / (u (1 - u))^weight du, exactly, from one antiderivative a piece."""
    u = np.concatenate([[0.0], np.sort(special.ndtr(samples)), [1.0]])
    total = 0.0
    for i in range(len(samples) + 1):
        level, low, high = i / len(samples), u[i], u[i + 1]
        if weight == 0:
            total += ((high - level) ** 3 - (low - level) ** 3) / 3
            continue
        # (c - u)^2 / (u (1 - u)) = -1 + c^2 / u + (1 - c)^2 / (1 - u)
        total -= high - low
        total += level**2 * (math.log(high) - math.log(low)) if level > 0 else 0.0
        total -= (1 - level) ** 2 * (math.log1p(-high) - math.log1p(-low)) if level < 1 else 0.0
    return len(samples) * total


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("num_samples", [2, 7, 40])
def test_anderson_darling(num_samples: int, scale: float) -> None:
    samples, array = samples_and_array(num_samples, scale)
    value = AndersonDarling()(samples).item()
    assert value == pytest.approx(step_integral(array, 1), rel=1e-10)
    i = np.arange(1, num_samples + 1)
    x = np.sort(array)
    by_hand = (
        -num_samples - ((2 * i - 1) * (special.log_ndtr(x) + special.log_ndtr(-x[::-1]))).sum() / num_samples
    )
    assert value == pytest.approx(by_hand, rel=1e-11)


def test_anderson_darling_against_scipy() -> None:
    samples, array = samples_and_array(30, 1.0)
    fit = stats.goodness_of_fit(
        stats.norm, array, known_params={"loc": 0, "scale": 1}, statistic="ad", n_mc_samples=10, rng=0
    )
    assert AndersonDarling()(samples).item() == pytest.approx(fit.statistic, rel=1e-12)


def test_anderson_darling_of_two_samples_at_zero_by_hand() -> None:
    assert AndersonDarling()(torch.zeros(2, 1)).item() == pytest.approx(4 * math.log(2) - 2)


def test_anderson_darling_keeps_its_digits_in_single_precision() -> None:
    samples = draw(100_000, 1)
    single = AndersonDarling()(samples.float())
    torch.testing.assert_close(
        single.double(), AndersonDarling()(samples.float().double()), rtol=2e-4, atol=0
    )


def test_anderson_darling_pulls_back_from_afar() -> None:
    samples = torch.tensor([-3000.0, -1.0, 0.0, 1.0])[:, None].requires_grad_()
    (gradient,) = torch.autograd.grad(AndersonDarling()(samples).sum(), samples)
    assert gradient[0] < -500
    (faded,) = torch.autograd.grad(CramerVonMises()(samples).sum(), samples)
    assert faded[0] == 0


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("num_samples", [2, 7, 40])
def test_cramer_von_mises(num_samples: int, scale: float) -> None:
    samples, array = samples_and_array(num_samples, scale)
    value = CramerVonMises()(samples).item()
    assert value == pytest.approx(stats.cramervonmises(array, "norm").statistic, rel=1e-12)
    assert value == pytest.approx(step_integral(array, 0), rel=1e-10)


def test_watson() -> None:
    samples, array = samples_and_array(12, 1.4)
    offset = special.ndtr(array).mean() - 0.5
    expected = stats.cramervonmises(array, "norm").statistic - 12 * offset**2
    assert Watson()(samples).item() == pytest.approx(expected, rel=1e-12)


def test_watson_does_not_change_on_the_circle() -> None:
    u = torch.special.ndtr(draw(25, 3))
    expected = Watson()(torch.special.ndtri(u))
    for turn in (0.1, 0.5, 0.83):
        torch.testing.assert_close(Watson()(torch.special.ndtri((u + turn) % 1)), expected, rtol=1e-9, atol=0)


def test_limit_laws_against_scipy_and_published_quantiles() -> None:
    # T. W. Anderson and D. A. Darling (1952, 1954); M. A. Stephens (1974): upper 10, 5 and 1 per cent.
    shares = torch.tensor([0.10, 0.05, 0.01], dtype=torch.float64)
    for tail, quantiles in (
        (anderson_darling_tail, [1.933, 2.492, 3.857]),
        (cramer_von_mises_tail, [0.34730, 0.46136, 0.74346]),
        (watson_tail, [0.152, 0.187, 0.267]),
    ):
        values = tail(torch.tensor(quantiles, dtype=torch.float64))
        torch.testing.assert_close(values, shares, rtol=3e-2, atol=0)
        assert tail(torch.tensor([0.0, -1.0], dtype=torch.float64)).tolist() == [1.0, 1.0]
    large = [stats.cramervonmises(special.ndtri(_spread(x, 4000)), "norm") for x in (0.1, 0.3, 1.0)]
    for result in large:
        ours = cramer_von_mises_tail(torch.tensor(result.statistic, dtype=torch.float64)).item()
        assert ours == pytest.approx(result.pvalue, abs=1e-3)
    tails = anderson_darling_tail(torch.linspace(0.6, 40, 50, dtype=torch.float64))
    assert (tails.diff() < 0).all()
    assert 0 < tails[-1] < 1e-15


def _spread(statistic: float, num: int) -> np.ndarray:
    """Probabilities whose Cramer-von Mises statistic is close to the one asked for: a common shift."""
    return np.clip((np.arange(num) + 0.5) / num + math.sqrt(statistic / num), 1e-12, 1 - 1e-12)


@pytest.mark.parametrize("statistic", [AndersonDarling(), CramerVonMises(), Watson()])
@pytest.mark.parametrize("num_samples", [20, 60])
def test_limit_laws_against_simulation(statistic: UnivariateStatistic, num_samples: int) -> None:
    values = statistic(draw(num_samples, 300, seed=9))
    simulated = simulated_p_value(statistic, values, num_samples)
    bound = Z * (simulated * (1 - simulated) / 20_000).sqrt() + 1e-4 + 0.01
    assert ((statistic.p_value(values, num_samples) - simulated).abs() <= bound).all()


@pytest.mark.parametrize("window", [1, 3])
def test_vasicek_against_scipy(window: int) -> None:
    samples, array = samples_and_array(20, 1.7)
    entropy = stats.differential_entropy(array, window_length=window, method="vasicek")
    fixed = VasicekEntropy(window)(samples).item()
    assert fixed == pytest.approx(math.log(2 * math.pi) / 2 + (array**2).mean() / 2 - entropy, rel=1e-12)
    shape = VasicekEntropy(window, standardize=True)(samples).item()
    assert shape == pytest.approx(
        math.log(math.sqrt(2 * math.pi * math.e) * array.std()) - entropy, rel=1e-11
    )


def test_vasicek_by_hand_and_its_windows() -> None:
    samples = torch.tensor([0.0, 1.0, 3.0], dtype=torch.float64)[:, None]
    entropy = (math.log(1.5 * 1) + math.log(1.5 * 3) + math.log(1.5 * 2)) / 3
    expected = math.log(2 * math.pi) / 2 + 10 / 6 - entropy
    assert VasicekEntropy()(samples).item() == pytest.approx(expected)
    many = draw(100, 2)
    assert torch.equal(VasicekEntropy()(many), VasicekEntropy(10)(many))
    with pytest.raises(ShapeError, match="at least 7 samples"):
        VasicekEntropy(3)(draw(6, 1))


def test_vasicek_tends_to_the_divergence() -> None:
    """KL(N(m, s^2) || N(0, 1)) = (m^2 + s^2 - 1) / 2 - log s, and many samples come close."""
    value = VasicekEntropy(100)(draw(20_000, 4) * 1.5 + 0.3)
    expected = (0.09 + 2.25 - 1) / 2 - math.log(1.5)
    assert (value - expected).abs().max() < 0.05


@pytest.mark.parametrize("num_samples", [2, 5, 30])
def test_order_statistic_likelihood_against_the_beta_law(num_samples: int) -> None:
    """Phi of the i-th order statistic has the beta law (i, N + 1 - i)."""
    samples, array = samples_and_array(num_samples, 1.3)
    x, i = np.sort(array), np.arange(1, num_samples + 1)
    logs = stats.beta.logpdf(special.ndtr(x), i, num_samples + 1 - i) + stats.norm.logpdf(x)
    assert OrderStatisticLikelihood()(samples).item() == pytest.approx(-logs.mean(), rel=1e-10)


def test_order_statistic_likelihood_null_mean() -> None:
    statistic = OrderStatisticLikelihood()
    entropies = [stats.beta(i, 8 - i).entropy() for i in range(1, 8)]
    # the change of variables from u to x adds -E log phi(X), averaged over the sample
    expected = np.mean(entropies) + math.log(2 * math.pi) / 2 + 0.5
    assert statistic.null_mean(7) == pytest.approx(expected, rel=1e-10)
    assert statistic.null_mean(10**6) == pytest.approx(math.log(2 * math.pi) - math.log(10**6) / 2, abs=1e-3)


def test_order_statistic_likelihood_gradient_is_zero_at_the_modes() -> None:
    """With two samples symmetric about 0 the likelihood has one stationary point, found here by bisection."""
    low, high = 0.0, 3.0
    for _ in range(60):
        middle = (low + high) / 2
        samples = torch.tensor([-middle, middle], dtype=torch.float64)[:, None].requires_grad_()
        (gradient,) = torch.autograd.grad(OrderStatisticLikelihood()(samples).sum(), samples)
        low, high = (low, middle) if gradient[1] > 0 else (middle, high)
    grid = np.linspace(0, 3, 300001)
    best = grid[np.argmax(special.log_ndtr(grid) - grid**2 / 2)]
    assert low == pytest.approx(best, abs=1e-4)
