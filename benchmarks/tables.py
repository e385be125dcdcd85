"""Write the measured tables of README and docs from the committed JSON: `python -m benchmarks.tables`.

A page marks the place of a table by `<!-- table: NAME -->` and `<!-- end -->`; everything between them is
replaced. A test renders again and compares, so a page cannot say what no JSON holds.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from benchmarks.harness import RESULTS

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"<!-- table: (?P<name>[\w-]+) -->\n.*?<!-- end -->", re.DOTALL)
PROTOCOLS = ("trajectory-25", "same-room", "cross-door")


def load(name: str) -> dict[str, Any]:
    """Read one committed result."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """Lay out a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def source(*results: dict[str, Any]) -> str:
    """Say which commands made the numbers, on what."""
    commands = ", ".join(dict.fromkeys(f"`{result['command']}`" for result in results))
    facts = results[0]["environment"]
    threads = facts["threads"]
    return (
        f"Made by {commands} with leworld {facts['leworld']} and torch {facts['torch']} on "
        f"{facts['cpu'] if facts['device'] == 'cpu' else facts['device']}, "
        f"{threads} thread{'s' if threads > 1 else ''}; JSON under `benchmarks/results/`."
    )


def percent(value: float) -> str:
    """A share as a percentage."""
    return f"{100 * value:.0f} %"


def interval(outcome: dict[str, float]) -> str:
    """A success rate with its interval."""
    return f"{percent(outcome['success'])} ({percent(outcome['low'])} to {percent(outcome['high'])})"


TABLES: dict[str, Callable[[], str]] = {}


def table(function: Callable[[], str]) -> Callable[[], str]:
    """Register a table under its function's name, dashes for underscores."""
    TABLES[function.__name__.replace("_", "-")] = function
    return function


@table
def tworoom_shipped() -> str:
    """Goal reaching of the shipped model beside random actions and the oracle."""
    result = load("lewm_tworoom_tiny")
    rows = [
        [row["protocol"], *(interval(row[name]) for name in ("LeWM", "random", "oracle"))]
        for row in result["rows"]
    ]
    head = ["protocol", "lewm-tworoom-tiny", "random actions", "planner on the true dynamics"]
    pairs = result["settings"]["pairs"]
    return (
        f"Share of {pairs} pairs reached, those solved at the start left out, 95 % Wilson intervals:\n\n"
        f"{markdown(head, rows)}\n\n{source(result)}"
    )


@table
def tworoom_seeds() -> str:
    """The recipe over seeds."""
    result = load("tworoom_seeds")
    rows = [
        [
            str(row["seed"]),
            f"{row['cpu_seconds'] / 60:.1f}",
            *(percent(row[protocol]) for protocol in PROTOCOLS),
            f"{row['probe_r2']:.3f}",
            f"{row['embedding_std']:.2f}",
            f"{row['effective_rank']:.1f}",
        ]
        for row in result["rows"]
    ]
    head = ["seed", "CPU minutes", *PROTOCOLS, "linear-probe R2", "embedding std", "effective rank"]
    return (
        f"The recipe from several seeds, {result['settings']['num_parameters']:,} parameters, with data "
        f"collection:\n\n{markdown(head, rows)}\n\n{source(result)}"
    )


@table
def sigreg_cpu() -> str:
    """SIGReg's implementations beside the published formula, eager and compiled."""
    result = load("sigreg_cpu")
    sizes = list(
        dict.fromkeys((row["leading"], row["samples"], row["dim"], row["slices"]) for row in result["rows"])
    )
    rows = []
    for what in dict.fromkeys(row["what"] for row in result["rows"]):
        cells = [what]
        for size in sizes:
            found = [
                row
                for row in result["rows"]
                if row["what"] == what and (row["leading"], row["samples"], row["dim"], row["slices"]) == size
            ]
            cells += (
                [f"{found[0]['ratio']:.1f}", f"{found[0]['peak_megabytes']:.1f}"] if found else ["-", "-"]
            )
        rows.append(cells)
    head = ["forward + backward"]
    for leading, samples, dim, slices in sizes:
        head += [f"speed-up at ({leading}, {samples}, {dim}), {slices} slices", "peak MB"]
    return f"{markdown(head, rows)}\n\n{source(result)}"


def render(text: str) -> str:
    """Fill every block of a page."""
    return BLOCK.sub(lambda m: f"<!-- table: {m['name']} -->\n{TABLES[m['name']]()}\n<!-- end -->", text)


def pages() -> list[Path]:
    """Pages that hold at least one block."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path for path in found if BLOCK.search(path.read_text(encoding="utf-8"))]


@click.command(help=__doc__)
def main() -> None:
    """Rewrite every block of every page."""
    for path in pages():
        path.write_text(render(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
