"""Hold this checkout beside a former one: `python -m benchmarks.compare_former FORMER [--pairs N]`.

FORMER is a folder with another checkout, made for example by `git worktree add FORMER COMMIT`. Each side runs
in processes of its own, and they take turns. SIGReg, ExactSIGReg and the shipped model must return equal bits
on one thread; anything else ends the comparison. Times are CPU time: `ratio` is the median over rounds of
this / former, so below 1 means faster than before. Plans draw their noise as each side does, so goals reached
are compared on the same pairs. Writes benchmarks/results/former.json.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks.harness import write_result

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "benchmarks" / "former" / "work.py"
MODEL = "lewm-tworoom-tiny"
PROTOCOLS = ("trajectory-25", "same-room", "cross-door")
CLI = "from leworld.cli import main; main()"
BOUND = 1.05
SECONDS, MOST_ROUNDS = 4.0, 100


def environment(checkout: Path) -> dict[str, str]:
    """Return an environment in which a checkout's leworld is imported, on one thread."""
    return {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}


class Side:
    """A process that works for one checkout."""

    def __init__(self, checkout: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(WORK), str(checkout)],
            env=environment(checkout),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.calls: list[str] = self._answer()["calls"]

    def ask(self, name: str) -> dict[str, Any]:
        """Ask for "values", or for the seconds of a call."""
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.write(json.dumps(name) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101
        line = self._process.stdout.readline()
        if not line:
            self.end()
            raise SystemExit(f"a side ended with exit code {self._process.returncode}")
        return json.loads(line)

    def end(self) -> None:
        """Let the process end."""
        self._process.communicate()


def differences(former: dict[str, Any], this: dict[str, Any]) -> list[str]:
    """Return what is not equal, or is on one side only."""
    return [
        name
        for name in sorted(former.keys() | this.keys())
        if name != "version" and former.get(name) != this.get(name)
    ]


def time_sides(sides: tuple[Side, Side], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Return pairs of seconds, former and this, by call; who begins alternates."""
    found: dict[str, list[tuple[float, float]]] = {}
    for name in sides[0].calls:
        for side in sides:
            side.ask(name)  # builds and warms up
        short = int(SECONDS / sides[0].ask(name)["seconds"])  # short calls get more rounds
        for turn in range(max(rounds, min(MOST_ROUNDS, short))):
            seconds = [0.0, 0.0]
            for place in (0, 1) if turn % 2 else (1, 0):
                seconds[place] = sides[place].ask(name)["seconds"]
            found.setdefault(name, []).append((seconds[0], seconds[1]))
    return found


def time_row(name: str, seconds: list[tuple[float, float]]) -> dict[str, Any]:
    """Lay out one call's times."""
    ratios = sorted(this / former for former, this in seconds)
    low, _, high = statistics.quantiles(ratios, n=4)
    return {
        "what": name,
        "former_ms": 1e3 * statistics.median(former for former, _ in seconds),
        "this_ms": 1e3 * statistics.median(this for _, this in seconds),
        "ratio": statistics.median(ratios),
        "ratio_low": low,
        "ratio_high": high,
        "rounds": len(ratios),
        "within_bound": statistics.median(ratios) <= BOUND,
    }


def play(checkout: Path, protocol: str, pairs: int) -> dict[str, Any]:
    """Let one side's shipped model plan its way to goals, by the command line."""
    with tempfile.TemporaryDirectory() as folder:
        options = ("--protocol", protocol, "--pairs", str(pairs), "--seed", "0", "--no-baselines")
        subprocess.run(
            [sys.executable, "-c", CLI, "plan", MODEL, *options, "--out", folder],
            env=environment(checkout),
            cwd=folder,
            check=True,
            capture_output=True,
        )
        (path,) = Path(folder).glob("*.json")
        return json.loads(path.read_text(encoding="utf-8"))


def goal_row(protocol: str, former: dict[str, Any], this: dict[str, Any]) -> dict[str, Any]:
    """Lay out how often each side arrived from the same starts at the same goals."""
    if (former["start"], former["goal"]) != (this["start"], this["goal"]):
        raise SystemExit(f"{protocol}: the two sides drew other pairs")
    outcomes = [next(iter(result["policies"].values())) for result in (former, this)]
    reached = [outcome["pairs"]["reached"] for outcome in outcomes]
    row: dict[str, Any] = {"what": f"goals reached, {protocol}", "pairs": len(reached[0])}
    for side, outcome in zip(("former", "this"), outcomes, strict=True):
        row[f"{side}_success"] = outcome["success_rate"]
        row[f"{side}_low"], row[f"{side}_high"] = outcome["success_interval"]
    low, high = outcomes[0]["success_interval"]
    row["only_former"] = sum(a and not b for a, b in zip(*reached, strict=True))
    row["only_this"] = sum(b and not a for a, b in zip(*reached, strict=True))
    row["within_interval"] = low <= outcomes[1]["success_rate"] <= high
    return row


@click.command(help=__doc__)
@click.argument("former", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--commit", default="", help="Which commit FORMER holds; asked of git if left out.")
@click.option("--processes", default=3, show_default=True, help="Pairs of processes.")
@click.option("--rounds", default=5, show_default=True, help="Least rounds that each pair times a call.")
@click.option("--pairs", default=100, show_default=True, help="Starts and goals a protocol; 0 for none.")
def main(former: Path, commit: str, processes: int, rounds: int, pairs: int) -> None:
    """Compare values, then times, then goals."""
    former = former.resolve()
    if not commit:
        asked = ["git", "-C", str(former), "rev-parse", "--short", "HEAD"]
        commit = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    seconds: dict[str, list[tuple[float, float]]] = {}
    equal: list[str] = []
    for _ in range(processes):
        sides = Side(former), Side(ROOT)
        found = sides[0].ask("values"), sides[1].ask("values")
        if unequal := differences(*found):
            raise SystemExit(f"not equal bit for bit: {', '.join(unequal)}; nothing was timed")
        equal = [name for name in found[1] if name != "version"]
        for name, times in time_sides(sides, rounds).items():
            seconds.setdefault(name, []).extend(times)
        for side in sides:
            side.end()
    rows = [time_row(name, times) for name, times in seconds.items()]
    for protocol in PROTOCOLS if pairs else ():
        rows.append(goal_row(protocol, play(former, protocol, pairs), play(ROOT, protocol, pairs)))
    for row in rows:
        click.echo(
            "  ".join(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values())
        )
    path = write_result(
        "former",
        command="python -m benchmarks.compare_former FORMER",
        settings={
            "former": commit,
            "equal_bit_for_bit": equal,
            "ratio": "this / former, CPU time on one thread, median over rounds; low and high are quartiles",
            "bound": BOUND,
            "processes": processes,
            "noise of plans": "each side's own; goals are compared on the same pairs",
        },
        rows=rows,
    )
    click.echo(f"wrote {path.name}")


if __name__ == "__main__":
    main()
