"""Each tutorial is one source: a notebook that says the same, and figures that its blocks draw.

That the blocks run is tested with those of all other pages, in tests/test_docs.py.
"""

import json
import re

import pytest

from benchmarks.tutorials import FIGURES, TUTORIALS, blocks, names, notebook, rendered

PAGES = {name: (TUTORIALS / f"{name}.md").read_text(encoding="utf-8") for name in names()}
PICTURE = re.compile(r"!\[([^\]]*)\]\(figures/([\w.-]+)\)")


@pytest.mark.parametrize("name", PAGES)
def test_the_notebook_says_what_the_page_says(name: str) -> None:
    written = (TUTORIALS / f"{name}.ipynb").read_text(encoding="utf-8")
    assert written == rendered(name), "run `python -m benchmarks.tutorials`"
    code = ["".join(cell["source"]) for cell in json.loads(written)["cells"] if cell["cell_type"] == "code"]
    assert code[0].startswith('%pip install "leworld')
    assert code[1:] == [block.strip("\n") for block in blocks(PAGES[name])]
    for block in blocks(PAGES[name]):
        compile(block, name, "exec")


@pytest.mark.parametrize("name", PAGES)
def test_every_figure_is_drawn_and_shown(name: str) -> None:
    shown = PICTURE.findall(PAGES[name])
    assert all(len(words) > 20 for words, _ in shown)  # what a reader who cannot see it is told
    drawn = re.findall(rf'"({name}-[\w-]+\.png)"', "\n".join(blocks(PAGES[name])))
    assert sorted(file for _, file in shown) == sorted(drawn)
    assert sorted(drawn) == sorted(path.name for path in FIGURES.glob(f"{name}-*.png"))


@pytest.mark.parametrize("name", PAGES)
def test_a_tutorial_begins_with_what_it_needs(name: str) -> None:
    lines = PAGES[name].splitlines()
    assert lines[0].startswith("# ")
    assert f"({name}.ipynb)" in PAGES[name].split("## ")[0]
    assert "```bash\npip install " in PAGES[name].split("## ")[0]


def test_the_index_and_the_site_name_every_tutorial() -> None:
    index = (TUTORIALS / "index.md").read_text(encoding="utf-8")
    site = (TUTORIALS.parent.parent / "mkdocs.yml").read_text(encoding="utf-8")
    for name in PAGES:
        assert f"({name}.md)" in index
        assert f"tutorials/{name}.md" in site


def test_cells_keep_their_order_and_other_languages_stay_text() -> None:
    install, one, other, two = '```bash\npip install "leworld"\n```', "a = 1", "```bash\nls\n```", "b = 2"
    code = [f"```python\n{source}\n```" for source in (one, two)]
    page = "\n\n".join(["# T", install, "A", code[0], other, code[1], "end"]) + "\n"
    cells = notebook(page)["cells"]
    assert [cell["cell_type"] for cell in cells] == [
        "markdown",
        "code",
        "markdown",
        "code",
        "markdown",
        "code",
        "markdown",
    ]
    assert "".join(cells[4]["source"]) == "```bash\nls\n```"
    assert len({cell["id"] for cell in cells}) == len(cells)
