"""Make notebooks and figures of the tutorials: `python -m benchmarks.tutorials [NAME ...] [--figures]`.

A tutorial is a page, docs/tutorials/NAME.md. NAME.ipynb beside it holds the same text and the same blocks; a
test compares. `--figures` also runs the blocks of the pages, in an empty folder, and keeps the pictures that
they save there as docs/tutorials/figures/NAME-*.png.
"""

import json
import os
import re
import runpy
import tempfile
from pathlib import Path
from typing import Any

import click

TUTORIALS = Path(__file__).resolve().parent.parent / "docs" / "tutorials"
FIGURES = TUTORIALS / "figures"
BLOCK = re.compile(r"^```python\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
INSTALL = re.compile(r"^```bash\npip install (.*?)\n```\n", re.MULTILINE)


def names() -> list[str]:
    """Names of the tutorials."""
    return [path.stem for path in sorted(TUTORIALS.glob("*.md")) if path.stem != "index"]


def blocks(text: str) -> list[str]:
    """Return the Python blocks of a page."""
    return [match[1] for match in BLOCK.finditer(text)]


def notebook(text: str) -> dict[str, Any]:
    """Return a page as a notebook: a cell for every block, for what stands between, and for the install."""
    text = INSTALL.sub(lambda m: f"```python\n%pip install {m[1]}\n```\n", text, count=1)
    cells: list[dict[str, Any]] = []

    def add(kind: str, source: str) -> None:
        if source.strip():
            cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{len(cells)}", "metadata": {}}
            if kind == "code":
                cell |= {"execution_count": None, "outputs": []}
            cells.append(cell | {"source": source.strip("\n").splitlines(keepends=True)})

    end = 0
    for match in BLOCK.finditer(text):
        add("markdown", text[end : match.start()])
        add("code", match[1])
        end = match.end()
    add("markdown", text[end:])
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def rendered(name: str) -> str:
    """Return the notebook of a tutorial as text."""
    page = (TUTORIALS / f"{name}.md").read_text(encoding="utf-8")
    return json.dumps(notebook(page), indent=1, ensure_ascii=False) + "\n"


def make_figures(name: str) -> list[Path]:
    """Run the blocks of a page and keep the pictures that they save."""
    page, here = (TUTORIALS / f"{name}.md").read_text(encoding="utf-8"), Path.cwd()
    made = []
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "tutorial.py"
        program.write_text("\n".join(blocks(page)), encoding="utf-8")
        os.chdir(folder)
        try:
            runpy.run_path(str(program))
        finally:
            os.chdir(here)
        for picture in sorted(Path(folder).glob(f"{name}-*.png")):
            FIGURES.mkdir(exist_ok=True)
            (FIGURES / picture.name).write_bytes(picture.read_bytes())
            made.append(FIGURES / picture.name)
    return made


@click.command(help=__doc__)
@click.argument("chosen", nargs=-1)
@click.option("--figures", is_flag=True, help="Run the pages and keep what they draw.")
def main(chosen: tuple[str, ...], figures: bool) -> None:
    """Write the notebooks."""
    for name in chosen or names():
        for picture in make_figures(name) if figures else ():
            click.echo(picture.name)
        (TUTORIALS / f"{name}.ipynb").write_text(rendered(name), encoding="utf-8")
        click.echo(f"{name}.ipynb")


if __name__ == "__main__":
    main()
