"""Objects that a user names by the place of their code, which is run because the user says so."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from .errors import ConfigError


def import_named(place: str, *, owner: str) -> tuple[str, object | None]:
    """Return the source and the object of `path/to/file.py:NAME` or `package.module:NAME`, or None for it.

    Args:
        place: Where it is.
        owner: Who asks, for the message.

    Raises:
        ConfigError: The place is written otherwise, or cannot be imported.
    """
    source, _, attribute = str(place).rpartition(":")
    if not source or not attribute.isidentifier():
        raise ConfigError(
            f"{owner} needs `FILE.py:NAME` or `package.module:NAME`",
            f"{place!r} was given",
            "Pass for example arm.py:Arm",
        )
    try:
        module = _import_file(Path(source)) if source.endswith(".py") else importlib.import_module(source)
    except (Exception, SystemExit) as error:  # the code that is run may fail in any way
        raise ConfigError(
            f"{owner} needs a file or a module that can be imported",
            f"importing {source} failed with {type(error).__name__}: {error}",
            "Check the path, and that the file runs and what it imports is installed",
        ) from error
    return source, getattr(module, attribute, None)


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ImportError(f"there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    beside = str(path.resolve().parent)  # as `python file.py` finds what lies beside the file
    sys.path.insert(0, beside)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(beside)
    return module
