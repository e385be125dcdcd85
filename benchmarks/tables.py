"""Write the measured tables of README and docs from the committed JSON: `python -m benchmarks.tables`.

A page marks the place of a table by `<!-- table: NAME -->` and `<!-- end -->`; everything between them is
replaced. A test renders again and compares, so a page cannot say what no JSON holds. Each suite lays out its
own tables in its `tables.py`.
"""

from importlib import import_module
from pathlib import Path

import click

from benchmarks.layout import BLOCK, TABLES

ROOT = Path(__file__).resolve().parent.parent

for _module in sorted(Path(__file__).parent.glob("*/tables.py")):
    import_module(f"benchmarks.{_module.parent.name}.tables")


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
