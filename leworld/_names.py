"""The names of a room: the public ones, those that come late or moved, and the nearest to a wrong one."""

import ast
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from opcode import opmap
from typing import Any

_PACKAGE = __name__.partition(".")[0]


def room_names(
    room: str,
    *,
    late: Mapping[str, str] | None = None,
    moved: Mapping[str, str] | None = None,
    renamed: Mapping[str, str] | None = None,
    gone: Mapping[str, str] | None = None,
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and the `__dir__` of a room.

    They give the room an `__all__`, which `import *` asks for: what its file re-exports (`import X as X`).
    A name that it has not is an `AttributeError`, or for `from room import name` an `ImportError`, which says
    the nearest name or where the name lives.

    Args:
        room: The room's `__name__`.
        late: Modules of names that are imported when they are asked for; or the module is what is meant.
        moved: Rooms of names that moved. The old name still works, with a `DeprecationWarning`; the new room
            may lie above the old one, which must not know it, hence the import by name.
        renamed: New names, in this room, of those that are called otherwise now; with a `DeprecationWarning`.
        gone: What to say of names that are gone.
    """
    late, moved, renamed, gone = late or {}, moved or {}, renamed or {}, gone or {}

    def get(name: str) -> Any:
        if name == "__all__":
            return list(public_names(room))
        if name in late:
            module = import_module(late[name], room)
            value = module if module.__name__ == f"{room}.{name}" else getattr(module, name)
            setattr(sys.modules[room], name, value)
            return value
        if name in moved:
            new = moved[name]
            warnings.warn(
                f"`{name}` is in `{new}` now: from {new} import {name}. `{room}.{name}` will go.",
                DeprecationWarning,
                stacklevel=2,
            )
            return getattr(import_module(new), name)
        if name in renamed:
            new = renamed[name]
            warnings.warn(
                f"`{name}` is called `{new}` now: from {room} import {new}. `{room}.{name}` will go.",
                DeprecationWarning,
                stacklevel=2,
            )
            return getattr(sys.modules[room], new)
        words = gone.get(name) or f"module '{room}' has no attribute {name!r}{hint(room, name)}"
        if _is_from_import(sys._getframe(1)) and not _is_module(f"{room}.{name}"):
            raise ImportError(words, name=room)  # `from` would replace the words of an AttributeError
        raise AttributeError(words, name=name, obj=sys.modules[room])

    return get, lambda: list(public_names(room))


@cache
def public_names(room: str) -> tuple[str, ...]:
    """Return what a room re-exports, or what a room of one file defines, without importing it."""
    spec = find_spec(room)
    source = None if spec is None or spec.loader is None else getattr(spec.loader, "get_source", None)
    text = None if source is None else source(room)
    if spec is None or text is None:  # no source comes with the package
        return tuple(sorted(name for name in vars(import_module(room)) if not name.startswith("_")))
    tree = ast.parse(text)
    if spec.submodule_search_locations is None:
        names = [node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    else:
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        names = [alias.asname for node in imports for alias in node.names if alias.asname]
    return tuple(sorted(name for name in names if not name.startswith("_")))


def hint(room: str, name: str) -> str:
    """Return what to write in the place of `room.name`, as the rest of a sentence, or ""."""
    if name.startswith("_"):
        return ""
    package = sys.modules[_PACKAGE]
    known = {f"{room}.{own}": own for own in dir(sys.modules[room]) if not own.startswith("_")}
    for other in package.ROOMS:
        for public in public_names(f"{_PACKAGE}.{other}"):
            known.setdefault(f"{_PACKAGE}.{other}.{public}", public)
    same = [path for path, public in known.items() if public == name]
    if same:
        return f": it is `{same[0]}`"
    from difflib import get_close_matches  # costs time, which an import that works need not spend

    lower = [public.lower() for public in known.values()]
    near = get_close_matches(name.lower(), lower, n=1, cutoff=0.75)
    return f". Did you mean `{list(known)[lower.index(near[0])]}`?" if near else ""


def _is_from_import(frame: Any) -> bool:
    """Whether a frame carries out `from room import name`: for a package it is a function of importlib's."""
    code = frame.f_code
    if "importlib" in code.co_filename:
        return code.co_name == "_handle_fromlist"
    return code.co_code[frame.f_lasti] == opmap["IMPORT_FROM"]


def _is_module(name: str) -> bool:
    parent = sys.modules[name.rpartition(".")[0]]
    return hasattr(parent, "__path__") and find_spec(name) is not None
