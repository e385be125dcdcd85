"""A module imports only from strictly lower layers and from its own package."""

import ast
from pathlib import Path

import pytest

from tests._source import PACKAGE, ROOT, module_name, parse, source_files

LAYERS = {
    "errors": 0,
    "_checks": 1,
    **dict.fromkeys(["_typing", "_config", "_random", "_counter", "_distributed", "_files"], 2),
    "kernels": 3,
    **dict.fromkeys(["nn", "normality", "planners", "metrics", "data", "envs"], 4),
    **dict.fromkeys(["encoders", "predictors", "decoders", "regularizers", "probes"], 5),
    **dict.fromkeys(["models", "costs"], 6),
    **dict.fromkeys(["control", "hub"], 7),
    **dict.fromkeys(["training", "evaluation", "interop"], 8),
    "tasks": 9,
    "report": 10,
    "cli": 11,
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


def violations(tree: ast.Module, module: str, *, is_package: bool) -> list[str]:
    own = module.split(".")[1]
    assert own in LAYERS, f"{module}: give the room `{own}` a layer in tests/test_layers.py"
    return [
        f"{module} (layer {LAYERS[own]}) imports {room} (layer {LAYERS.get(room)})"
        for room in sorted(imported_rooms(tree, module, is_package=is_package) - {own})
        if LAYERS.get(room, 99) >= LAYERS[own]
    ]


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        return  # the top level re-exports every room
    assert not violations(parse(path), module_name(path), is_package=path.name == "__init__.py")


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
