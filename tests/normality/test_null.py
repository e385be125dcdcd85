"""The simulated null distribution: reproducible, remembered, and never a p-value of 0."""

import math

import pytest
import torch

from leworld.errors import ConfigError
from leworld.normality import BHEP, BHEPM, AndersonDarling, EppsPulley, Moments, VasicekEntropy
from leworld.normality._null import MULTIVARIATE_DRAWS, UNIVARIATE_DRAWS, simulated_null


def test_equal_questions_get_equal_answers_whatever_the_global_state() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = simulated_null(Moments(), 7)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(simulated_null(Moments(), 7), first)
    assert len(first) == UNIVARIATE_DRAWS
    assert len(simulated_null(BHEP(), 4, 2)) == MULTIVARIATE_DRAWS
    assert not torch.equal(simulated_null(Moments(2), 7), first)


def test_answers_are_remembered_until_the_settings_change() -> None:
    statistic = VasicekEntropy()
    first = simulated_null(statistic, 9)
    assert simulated_null(statistic, 9) is first
    statistic.window = 1
    assert simulated_null(statistic, 9) is not first


def test_p_values_count_the_draws_at_or_above() -> None:
    statistic = EppsPulley()
    null = simulated_null(statistic, 10)
    p = statistic.p_value(torch.tensor([1e9, null[-1].item(), null[0].item(), -1.0]).double(), 10)
    least = 1 / (UNIVARIATE_DRAWS + 1)
    assert p.tolist() == pytest.approx([least, 2 * least, 1, 1])
    assert statistic.p_value(torch.zeros(2, 3), 10).shape == (2, 3)
    assert statistic.p_value(torch.zeros((), dtype=torch.float32), 10).dtype == torch.float32
    assert BHEPM().p_value(torch.full((2,), math.inf), 5, dim=2).tolist() == pytest.approx([1 / 2001] * 2)


def test_p_values_carry_no_gradient() -> None:
    value = torch.tensor([1.0], requires_grad=True)
    assert not EppsPulley().p_value(value, 10).requires_grad


@pytest.mark.parametrize("statistic", [AndersonDarling(), VasicekEntropy(2)])
def test_too_few_samples_are_refused(statistic: AndersonDarling | VasicekEntropy) -> None:
    with pytest.raises(ConfigError, match="num_samples"):
        statistic.p_value(torch.zeros(1), statistic.min_samples - 1)
