"""The files of a data set in a folder, and how errors about one are told."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..._checks import require
from ..._json import parse_json
from ...errors import DataError, LeWorldError
from .._hdf5_layout import shown, told

_MOST_JSON = 2**26
_FETCH = "Fetch or write the data set again"


def rule(path: Path, need: str) -> str:
    """Begin an error about the data set or the file `path`."""
    return f"The data set {path} needs {need}"


@contextmanager
def reading(path: Path, need: str, *, fix: str = _FETCH) -> Iterator[None]:
    """Turn whatever a library raises about damaged bytes into one error."""
    try:
        yield
    except LeWorldError:
        raise
    except Exception as error:
        raise DataError(rule(path, need), f"reading it failed ({told(error)})", fix) from error


def optional(module: str, owner: str) -> Any:
    """Import a library of the extra `robots`."""
    return require(module, extra="robots", purpose=owner)


class DataFolder:
    """A folder whose files are read by their relative names, and nothing outside of it.

    A link may lead to another place of the folder. In the cache of huggingface_hub, where a snapshot is made
    of links, it may lead to that cache's own blobs.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        with reading(self.path, "to be a folder", fix="Check the path"):
            if not self.path.is_dir():
                raise DataError(rule(self.path, "to be a folder"), "there is none", "Check the path")
            real = self.path.resolve()
        self._roots = [real]
        if real.parent.name == "snapshots":
            self._roots.append(real.parent.parent / "blobs")

    def __contains__(self, name: str) -> bool:
        return (self.path / name).exists()

    def file(self, name: str | Path) -> Path:
        """Return the path of a regular file by its name in the folder."""
        path = self.path / name
        label = shown(str(name))
        with reading(self.path, f"its file {label}"):
            try:
                real = path.resolve(strict=True)
                mode = real.stat().st_mode
            except FileNotFoundError:
                raise DataError(rule(self.path, f"its file {label}"), "there is none", _FETCH) from None
        if not any(real.is_relative_to(root) for root in self._roots):
            raise DataError(
                rule(self.path, f"its file {label} inside of the folder"),
                "it is a link, or a path, that leads out of it",
                "Copy the file into the folder",
            )
        if not stat.S_ISREG(mode):
            raise DataError(
                rule(self.path, f"a regular file {label}"), "it is a folder, a pipe or a device", _FETCH
            )
        return path

    def folder(self, name: str) -> "DataFolder":
        """Return a folder of the folder."""
        inner = DataFolder(self.path / name)
        if not any(inner._roots[0].is_relative_to(root) for root in self._roots):
            raise DataError(
                rule(self.path, f"its folder {shown(name)} inside of it"),
                "it is a link, or a path, that leads out of it",
                "Copy what it holds into the folder",
            )
        inner._roots = self._roots
        return inner

    def names(self, *, suffixes: tuple[str, ...] = (), folders: bool = False) -> list[str]:
        """Return the sorted names of files with one of the suffixes, or of folders, without hidden ones."""
        with reading(self.path, "a readable folder"), os.scandir(self.path) as entries:
            return sorted(
                entry.name
                for entry in entries
                if not entry.name.startswith(".")
                and (entry.is_dir() if folders else entry.name.lower().endswith(suffixes))
            )

    def text(self, name: str, *, limit: int = _MOST_JSON) -> bytes:
        """Return the content of a small file."""
        path = self.file(name)
        with reading(self.path, f"a readable file {name}"), path.open("rb") as stream:
            raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise DataError(
                rule(self.path, f"a file {name} of at most {limit} bytes"), "it is larger", _FETCH
            )
        return raw

    def json(self, name: str) -> dict[str, Any]:
        """Return the JSON object of a small file."""
        return json_object(self.path, name, self.text(name))

    def json_lines(self, name: str) -> list[dict[str, Any]]:
        """Return the JSON objects of a file with one in every line."""
        lines = [line for line in self.text(name).split(b"\n") if line.strip()]
        return [json_object(self.path, name, line) for line in lines]


def natural(name: str) -> list[tuple[int, str]]:
    """Order names by the numbers in them, so that 2 comes before 10."""
    return [(int(part[:18]), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def json_object(folder: Path, name: str, raw: bytes) -> dict[str, Any]:
    """Parse what somebody else wrote."""
    try:
        return parse_json(raw, where=str(folder / name), max_bytes=_MOST_JSON)
    except LeWorldError as error:
        raise DataError(rule(folder, f"one JSON object in {name}"), error.got, _FETCH) from error


def count_of(folder: Path, name: str, value: object, *, low: int = 0, high: int = 2**40) -> int:
    """Return a whole number of a metadata file."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value < high:
        told_value = shown(repr(value)[:100])
        raise DataError(
            rule(folder, f"a whole number from {low} to {high} as `{name}`"), f"it is {told_value}", _FETCH
        )
    return value
