"""The package's source as the repository-wide tests read it: files, rooms, public names."""

import ast
import importlib
import inspect
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "leworld"


@cache
def source_files() -> tuple[Path, ...]:
    return tuple(sorted(PACKAGE.rglob("*.py")))


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def rooms() -> tuple[str, ...]:
    """Public modules and packages directly under leworld, packages within packages left out."""
    found = []
    for path in sorted(PACKAGE.iterdir()):
        if path.name.startswith("_"):
            continue
        if path.suffix == ".py":
            found.append(path.stem)
        elif (path / "__init__.py").exists():
            found.append(path.name)
    return tuple(found)


@cache
def public_objects() -> dict[str, object]:
    """Every public class and function by its one full path, for example leworld.planners.CEMPlanner."""
    objects = {}
    for room in rooms():
        module = importlib.import_module(f"leworld.{room}")
        for name in exported_names(room):
            value = getattr(module, name)
            if inspect.isclass(value) or callable(value):
                objects[f"leworld.{room}.{name}"] = value
    return objects


@cache
def exported_names(room: str) -> tuple[str, ...]:
    """What a room re-exports (`from ._x import X as X`), or what a one-file room defines."""
    package = PACKAGE / room / "__init__.py"
    if package.exists():
        return tuple(
            sorted(
                alias.asname
                for node in ast.walk(parse(package))
                if isinstance(node, ast.ImportFrom)
                for alias in node.names
                if alias.asname and not alias.asname.startswith("_")
            )
        )
    tree = parse(PACKAGE / f"{room}.py")
    return tuple(sorted(node.name for node in definitions(tree) if not node.name.startswith("_")))


def definitions(tree: ast.Module) -> list[ast.ClassDef | ast.FunctionDef]:
    return [node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
