"""The guide's power tables, measured again in part with other random numbers."""

import json
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import leworld.normality
from benchmarks.harness import RESULTS
from benchmarks.regularizers.departures import MULTIVARIATE, UNIVARIATE, datasets
from benchmarks.regularizers.power import DIM, NUM_SAMPLES, share_above
from leworld.normality import MultivariateStatistic, UnivariateStatistic

RESULT = json.loads((RESULTS / "regularizers_power.json").read_text(encoding="utf-8"))
# About three standard errors of a share of 200 draws beyond a threshold of 700.
TOLERANCE = 0.15
PAIRS = "MultivariateNormality"


def rows(kind: str, prefix: str = "") -> dict[str, dict[str, float]]:
    found = [r for r in RESULT["rows"] if r["kind"] == kind and r["what"].startswith(prefix)]
    return {r["what"].removeprefix(prefix): r["power"] for r in found}


def built(call: str):
    return eval(call, dict(vars(leworld.normality)))


def off(power: dict[str, float], again: dict[str, float]) -> dict[str, tuple[float, float]]:
    return {name: (power[name], again[name]) for name in again if abs(power[name] - again[name]) > TOLERANCE}


def univariate_again(statistic: UnivariateStatistic) -> dict[str, float]:
    null = statistic(datasets(UNIVARIATE["none"], (NUM_SAMPLES, 4000), seed=11))
    return {
        name: share_above(null, statistic(datasets(change, (NUM_SAMPLES, 600), seed=12)))
        for name, change in UNIVARIATE.items()
    }


def multivariate_again(judge: Callable[[Tensor], Tensor]) -> dict[str, float]:
    def values(change: str, count: int, seed: int) -> Tensor:
        parts = datasets(MULTIVARIATE[change], (count, NUM_SAMPLES, DIM), seed=seed)
        return torch.stack([judge(part) for part in parts])

    with torch.no_grad():
        null = values("none", 700, 11)
        changes = ("none", "narrow", "heavy tails", "correlation")
        return {name: share_above(null, values(name, 200, 12)) for name in changes}


def test_the_table_was_measured_at_these_settings() -> None:
    assert RESULT["settings"]["samples"] == NUM_SAMPLES
    assert RESULT["settings"]["dim"] == DIM
    assert all(set(power) == set(UNIVARIATE) for power in rows("univariate").values())
    assert all(set(power) == set(MULTIVARIATE) for power in rows("multivariate").values())


@pytest.mark.parametrize("call", rows("univariate"))
def test_univariate_power(call: str) -> None:
    statistic = built(call)
    assert isinstance(statistic, UnivariateStatistic)
    assert not off(rows("univariate")[call], univariate_again(statistic))


@pytest.mark.parametrize("call", rows("multivariate", PAIRS))
def test_multivariate_power(call: str) -> None:
    statistic = built(call)
    assert isinstance(statistic, MultivariateStatistic)
    assert not off(rows("multivariate", PAIRS)[call], multivariate_again(statistic))


def test_every_statistic_has_a_row() -> None:
    """Other quadratures of Epps-Pulley aside, which are Epps-Pulley to the digits of the table."""
    quadratures = {"SimpsonEppsPulley", "GaussHermiteEppsPulley"}
    for kind, base, prefix in (
        ("univariate", UnivariateStatistic, ""),
        ("multivariate", MultivariateStatistic, PAIRS),
    ):
        named = {type(built(call)).__name__ for call in rows(kind, prefix)}
        exported = {
            name
            for name, value in vars(leworld.normality).items()
            if isinstance(value, type) and issubclass(value, base) and value is not base
        }
        assert exported - quadratures == named


def test_another_row_is_seen() -> None:
    again = univariate_again(built("Watson()"))
    assert off(rows("univariate")["CramerVonMises()"], again)
    assert off(rows("univariate")["Watson()"] | {"shift": 0.9}, again)
