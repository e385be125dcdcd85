"""Every measured figure in README and docs comes from a committed JSON."""

import json
import re

import pytest

from benchmarks.harness import RESULTS
from benchmarks.reproduce.tables import time_of
from benchmarks.tables import BLOCK, ROOT, TABLES, pages, render

# A figure that only a measurement can give: a share, a ratio, a time, a memory or parameter count.
MEASURED = re.compile(
    r"\b\d[\d.,]*\s?(?:%|x\b|ms\b|us\b|seconds?\b|minutes\b|MB\b|GB\b|times (?:faster|cheaper))"
)


def prose(text: str) -> str:
    """A page without generated tables, code and links."""
    text = BLOCK.sub("", text)
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return re.sub(r"`[^`]*`", "", text)


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_tables_say_what_the_json_holds(path) -> None:
    text = path.read_text(encoding="utf-8")
    assert render(text) == text, "run `python -m benchmarks.tables`"


def test_the_readme_has_its_table_and_no_other_figures() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {"tworoom-shipped"} <= {m["name"] for m in BLOCK.finditer(text)}
    assert not MEASURED.findall(prose(text))


def test_measured_tables_stand_in_the_benchmarks() -> None:
    """A guide keeps one that its own text goes through line by line; the README has one for a first look."""
    placed = {
        (path.parent.name, m["name"]) for path in pages() for m in BLOCK.finditer(path.read_text("utf-8"))
    }
    elsewhere = {name for folder, name in placed if folder != "benchmarks"}
    assert elsewhere == {"arm-blindness", "tworoom-shipped"}


def test_every_result_tells_its_command_and_the_page_that_shows_it() -> None:
    text = (ROOT / "docs" / "benchmarks" / "reproduce.md").read_text(encoding="utf-8")
    rows = {
        cells[1].strip(" `"): cells[2:-1] for line in text.splitlines() if (cells := line.split("|"))[1:2]
    }
    results = {path.name: json.loads(path.read_text("utf-8")) for path in RESULTS.glob("*.json")}
    assert rows.keys() - {"result", "---"} == results.keys()
    for name, result in results.items():
        assert result["command"] in rows[name][0]
    assert rows["hub_load.json"][2].strip() == "[Benchmark of loading](loading.md)"
    assert "[Benchmarks in TwoRoom](tworoom.md)" in rows["lewm_tworoom_tiny.json"][2]
    assert "README" in rows["lewm_tworoom_tiny.json"][2]
    assert "(../choose/planner.md)" in rows["tworoom_planners.json"][2]  # a picture tells of it


def test_the_time_of_a_result_is_the_sum_of_what_it_took() -> None:
    rows = [{"cpu_seconds": 60.0, "plan": {"seconds": 9.0}}, {"cpu_seconds": 1.5, "training_seconds": 2.0}]
    assert time_of("any", {"rows": rows}) == 63.5  # what one plan takes is no part of it
    assert time_of("tune", {"rows": [{"seconds": 5.0, "sweep_seconds": 70.0}]}) == 5.0
    assert time_of("any", {"rows": [{"flops": 1}]}) == 0.0


@pytest.mark.parametrize("claim", ["It is 12 x faster.", "reaches 95 % of goals", "a step takes 3.5 ms"])
def test_a_bare_figure_is_seen(claim: str) -> None:
    assert MEASURED.search(prose(claim))


def test_a_changed_number_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    name = next(BLOCK.finditer(text))["name"]
    monkeypatch.setitem(TABLES, name, lambda: "another table")
    assert render(text) != text


@pytest.mark.parametrize(
    ("name", "protocols"), [("lewm-tworoom-tiny", 3), ("lewm-pusht-tiny", 5), ("lewm-arm-tiny", 1)]
)
def test_the_shipped_card_holds_the_committed_numbers(name: str, protocols: int) -> None:
    result = json.loads(
        (ROOT / "benchmarks" / "results" / f"{name.replace('-', '_')}.json").read_text(encoding="utf-8")
    )
    card = (ROOT / "leworld" / "hub" / "checkpoints" / name / "README.md").read_text(encoding="utf-8")
    rows = [row for row in result["rows"] if "protocol" in row]
    assert len(rows) == protocols
    for row in rows:
        line = next(line for line in card.splitlines() if line.startswith("|") and row["protocol"] in line)
        model = row["LeWM"]
        assert f"{100 * model['success']:.1f} %" in line
        assert f"{100 * model['low']:.1f} to {100 * model['high']:.1f} %" in line
