"""The sliced test of normality: uniform p-values under the null, power against every kind of departure."""

import pytest
import torch
from scipy.stats import kstest

from leworld.metrics import paired_t_test, sliced_normality
from leworld.normality import AndersonDarling


def _p_values(distort, *, count: int, seed: int = 0) -> list[float]:
    source, statistic = torch.Generator().manual_seed(seed), AndersonDarling()
    drawn = (torch.randn(200, 6, generator=source, dtype=torch.float64) for _ in range(count))
    return [sliced_normality(distort(z), statistic, generator=source).p_value for z in drawn]


def test_p_values_are_uniform_under_the_null():
    assert kstest(_p_values(lambda z: z, count=300), "uniform").pvalue > 1e-3
    turn = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))[0]
    assert kstest(_p_values(lambda z: z @ turn, count=300, seed=1), "uniform").pvalue > 1e-3


@pytest.mark.parametrize(
    "distort",
    [
        lambda z: 1.4 * z,
        lambda z: z + 0.4,
        lambda z: torch.cat([z[:, :3], z[:, :3]], dim=1),
        lambda z: z.sign() * z.abs() ** 1.5,
        lambda z: z * torch.tensor([1.0, 1, 1, 1, 1, 0.0]),
    ],
    ids=["wide", "shifted", "copied components", "heavy tails", "one dead dimension"],
)
def test_departures_are_noticed(distort):
    # How well a random turn shows a departure of few directions varies, so the median counts.
    assert sorted(_p_values(distort, count=9))[4] < 1e-3


def test_slices_are_orthonormal_and_the_generator_decides():
    z = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    first, again = (sliced_normality(z, AndersonDarling()) for _ in range(2))
    assert torch.equal(first.projections, again.projections)
    assert torch.allclose(first.projections.square().sum(1), z.double().square().sum(1))
    other = sliced_normality(z, AndersonDarling(), num_slices=2, generator=torch.Generator().manual_seed(5))
    assert other.projections.shape == (50, 2)
    assert not torch.allclose(other.projections, first.projections[:, :2])
    assert "2 slices of 50 samples" in str(other)


def test_a_paired_test_without_differences_is_undefined():
    same = paired_t_test(torch.ones(5), torch.ones(5))
    assert same.t != same.t
    assert same.p_value != same.p_value
    constant = paired_t_test(torch.full((5,), 2.0), torch.ones(5))
    assert constant.effect_size == float("inf")
    assert constant.p_value == 0.0
