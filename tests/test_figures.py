"""Every measured figure in README and docs comes from a committed JSON."""

import json
import re

import pytest

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
