"""Imports point down or stay in their room, and reach no private file of another one."""

import ast
import re
from pathlib import Path

import pytest

from tests._source import PACKAGE, ROOT, module_name, parse, source_files

LAYERS = {
    "_names": -1,
    **dict.fromkeys(["errors", "_precision", "_table", "_transforms"], 0),
    **dict.fromkeys(["_checks", "_phases", "_samples"], 1),
    **dict.fromkeys(
        [
            "_typing",
            "_config",
            "_random",
            "_autoreset",
            "_counter",
            "_digests",
            "_distributed",
            "_files",
            "_imports",
            "_lending",
            "_lock",
            "_products",
            "_targets",
            "_version",
        ],
        2,
    ),
    **dict.fromkeys(["_json", "_tensors"], 2.25),
    **dict.fromkeys(["_folder", "_tensor_file"], 2.5),
    "kernels": 3,
    **dict.fromkeys(["nn", "normality", "planners", "metrics", "data", "envs", "serialise"], 4),
    **dict.fromkeys(["encoders", "predictors", "decoders", "regularizers", "probes", "heads"], 5),
    "models": 6,
    "costs": 7,
    **dict.fromkeys(["control", "hub"], 8),
    **dict.fromkeys(["training", "evaluation", "interop"], 9),
    "tasks": 10,
    **dict.fromkeys(["report", "explorer"], 11),
    "cli": 12,
    "__main__": 13,
}


def imported_rooms(tree: ast.Module, module: str, *, is_package: bool) -> set[str]:
    """Rooms of leworld that a module imports anywhere, functions included."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    rooms = set()
    for node in ast.walk(tree):
        targets: list[str] = []
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *((node.module or "").split(".") if node.module else [])])
            targets = [f"{stem}.{alias.name}" for alias in node.names] if stem == "leworld" else [stem]
        rooms |= {target.split(".")[1] for target in targets if target.startswith("leworld.")}
    return rooms - {"__version__"}


def private_imports(tree: ast.Module, module: str, *, is_package: bool) -> list[str]:
    """What a module imports from another room past that room's `__init__`, or calls by a private name.

    Modules that begin with an underscore and stand beside the rooms belong to the whole house.
    """
    own = module.split(".")[1]
    package = module.split(".") if is_package else module.split(".")[:-1]
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        base = package[: len(package) - node.level + 1] if node.level else []
        parts = [*base, *((node.module or "").split(".") if node.module else [])]
        if len(parts) < 2 or parts[0] != "leworld" or parts[1] == own or parts[1].startswith("_"):
            continue
        inside = [*parts[2:], *(alias.name for alias in node.names)]
        found += [f"{module} imports {'.'.join(parts)}.{name}" for name in inside if name.startswith("_")]
    return found


def violations(tree: ast.Module, module: str, *, is_package: bool) -> list[str]:
    own = module.split(".")[1]
    assert own in LAYERS, f"{module}: give the room `{own}` a layer in tests/test_layers.py"
    return [
        f"{module} (layer {LAYERS[own]}) imports {room} (layer {LAYERS.get(room)})"
        for room in sorted(imported_rooms(tree, module, is_package=is_package) - {own})
        if LAYERS.get(room, 99) >= LAYERS[own]
    ]


def test_the_concepts_show_every_package_in_its_layer() -> None:
    text = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
    lines = re.findall(r"^(\d+) +(.*)$", text, re.MULTILINE)
    shown = {name: int(layer) for layer, names in lines for name in re.split(r" {6,}", names)[0].split()}
    public = {name: layer for name, layer in LAYERS.items() if not name.startswith("_")}
    assert {name: shown.get(name) for name in public} == public


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        return  # the top level re-exports every room
    assert not violations(parse(path), module_name(path), is_package=path.name == "__init__.py")


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_private_file_of_another_room_is_imported(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        return
    assert not private_imports(parse(path), module_name(path), is_package=path.name == "__init__.py")


@pytest.mark.parametrize(
    "source",
    [
        "from ..data._windows import Windows",
        "from leworld.data._windows import Windows",
        "from ..data import _windows",
        "def f():\n    from ..data.formats._hdf5 import read",
    ],
)
def test_a_private_import_is_seen(source: str) -> None:
    assert private_imports(ast.parse(source), "leworld.training._train", is_package=False)
    assert not private_imports(ast.parse(source), "leworld.data._batch", is_package=False)


def test_the_house_and_the_own_room_may_be_private() -> None:
    source = "from .._checks import check_number\nfrom ._fit import fit\nfrom ..data import Windows"
    assert not private_imports(ast.parse(source), "leworld.training._train", is_package=False)


@pytest.mark.parametrize(
    "source",
    [
        "from leworld.models import LeWM",
        "from ..models import LeWM",
        "from .. import models",
        "import leworld.models",
        "def f():\n    from ..control import MPCPolicy",
        "from ..metrics import effective_rank",
    ],
)
def test_an_upward_or_sideways_import_is_seen(source: str) -> None:
    assert violations(ast.parse(source), "leworld.planners._cem", is_package=False)


def test_own_package_and_lower_rooms_are_allowed() -> None:
    source = "from ._plan import Plan\nfrom .._checks import check_number\nfrom ..errors import ConfigError"
    assert not violations(ast.parse(source), "leworld.planners._cem", is_package=False)
