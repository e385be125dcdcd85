"""Names that moved to another room: the old import still works, and says where the name is now."""

import warnings
from importlib import import_module
from typing import Any


def moved(name: str, *, old: str, new: str) -> Any:
    """Return `new.name` to an importer of `old.name`, with a `DeprecationWarning`.

    The new room may lie above the old one, which must not know it; hence the import by name, when asked.
    """
    warnings.warn(
        f"`{name}` is in `{new}` now: from {new} import {name}. `{old}.{name}` will go.",
        DeprecationWarning,
        stacklevel=3,
    )
    return getattr(import_module(new), name)
