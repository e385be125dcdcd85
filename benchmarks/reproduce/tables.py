"""The table of all committed results."""

import math
import re
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS
from benchmarks.layout import BLOCK, READ, TABLES, load, markdown, table
from benchmarks.pictures import FOLDER, PALETTES, PICTURES

DOCS = Path(__file__).resolve().parents[2] / "docs"
_OWN = "all-results"
# Names of the CPU time of what takes long: trainings, and playing where it is timed.
_TIMES = (
    "cpu_seconds",
    "collection_cpu_seconds",
    "pretraining_seconds",
    "train_cpu_seconds",
    "training_cpu_seconds",
    "training_seconds",
)
# Files that keep the time of a whole row under a name of their own.
_ROW_TIMES = {"tune": "seconds", "tune_sweep": "sweep_seconds"}


@table
def all_results() -> str:
    """Each result: the command that made it, its CPU time, and where it is shown."""
    shown = places()
    rows = []
    for name in sorted(path.stem for path in RESULTS.glob("*.json")):
        result = load(name)
        seconds = time_of(name, result)
        minutes = str(math.ceil(seconds / 60)) if seconds else ""
        pages = ", ".join(_link(path) for path in shown.get(name, ())) or "no page"
        rows.append([f"`{name}.json`", f"`{result['command']}`", minutes, pages])
    return markdown(["result", "command", "CPU minutes, at least", "shown in"], rows)


def places() -> dict[str, list[Path]]:
    """Return the pages on which a table or a picture tells of a result, by the result's name."""
    found: dict[str, list[Path]] = {}
    for path in [DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        READ.clear()
        for block in BLOCK.finditer(text):
            if block["name"] != _OWN:
                TABLES[block["name"]]()
        for name, draw in PICTURES.items():
            if f"{FOLDER.name}/{name}-light.svg" in text:
                draw(PALETTES["light"])
        for name in READ:
            found.setdefault(name, []).append(path)
    return found


def time_of(name: str, result: dict[str, Any]) -> float:
    """Return the seconds of CPU time that a result tells of, 0 if it tells of none."""
    if name in _ROW_TIMES:
        return sum(row[_ROW_TIMES[name]] for row in result["rows"])
    return _summed(result)


def _summed(part: Any) -> float:
    if isinstance(part, list):
        return sum(map(_summed, part))
    if not isinstance(part, dict):
        return 0.0
    own = sum(part[name] for name in _TIMES if isinstance(part.get(name), int | float))
    return own + sum(_summed(value) for value in part.values())


def _link(path: Path) -> str:
    if DOCS not in path.parents:
        return path.stem
    title = re.search(r"^# (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    folder = path.parent.relative_to(DOCS).as_posix()
    place = path.name if folder == "benchmarks" else f"../{folder}/{path.name}"
    return f"[{title[1] if title else path.stem}]({place})"
