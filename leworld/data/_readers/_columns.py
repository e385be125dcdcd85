"""Columns that several files make up, and which cameras of a data set become which columns."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..._checks import describe, nearest
from ...errors import ConfigError, DataError, LeWorldError
from .._arguments import named_columns, names_of
from .._episodes import Episodes
from .._lazy import Column, LazyColumn
from ._folder import rule

PIXELS = "pixels"
_PREFIXES = (
    "observation.images.",
    "observation.image.",
    "observation.",
    "next.",
    "obs/",
    "observations/images/",
    "observations/",
    "infos/",
)
Cameras: TypeAlias = str | Sequence[str] | Mapping[str, str] | None


class JoinedRows(LazyColumn):
    """The rows of several columns of one kind, one after another."""

    def __init__(self, parts: Sequence[Column]) -> None:
        self._parts = list(parts)
        self._ends = np.cumsum([len(part) for part in self._parts])
        self.shape = (int(self._ends[-1]), *self._parts[0].shape[1:])
        self.dtype = self._parts[0].dtype

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Read rows, those of one part at once."""
        found = np.empty((len(rows), *self.shape[1:]), self.dtype)
        owners = np.searchsorted(self._ends, rows, side="right")
        edges = [0, *(np.flatnonzero(np.diff(owners)) + 1).tolist(), len(rows)] if len(rows) else [0]
        for first, last in pairwise(edges):
            part = self._parts[owners[first]]
            start = int(self._ends[owners[first]]) - len(part)
            found[first:last] = part[rows[first:last] - start]
        return found


def joined(path: Path, name: str, parts: Sequence[Column]) -> Column:
    """Return a column that several parts make up: an array of arrays, else one that stays on disk."""
    first = parts[0]
    for number, part in enumerate(parts):
        if part.shape[1:] != first.shape[1:] or part.dtype != first.dtype:
            raise DataError(
                rule(path, f"`{name}` of one size and type in every episode"),
                f"it is {first.dtype} {first.shape[1:]} in episode 0 and {part.dtype} {part.shape[1:]} in "
                f"episode {number}",
                "Choose episodes or columns that agree, or convert them",
            )
    if any(isinstance(part, LazyColumn) for part in parts):
        return JoinedRows(parts)
    return np.concatenate([np.asarray(part) for part in parts])


def short_name(name: str) -> str:
    """Return the usual name of a column of a robot's data set: a word, without what it is filed under."""
    for prefix in _PREFIXES:
        if name.startswith(prefix) and len(name) > len(prefix):
            name = name[len(prefix) :]
            break
    word = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)
    return f"_{word}" if word[:1].isdigit() else word


def chosen_cameras(owner: str, path: Path, known: Sequence[str], cameras: Cameras) -> dict[str, str]:
    """Return the cameras to open and the columns that they become.

    One camera alone becomes `pixels`; several keep their names, unless a mapping gives others.
    """
    short = {short_name(name): name for name in known}
    if cameras is None:
        named = {name: short_name(name) for name in known}
        return dict.fromkeys(named, PIXELS) if len(named) == 1 else _apart(owner, path, named)
    if isinstance(cameras, Mapping):
        wanted = dict(named_columns(owner, "cameras", cameras))
    else:
        names = names_of(owner, "cameras", cameras)
        wanted = (
            dict.fromkeys(names, PIXELS) if len(names) == 1 else {name: short_name(name) for name in names}
        )
    found = {}
    for name, new in wanted.items():
        full = name if name in known else short.get(name)
        if full is None:
            raise ConfigError(
                f"{owner} needs `cameras` to name cameras of {path}",
                f"`{name}` is none",
                nearest(name, [*short]) if known else "This data set has no pictures",
            )
        if not isinstance(new, str) or not new:
            raise ConfigError(
                f"{owner} needs `cameras` to map names to names",
                f"`{name}` is mapped to {describe(new)}",
                'Pass for example {"top": "pixels"}',
            )
        found[full] = new
    return _apart(owner, path, found)


def _apart(owner: str, path: Path, named: dict[str, str]) -> dict[str, str]:
    twice = [new for new in named.values() if list(named.values()).count(new) > 1]
    if twice:
        raise ConfigError(
            f"{owner} needs every camera of {path} under a name of its own",
            f"two would be called `{twice[0]}`",
            "Pass `cameras` as a mapping from their names to new ones",
        )
    return named


def spans_of(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the numbers from each start to its end, one after another."""
    spans = zip(starts.tolist(), ends.tolist(), strict=True)
    return np.concatenate([np.arange(start, end) for start, end in spans])


def action_rows(values: np.ndarray) -> np.ndarray:
    """Return numbers of any type and further axes as float32 actions (row, action)."""
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is infinite then, and refused
        return values.reshape(len(values), math.prod(values.shape[1:])).astype(np.float32)


def assembled(
    path: Path,
    columns: Mapping[str, Any],
    actions: np.ndarray,
    *,
    lengths: np.ndarray,
    **facts: Any,
) -> Episodes:
    """Return the episodes of a data set, or say that its parts do not fit together."""
    further = dict(columns)
    try:
        return Episodes._of_own(further.pop(PIXELS, None), actions, lengths=lengths, columns=further, **facts)
    except ConfigError:
        raise  # of what the user said beside the path
    except LeWorldError as error:
        raise DataError(
            rule(path, "episodes whose parts fit together"),
            f"they do not: {error.got}",
            f"{error.rule}. {error.fix}",
        ) from error
