"""The pages of docs/choose have one form, and their pictures show what the committed JSON holds."""

import re
from pathlib import Path

import pytest

from benchmarks.pictures import FOLDER, PALETTES, PICTURES, Bar, bars, drawn
from tests._source import ROOT

PAGES = sorted(path for path in (ROOT / "docs" / "choose").glob("*.md") if path.name != "index.md")
PICTURE = re.compile(
    r"^!\[(?P<alt>[^\]]+)\]\(\.\./assets/choose/(?P<file>[\w-]+\.svg)#only-(?P<scheme>\w+)\)$", re.M
)
TABLE = re.compile(r"^\|(?: ?-+ ?\|)+$", re.M)


def faults(text: str, name: str) -> list[str]:
    """What is wrong with the form of a page."""
    lines = text.splitlines()
    found = []
    if not lines[0].startswith("# How to choose a"):
        found.append("heading")
    if not lines[2].startswith("If in doubt, "):
        found.append("no advice on top")
    if len(TABLE.findall(text)) != 1:
        found.append("not one table")
    pictures = {(m["file"], m["scheme"]) for m in PICTURE.finditer(text)}
    if pictures != {(f"{name}-{scheme}.svg", scheme) for scheme in PALETTES}:
        found.append("not one picture in two schemes")
    if len({m["alt"] for m in PICTURE.finditer(text)}) != 1:
        found.append("the two versions are told differently")
    return found


def test_there_is_a_page_for_every_choice() -> None:
    assert {path.stem for path in PAGES} == set(PICTURES)
    index = (ROOT / "docs" / "choose" / "index.md").read_text(encoding="utf-8")
    assert all(f"({path.name})" in index for path in PAGES)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_has_the_form(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8"), path.stem) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("If in doubt, ", "", "no advice on top"),
        ("\n|---", "\n\n|---|\n|---", "not one table"),
        ("#only-dark", "", "not one picture in two schemes"),
        ("dark.svg", "light.svg", "not one picture in two schemes"),
        ("![Share", "![", "the two versions are told differently"),
    ],
)
def test_another_form_is_seen(old: str, new: str, fault: str) -> None:
    text = (ROOT / "docs" / "choose" / "planner.md").read_text(encoding="utf-8")
    assert fault in faults(text.replace(old, new, 1), "planner")


@pytest.mark.parametrize("path", sorted(drawn()), ids=lambda path: path.name)
def test_pictures_show_what_the_json_holds(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == drawn()[path], "run `python -m benchmarks.pictures`"


def test_no_other_picture_lies_there() -> None:
    assert set(FOLDER.iterdir()) == set(drawn())


def test_bars_are_as_long_as_their_values() -> None:
    rows = [Bar("half", 0.5, "50 %", 0.4, 0.6), Bar("whole", 1.0, "100 %")]
    widths = [
        float(width)
        for width in re.findall(
            r'<rect [^>]*width="([\d.]+)"', bars(PALETTES["light"], "shares", rows, most=1.0)
        )
    ]
    assert widths[0] == pytest.approx(widths[1] / 2, abs=0.1)
    rows = [Bar("one", 1.0, "1"), Bar("ten", 10.0, "10"), Bar("hundred", 100.0, "100")]
    widths = [
        float(width)
        for width in re.findall(
            r'<rect [^>]*width="([\d.]+)"', bars(PALETTES["light"], "times", rows, most=100.0, log=True)
        )
    ]
    assert widths[1] - widths[0] == pytest.approx(widths[2] - widths[1], abs=0.2)
