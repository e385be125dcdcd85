"""Charts put marks where their numbers are."""

import itertools
import math
import re
import xml.etree.ElementTree as ElementTree

import pytest

from leworld.report._plot import Plot, span


def tree(chart: Plot, alt: str = "A chart.") -> ElementTree.Element:
    return ElementTree.fromstring(chart.svg(alt))


def path_of(chart: Plot, style: str) -> list[tuple[float, float]]:
    (found,) = [e for e in tree(chart).iter("path") if (e.get("class") or "").split()[:1] == [style]]
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", found.get("d", ""))]


def ticks(chart: Plot, anchor: str) -> dict[float, float]:
    """Value -> place of the numbers along one axis."""
    found = {}
    for text in tree(chart).iter("text"):
        if text.get("text-anchor") == anchor and text.get("x"):
            value = (text.text or "").replace("\u2212", "-")
            found[float(value)] = float(text.get("x" if anchor == "middle" else "y", "nan"))
    return found


@pytest.mark.parametrize("log", [False, True])
def test_marks_lie_where_the_axes_say(log: bool) -> None:
    values = [0.1, 1.0, 10.0] if log else [0.0, 5.0, 10.0]
    chart = Plot((values[0], values[-1]), (values[0], values[-1]), x_log=log, y_log=log)
    chart.line(values, values)
    places = path_of(chart, "line")
    across, up = ticks(chart, "middle"), ticks(chart, "end")
    for value, (x, y) in zip(values, places, strict=True):
        if value in across:
            assert math.isclose(across[value], x, abs_tol=0.1)
            assert math.isclose(up[value] - 4, y, abs_tol=0.1)
    assert len(across) >= 3
    assert places[0][0] < places[1][0] < places[2][0]
    assert places[0][1] > places[1][1] > places[2][1]
    middle = (places[0][0] + places[2][0]) / 2
    assert math.isclose(places[1][0], middle, abs_tol=0.1)


@pytest.mark.parametrize("low", [0.003, 0.2, 7.0, 24_800.0])
@pytest.mark.parametrize("factor", [1.15, 1.6, 9.0, 300.0, 1e7])
def test_a_logarithmic_axis_tells_its_numbers(low: float, factor: float) -> None:
    high = low * factor
    up = ticks(Plot((0, 1), (low, high), y_log=True), "end")
    assert 2 <= len(up) <= 9
    bottom, top = 240 - 38, 10
    for value, place in up.items():
        share = math.log(value / low) / math.log(factor)
        assert math.isclose(place - 4, bottom - share * (bottom - top), abs_tol=2.5)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.0, 1.0, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (-3e-4, 1e-4, ["\u22123e-4", "\u22122e-4", "\u22121e-4", "0", "1e-4"]),
        (-2e6, 2e6, ["\u22122e6", "\u22121e6", "0", "1e6", "2e6"]),
        (1000.0, 1001.0, ["1000", "1000.2", "1000.4", "1000.6", "1000.8", "1001"]),
    ],
)
def test_a_straight_axis_tells_its_numbers_in_short(low: float, high: float, words: list[str]) -> None:
    texts = tree(Plot((0, 1), (low, high))).iter("text")
    assert [text.text for text in texts if text.get("text-anchor") == "end"] == words


def test_bounds_in_falling_order_flip_an_axis() -> None:
    chart = Plot((0, 1), (1, 0))
    chart.line((0, 1), (0, 1))
    (_, first), (_, second) = path_of(chart, "line")
    assert first < second


def test_a_gap_breaks_the_line() -> None:
    chart = Plot((0, 3), (0, 3))
    chart.line((0, 1, 2, 3), (0, 1, math.nan, 3))
    (line,) = [e for e in tree(chart).iter("path") if "line" in (e.get("class") or "")]
    assert line.get("d", "").count("M") == 2


def test_the_words_are_escaped_and_told_to_screen_readers() -> None:
    chart = Plot((0, 1), (0, 1), x_label="a < b & c", y_label='"q"')
    chart.horizontal(0.5, "<limit>")
    root = tree(chart, alt='x < "y"')
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'x < "y"'
    texts = [text.text for text in root.iter("text")]
    assert {"a < b & c", '"q"', "<limit>"} <= set(texts)


def test_bounds_hold_all_values() -> None:
    assert span([1.0, math.nan], [3.0, math.inf], margin=0.5) == (0.0, 4.0)
    low, high = span([0.01, 1.0, 0.0, -3.0], log=True)
    assert 0 < low < 0.01
    assert high > 1.0
    assert span([]) == (0.0, 1.0)
    low, high = span([2.0])
    assert low < 2.0 < high


def notes(chart: Plot) -> dict[str, float]:
    """Word -> height of the notes."""
    found = [e for e in tree(chart).iter("text") if e.get("class") == "note"]
    return {text.text or "": float(text.get("y", "nan")) for text in found}


def test_a_note_lies_neither_on_its_line_nor_on_another_note() -> None:
    chart = Plot((0, 1), (0, 1))
    chart.horizontal(1.0, "at the top")
    chart.horizontal(0.5, "in the middle")
    chart.horizontal(0.49, "nearly there")
    chart.vertical(0.95, "at the right end")
    placed = notes(chart)
    assert placed["at the top"] > 10 + 10  # below the line, which has no room above it
    rule = 10 + 0.5 * (240 - 38 - 10)
    assert rule - 8 < placed["in the middle"] < rule
    heights = sorted(placed.values())
    assert min(b - a for a, b in itertools.pairwise(heights)) >= 12
    assert heights[0] >= 10
    assert heights[-1] <= 240 - 38
