"""What users copy from the pages passes pyright and mypy, and both know every public name.

Each page becomes a module: its blocks in their order, each line where it stands on the page, so that a
complaint names the line of the page. All modules are read in one run of each checker, beside faults that have
to be seen.
"""

import ast
import inspect
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from sybil import Document

import leworld
from tests._source import ROOT, exported_names, rooms
from tests.test_docs import PAGES, regions

CHECKERS = ("pyright", "mypy")
END = 'reveal_type("the end")'  # a note of both checkers, unless they never came there
# Modules of stable_worldmodel, which a page imports where it is installed. Pyright has to find them,
# while mypy's settings let pass what is not there.
FOREIGN = ("policy", "planning", "solver")
FAULTS = {  # the absent module has a name of its own: once mypy missed one, it takes that name for any
    "a name that leworld has not": "import leworld\n\nprint(leworld.nonsense)\n",
    "a name that a room has not": "from leworld.models import Nonsense\n",
    "a module that leworld has not": "import leworld.absent\n",
    "an argument of the wrong type": 'import leworld\n\nleworld.CEMPlanner(horizon="five")\n',
    "an argument that is not there": "from leworld import SIGReg\n\nSIGReg(num_slice=4)\n",
    "an attribute that a processor has not": 'import leworld\n\nleworld.load("x").processor.frame_skip\n',
}
FAULTY_LINES = {fault: source.rstrip().count("\n") + 1 for fault, source in FAULTS.items()}


@dataclass(frozen=True)
class Complaint:
    """What a checker says of one line of a page: an error, or a note such as a revealed type."""

    page: str
    line: int
    words: str
    is_error: bool

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.words}"


def module_of(text: str, name: str) -> str:
    """Join the blocks of a page, each line where it stands on the page."""
    lines: list[str] = []
    for region in regions(Document(text, name)):
        lines += [""] * (text.count("\n", 0, region.start) + 1 - len(lines))
        lines += str(region.parsed).splitlines()
    return "\n".join(lines)


@cache
def pages() -> dict[str, str]:
    """Modules of all pages that hold Python, and of the docstrings of the headline names, by name."""
    found = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in PAGES}
    found |= {f"leworld.{name}": inspect.getdoc(getattr(leworld, name)) or "" for name in headline_names()}
    return {name: source for name, text in found.items() if (source := module_of(text, name))}


def headline_names() -> list[str]:
    return sorted(set(dir(leworld)) - set(rooms()) - {"__version__"})


def revealed_names() -> list[str]:
    """What an editor completes: `leworld.X`, and the names of all rooms."""
    names = [f"leworld.{name}" for name in dir(leworld)]
    return [*names, *(f"leworld.{room}.{name}" for room in rooms() for name in exported_names(room))]


@cache
def planted() -> dict[str, str]:
    """Faults on pages of their own, below a line of text; what the types of some names are."""
    made = {fault: module_of(f"Text.\n```python\n{source}```\n", fault) for fault, source in FAULTS.items()}
    made["names"] = "\n".join(["import leworld", *(f"reveal_type({name})" for name in revealed_names())])
    made["loaded"] = 'import leworld\nreveal_type(leworld.load("x").processor)'
    return made


def run(command: list[str], folder: Path) -> str:
    """Run a checker in the folder of the modules; leworld is found in this repository."""
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), f"{command[0]} did not run: {done.stdout}{done.stderr}"
    return done.stdout


def said_by_pyright(folder: Path, names: Mapping[str, str]) -> list[Complaint]:
    """Run pyright with the project's settings."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pyright"]
    settings = {key: value for key, value in settings.items() if key not in ("include", "venv", "venvPath")}
    settings |= {"include": ["*.py"], "extraPaths": [str(ROOT), "stubs"]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    stubs = folder / "stubs" / "stable_worldmodel"
    stubs.mkdir(parents=True)
    for module in ("__init__", *FOREIGN):
        (stubs / f"{module}.pyi").write_text(
            "from typing import Any\ndef __getattr__(name: str) -> Any: ...\n"
        )
    out = run(["pyright", "--outputjson", "--pythonpath", sys.executable], folder)
    return [
        Complaint(
            names[Path(one["file"]).name],
            one["range"]["start"]["line"] + 1,
            f"{one['message']} ({one.get('rule', '')})",
            one["severity"] == "error",
        )
        for one in json.loads(out)["generalDiagnostics"]
    ]


def said_by_mypy(folder: Path, names: Mapping[str, str]) -> list[Complaint]:
    """Run mypy with the project's settings."""
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", "cache", "--output", "json"]
    out = run(["mypy", "--python-executable", sys.executable, *options, *names], folder)
    said = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return [
        Complaint(
            names[one["file"]], one["line"], f"{one['message']} ({one['code']})", one["severity"] == "error"
        )
        for one in said
    ]


def check(modules: Mapping[str, str], folder: Path, checker: str) -> list[Complaint]:
    """Write modules into a folder and return all that a checker says of them."""
    names = {f"page_{number}.py": name for number, name in enumerate(modules)}
    for file, name in names.items():
        (folder / file).write_text(f"{modules[name]}\n{END}\n", encoding="utf-8")
    return {"pyright": said_by_pyright, "mypy": said_by_mypy}[checker](folder, names)


@pytest.fixture(scope="module", params=CHECKERS)
def said(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Complaint]]:
    """What a checker says of each page, each planted fault and each name."""
    modules = pages() | planted()
    complaints = check(modules, tmp_path_factory.mktemp(request.param), request.param)
    return {name: [one for one in complaints if one.page == name] for name in modules}


def ends(name: str) -> int:
    return (pages() | planted())[name].count("\n") + 2


def listed(complaints: Iterable[Complaint]) -> str:
    return "\n".join(map(str, complaints))


def test_the_pages_pass(said: dict[str, list[Complaint]]) -> None:
    errors = [one for name in pages() for one in said[name] if one.is_error]
    assert not errors, listed(errors)


def test_every_page_is_read_to_its_end(said: dict[str, list[Complaint]]) -> None:
    assert len(pages()) > 40
    assert not [name for name in pages() if ends(name) not in {one.line for one in said[name]}]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_reported_at_its_line_of_the_page(said: dict[str, list[Complaint]], fault: str) -> None:
    lines = {one.line for one in said[fault] if one.is_error}
    assert lines == {FAULTY_LINES[fault] + 2}, listed(said[fault])  # below the text and the fence


def test_every_public_name_has_a_type(said: dict[str, list[Complaint]]) -> None:
    names = revealed_names()
    told = {one.line: one.words for one in said["names"]}
    assert not [one for one in said["names"] if one.is_error]
    unknown = [name for line, name in enumerate(names, start=2) if reads_as_any(told[line])]
    assert not unknown
    assert {f"leworld.{name}" for name in headline_names()} <= set(names)


def reads_as_any(words: str) -> bool:
    """Whether a revealed type is none: pyright says Unknown, mypy says Any."""
    return any(f'"{word}"' in words for word in ("Unknown", "Any"))


def test_a_loaded_model_has_a_processor_in_its_type(said: dict[str, list[Complaint]]) -> None:
    (told,) = [one.words for one in said["loaded"] if one.line == 2]
    assert '"Processor"' in told or '"leworld.data._processor.Processor"' in told


def test_lines_of_a_module_are_those_of_its_page() -> None:
    page = "A\n\n```python\na = 1\n```\n\nB\n\n```bash\nls\n```\n\n```python\nb = 2\nc = 3\n```\n"
    lines = module_of(page, "page.md").splitlines()
    assert [(number, line) for number, line in enumerate(lines, start=1) if line] == [
        (4, "a = 1"),
        (14, "b = 2"),
        (15, "c = 3"),
    ]
    assert [line.strip() for line in page.splitlines()][13] == "b = 2"
    for name, source in pages().items():
        ast.parse(source, name)
