"""The guide's tables of what each statistic sees, measured again."""

import pytest

import leworld.normality
from tests._source import ROOT
from tests.normality.departures import MULTIVARIATE, UNIVARIATE, multivariate_power, univariate_power

BANDS = {"yes": (0.7, 1.0), "some": (0.2, 0.7), "-": (0.0, 0.2)}
TOLERANCE = 0.06


def table(columns: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    """Rows of the guide's table with these columns: a constructor call, and a mark for each column."""
    lines = (ROOT / "docs" / "guides" / "normality.md").read_text(encoding="utf-8").splitlines()
    start = lines.index(f"| statistic | {' | '.join(columns)} |") + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        call, *marks = [cell.strip() for cell in line.strip("|").split("|")]
        rows.append((call.strip("`"), dict(zip(columns, marks, strict=True))))
    return rows


def built(call: str):
    return eval(call, vars(leworld.normality))


def fits(power: float, mark: str) -> bool:
    low, high = BANDS[mark]
    return low - TOLERANCE <= power <= high + TOLERANCE


@pytest.mark.parametrize(("call", "marks"), table(tuple(UNIVARIATE)), ids=lambda value: str(value)[:40])
def test_univariate_marks(call: str, marks: dict[str, str]) -> None:
    statistic = built(call)
    powers = {name: univariate_power(statistic, UNIVARIATE[name]) for name in marks}
    assert not {name: (powers[name], marks[name]) for name in marks if not fits(powers[name], marks[name])}


@pytest.mark.parametrize(("call", "marks"), table(tuple(MULTIVARIATE)), ids=lambda value: str(value)[:40])
def test_multivariate_marks(call: str, marks: dict[str, str]) -> None:
    statistic = built(call)
    powers = {name: multivariate_power(statistic, MULTIVARIATE[name]) for name in marks}
    assert not {name: (powers[name], marks[name]) for name in marks if not fits(powers[name], marks[name])}


def test_a_wrong_mark_is_seen() -> None:
    assert not fits(0.9, "some")
    assert not fits(0.1, "yes")
    assert fits(0.72, "yes")
