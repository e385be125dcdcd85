"""Run benchmark suites: `python benchmarks/run.py [SUITE ...] [--device cpu|cuda]`, all when none is named.

A suite is a package in this folder whose `suite.py` holds `run(device)`: it checks correctness, times, and
writes its JSON through `benchmarks.harness.write_result`.
"""

import importlib
import sys
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


def suites() -> dict[str, str]:
    """Names of the suites with the first line that each says of itself."""
    return {
        path.parent.name: path.read_text(encoding="utf-8").split('"""')[1].splitlines()[0]
        for path in sorted((ROOT / "benchmarks").glob("*/suite.py"))
    }


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(sorted(suites())))
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--list", "list_only", is_flag=True, help="Name the suites and stop.")
def main(names: tuple[str, ...], device: str, list_only: bool) -> None:
    """Run the named suites, or all of them."""
    for name, summary in suites().items():
        if list_only:
            click.echo(f"{name:12} {summary}")
        elif not names or name in names:
            importlib.import_module(f"benchmarks.{name}.suite").run(device)


if __name__ == "__main__":
    main()
