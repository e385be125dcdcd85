"""Samples that are not standard normal, each in one way, and how often a statistic notices at 5 per cent."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from leworld.normality import MultivariateStatistic, UnivariateStatistic
from tests.normality.conformance import draw

NUM_SAMPLES = 64
NUM_POINTS, DIM = 32, 8


def _gamma(normal: Tensor) -> Tensor:
    """Standardised sums of two exponentials: skewness sqrt(2)."""
    other = draw(*normal.shape, seed=94)
    return -(torch.special.log_ndtr(normal) + torch.special.log_ndtr(other) + 2) / math.sqrt(2)


def _student(normal: Tensor) -> Tensor:
    """Student's t with 4 degrees of freedom, standardised."""
    chi = draw(4, *normal.shape, seed=91).square().sum(0)
    return normal / (chi / 4).sqrt() / math.sqrt(2)


def _two_modes(normal: Tensor) -> Tensor:
    signs = draw(*normal.shape, seed=92).sign()
    return 0.9 * signs + math.sqrt(1 - 0.81) * normal


UNIVARIATE: dict[str, Callable[[Tensor], Tensor]] = {
    "shift": lambda x: x + 0.4,
    "wide": lambda x: 1.3 * x,
    "narrow": lambda x: 0.75 * x,
    "skew": _gamma,
    "heavy tails": _student,
    "flat": lambda x: (torch.special.ndtr(x) - 0.5) * math.sqrt(12),
    "two modes": _two_modes,
}
MULTIVARIATE: dict[str, Callable[[Tensor], Tensor]] = {
    "shift": lambda x: x + 0.2,
    "wide": lambda x: 1.2 * x,
    "narrow": lambda x: 0.8 * x,
    "correlation": lambda x: 0.8 * x + 0.6 * x[..., :1],
    "heavy tails": lambda x: x / (draw(4, *x.shape[:-1], 1, seed=93).square().mean(0)).sqrt() / math.sqrt(2),
}


def univariate_power(statistic: UnivariateStatistic, change: Callable[[Tensor], Tensor]) -> float:
    values = statistic(change(draw(NUM_SAMPLES, 400, seed=90)))
    return (statistic.p_value(values, NUM_SAMPLES) < 0.05).double().mean().item()


def multivariate_power(statistic: MultivariateStatistic, change: Callable[[Tensor], Tensor]) -> float:
    values = statistic(change(draw(200, NUM_POINTS, DIM, seed=90)))
    return (statistic.p_value(values, NUM_POINTS, dim=DIM) < 0.05).double().mean().item()
