"""Every Python block in README, docs and docstrings runs; each public name has example and API entry."""

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from sybil import Document
from sybil.parsers.markdown import PythonCodeBlockParser

from tests._source import ROOT, exported_names, public_objects, rooms, source_files

PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))


def python_blocks(text: str, path: Path) -> list[tuple[int, str]]:
    """Line and source of each fenced Python block."""
    document = Document(textwrap.dedent(text), str(path))
    return [(region.parsed.line_number(), str(region.parsed)) for region in regions(document)]


def regions(document: Document):
    return sorted(PythonCodeBlockParser()(document), key=lambda region: region.start)


def docstring_cases() -> list[tuple[str, Path, str]]:
    cases = []
    for path in source_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.Module):
                text = ast.get_docstring(node, clean=True)
                if text and "```python" in text:
                    name = getattr(node, "name", "module")
                    cases.append((f"{path.relative_to(ROOT)}:{name}", path, text))
    return cases


def run_blocks(
    text: str,
    path: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    rewrite: Callable[[ast.Module], ast.Module] = lambda tree: tree,
    **names: object,
) -> int:
    """Run the blocks of one text in one namespace, in an empty folder, and return how many ran."""
    monkeypatch.chdir(folder)
    namespace: dict[str, object] = {"__name__": "__example__", **names}
    document = Document(text, str(path))
    found = regions(document)
    for region in found:
        tree = rewrite(ast.parse(str(region.parsed), path.name))
        exec(compile(tree, path.name, "exec"), namespace)
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    return len(found)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_blocks(path.read_text(encoding="utf-8"), path, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("name", "path", "text"),
    docstring_cases(),
    ids=lambda value: value if isinstance(value, str) and ".py:" in value else "",
)
def test_docstring_examples_run(
    name: str, path: Path, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_blocks(text, path, tmp_path, monkeypatch) > 0


@pytest.mark.parametrize("name", sorted(public_objects()))
def test_every_public_name_has_an_example_that_asserts(name: str) -> None:
    value = public_objects()[name]
    if inspect.isclass(value) and issubclass(value, Exception) and value.__name__ != "LeWorldError":
        return  # told by the base class
    text = inspect.getdoc(value) or ""
    assert "```python" in text, "no example"
    assert "assert " in text.split("```python", 1)[1], "the example asserts nothing"


@pytest.mark.parametrize("room", rooms())
def test_every_public_name_has_its_api_entry(room: str) -> None:
    page = (ROOT / "docs" / "api" / f"{room}.md").read_text(encoding="utf-8")
    entries = {line.removeprefix("::: ").strip() for line in page.splitlines() if line.startswith("::: ")}
    assert entries == {f"leworld.{room}.{name}" for name in exported_names(room)}


def test_a_broken_example_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError):
        run_blocks("```python\nassert 1 == 2\n```\n", Path("page.md"), tmp_path, monkeypatch)


@pytest.mark.parametrize("room", rooms())
def test_an_api_page_begins_with_its_rooms_own_words(room: str) -> None:
    source = ROOT / "leworld" / room / "__init__.py"
    source = source if source.exists() else ROOT / "leworld" / f"{room}.py"
    words = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")))
    page = (ROOT / "docs" / "api" / f"{room}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# leworld.{room}\n\n{words}\n")


def test_the_readme_names_every_package_once() -> None:
    parts = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## The parts\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in parts.splitlines() if line.startswith("| `leworld.")]
    assert sorted(re.findall(r"`leworld\.(\w+)`", " ".join(cells))) == sorted(rooms())
