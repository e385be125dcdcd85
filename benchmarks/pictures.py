"""Draw the pictures of docs/choose from the committed JSON: `python -m benchmarks.pictures`.

Each is an SVG of a telephone's width in two versions, for light and for dark pages. A test draws them again
and compares, so a picture cannot show what no JSON holds.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

import click

from benchmarks.layout import load
from leworld.metrics import wilson_interval

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "assets" / "choose"
WIDTH, LABEL, ROW = 440, 174, 30
PALETTES = {
    "light": {"ink": "#222222", "faint": "#5c5c5c", "line": "#c9c9c9", "mark": "#3f51b5", "fill": "#c5cae9"},
    "dark": {"ink": "#e6e6ee", "faint": "#b0b3c0", "line": "#555a6e", "mark": "#8ab0ff", "fill": "#3b4670"},
}
Draw = Callable[[dict[str, str]], str]
PICTURES: dict[str, Draw] = {}


@dataclass(frozen=True)
class Bar:
    """One line of a chart: a value with what stands behind it, and an interval where there is one."""

    label: str
    value: float
    words: str
    low: float | None = None
    high: float | None = None


def picture(function: Draw) -> Draw:
    """Register a picture under its function's name."""
    PICTURES[function.__name__] = function
    return function


def text(x: float, y: float, words: str, colour: str, *, anchor: str = "start", bold: bool = False) -> str:
    """A line of text."""
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}" text-anchor="{anchor}"{weight}>{escape(words)}</text>'


def frame(height: float, parts: Iterable[str]) -> str:
    """The whole file."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
    return (
        head
        + f'height="{height:g}" font-family="sans-serif" font-size="13">\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def bars(colours: dict[str, str], title: str, rows: list[Bar], *, most: float, log: bool = False) -> str:
    """A chart of horizontal bars."""
    left, right, top = LABEL, WIDTH - 110, 34
    least = min(row.value for row in rows) / 2

    def place(value: float) -> float:
        share = math.log(value / least) / math.log(most / least) if log else value / most
        return left + (right - left) * min(max(share, 0.0), 1.0)

    parts = [text(0, 16, title, colours["ink"], bold=True)]
    for number, row in enumerate(rows):
        middle = top + ROW * number + ROW / 2
        end = place(row.value)
        parts.append(text(0, middle + 4, row.label, colours["ink"]))
        parts.append(
            f'<rect x="{left}" y="{middle - 8:g}" width="{end - left:.1f}" height="16" '
            f'fill="{colours["fill"]}"/>'
        )
        edge = end
        if row.low is not None and row.high is not None:
            edge = place(row.high)
            parts.append(
                f'<path d="M{place(row.low):.1f} {middle:g}H{edge:.1f}" stroke="{colours["mark"]}" '
                'stroke-width="2"/>'
            )
        parts.append(f'<circle cx="{end:.1f}" cy="{middle:g}" r="4" fill="{colours["mark"]}"/>')
        parts.append(text(edge + 8, middle + 4, row.words, colours["faint"]))
    return frame(top + ROW * len(rows) + 4, parts)


def share(label: str, reached: float, low: float, high: float) -> Bar:
    """A share of goals reached, with its interval."""
    return Bar(label, reached, f"{100 * reached:.0f} %", low, high)


@picture
def regularizer(colours: dict[str, str]) -> str:
    """What models trained with five regularizers reach behind a door."""
    result = load("tworoom_regularizers")
    groups: dict[str, list[float]] = {}
    for row in result["rows"]:
        if row["phase"] == "final":
            groups.setdefault(row["regularizer"], []).append(row["cross-door"])
    rows = []
    for name, values in groups.items():
        trials = 50 * len(values)
        found = wilson_interval(round(sum(values) * 50), trials)
        rows.append(share(name, sum(values) / len(values), found.low, found.high))
    return bars(colours, "Goals behind a door reached, five seeds", rows, most=1.0)


@picture
def model(colours: dict[str, str]) -> str:
    """What LeWM, PLDM and a small DINO-WM reach behind a door."""
    groups: dict[str, list[dict[str, float]]] = {}
    for row in load("tworoom_compare")["rows"]:
        groups.setdefault(row["model"], []).append(row["success"]["cross-door"])
    names = {"lewm": "LeWM", "pldm": "PLDM", "dinowm": "DINOWM, own features"}
    rows = []
    for name, found in groups.items():
        reached, pairs = sum(int(x["reached"]) for x in found), sum(int(x["pairs"]) for x in found)
        interval = wilson_interval(reached, pairs)
        rows.append(share(names[name], reached / pairs, interval.low, interval.high))
    return bars(colours, "Goals behind a door reached, three seeds", rows, most=1.0)


@picture
def planner(colours: dict[str, str]) -> str:
    """What planners reach behind a door with about a tenth of the published evaluations."""
    rows = []
    for row in load("tworoom_planners")["rows"]:
        few = 500 < row["evaluations_a_decision"] < 1000 or row["planner"] == "inverse model alone"
        if row["protocol"] == "cross-door" and few:
            name = row["planner"].replace(" 100 x 5, then gradient 3 x 40", ", then gradient")
            milliseconds = row["cpu_ms_a_decision"]
            words = f"{100 * row['success']:.0f} %, {milliseconds:.{0 if milliseconds > 1 else 1}f} ms"
            rows.append((milliseconds, Bar(name, row["success"], words, row["low"], row["high"])))
    ordered = [bar for _, bar in sorted(rows, key=lambda pair: pair[0])]
    return bars(colours, "Goals behind a door reached, and CPU time a decision", ordered, most=1.0)


def _parts(colours: dict[str, str], kind: str, title: str) -> str:
    rows = [row for row in load("parts_cpu")["rows"] if row["kind"] == kind]
    first = rows[0]["median_ms"]
    found = [
        Bar(row["what"], row["median_ms"] / first, f"{1 / row['ratio']:.1f}")
        for row in sorted(rows, key=_speed)
    ]
    return bars(colours, title, found, most=max(bar.value for bar in found), log=True)


def _speed(row: dict[str, float]) -> float:
    return -row["ratio"]


@picture
def encoder(colours: dict[str, str]) -> str:
    """What encoders cost."""
    return _parts(colours, "encoder", "CPU time a picture, ConvEncoder = 1, logarithmic")


@picture
def predictor(colours: dict[str, str]) -> str:
    """What predictors cost."""
    return _parts(colours, "predictor", "CPU time a rollout, LinearPredictor = 1, logarithmic")


@picture
def data(colours: dict[str, str]) -> str:
    """How fast random windows come from each format."""
    rows = [row for row in load("data_throughput")["rows"] if row["size"] == 64]
    rows.sort(key=lambda row: -row["windows_per_second"])
    found = [
        Bar(
            row["source"].replace("`", "").replace("a chunk a frame", "by frame"),
            row["windows_per_second"],
            f"{row['windows_per_second']:,.0f}",
        )
        for row in rows
    ]
    return bars(
        colours, "Random windows a second, 64 pixels, logarithmic", found, most=found[0].value, log=True
    )


def drawn() -> dict[Path, str]:
    """Every picture's file, and what belongs into it."""
    return {
        FOLDER / f"{name}-{scheme}.svg": function(colours)
        for name, function in PICTURES.items()
        for scheme, colours in PALETTES.items()
    }


@click.command(help=__doc__)
def main() -> None:
    """Write all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, words in drawn().items():
        path.write_text(words, encoding="utf-8")


if __name__ == "__main__":
    main()
