"""What the room's functions take as names, numbers of rows and arrays, however a user writes them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch

from .._checks import describe
from ..errors import ConfigError, ShapeError

# What numpy and torch raise where they cannot index with a value or make an array of it.
UNFIT = (IndexError, TypeError, ValueError, RuntimeError, OverflowError)


def is_array(value: object) -> TypeGuard[np.ndarray]:
    """Whether `value` is a numpy array that can be taken as it is: one with masked entries cannot."""
    return isinstance(value, np.ndarray) and not (
        isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value)
    )


def _is_masked(value: object) -> bool:
    return isinstance(value, np.ma.MaskedArray) and bool(np.ma.is_masked(value))


def path_of(owner: str, path: object) -> Path:
    """Return a str or a path-like object as a path, whether or not there is anything."""
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        raise ConfigError(f"{owner} needs a path", f"`path` is {describe(path)}", "Pass a str or a Path")
    return Path(path)


def is_unicode(text: object) -> TypeGuard[str]:
    """Whether it is a text that can be stored: one without halves of surrogate pairs."""
    if not isinstance(text, str):
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_flag(owner: str, name: str, value: object, *, fix: str = "Pass one of the two") -> None:
    """Raise `ConfigError` unless `value` is True or False."""
    if not isinstance(value, bool):
        raise ConfigError(f"{owner} needs `{name}` to be True or False", f"it is {describe(value)}", fix)


def named_columns(owner: str, name: str, value: object) -> Mapping[str, Any]:
    """Return a mapping whose keys are names."""
    strays = [key for key in value if not isinstance(key, str)] if isinstance(value, Mapping) else [value]
    if not isinstance(value, Mapping) or strays:
        raise ConfigError(
            f"{owner} needs `{name}` to be a mapping from names to values",
            f"it holds {describe(strays[0])}",
            'Pass for example {"proprio": ...}',
        )
    return value


def names_of(owner: str, name: str, value: object) -> tuple[str, ...]:
    """Return one name, or several, as a tuple."""
    if isinstance(value, str):
        return (str(value),)
    several = isinstance(value, Sequence | Mapping | set | frozenset)
    items: Any = value if several else [value]
    if isinstance(value, np.ndarray) and value.ndim == 1:
        items = value.tolist()
    strays = [item for item in items if not isinstance(item, str)]
    if strays:
        raise ConfigError(
            f"{owner} needs `{name}` to be a list of names",
            f"it holds {describe(strays[0])}",
            'Pass for example ["state"]',
        )
    return tuple(str(item) for item in items)


def listed(owner: str, name: str, value: object) -> Sequence[Any]:
    """Return a list that holds one array for every episode."""
    if not isinstance(value, Sequence | np.ndarray | torch.Tensor) or isinstance(value, str | bytes):
        fits = False
    else:
        fits = not isinstance(value, np.ndarray | torch.Tensor) or value.ndim > 0
    if not fits:
        raise ShapeError(
            f"{owner} needs `{name}` to be a list with one array for every episode",
            f"it is {describe(value)}",
            "Pass a list, for one episode too",
        )
    return value  # pyright: ignore[reportReturnType] -- arrays and tensors are indexed as sequences are


def as_array(owner: str, name: str, value: object) -> np.ndarray:
    """Return a value of one entry a row as an array, or raise `ShapeError`."""
    array = None
    if not isinstance(value, np.ndarray) or is_array(value):
        try:
            array = np.asarray(value)
        except UNFIT:
            array = None
    if array is None or array.ndim == 0 or (array.dtype.kind == "O" and array is not value):
        raise ShapeError(
            f"{owner} needs `{name}` to be arrays with one entry for every frame",
            f"one is {describe(value)}"
            + (" with masked entries" if isinstance(value, np.ma.MaskedArray) else ""),
            "Convert it with `np.asarray`; fill masked entries, move tensors to the CPU and detach them",
        )
    return array


def whole_numbers(value: object) -> np.ndarray | None:
    """Return one or several integers as an int64 array (number,), or None where they are none."""
    try:
        array = np.atleast_1d(np.asarray(value))
        fits = array.ndim == 1 and array.dtype.kind in "iu" and is_array(array)
        fits = fits and (array.size == 0 or int(array.max()) < 2**63)
    except UNFIT:
        return None
    return array.astype(np.int64) if fits else None


def chosen_numbers(chosen: object, count: int) -> np.ndarray | None:
    """Return the numbers that a slice or a list chooses among `count`, or None where it chooses none."""
    try:
        numbers = np.arange(count)[chosen] if isinstance(chosen, slice) else whole_numbers(chosen)
    except UNFIT:  # a slice of words
        return None
    if numbers is None or isinstance(chosen, int):
        return None
    return numbers if numbers.size and numbers.min() >= -count and numbers.max() < count else None


def chosen_episodes(owner: str, path: Path, count: int, episodes: Any) -> np.ndarray:
    """Return the numbers of the chosen episodes, from 0 on."""
    chosen = chosen_numbers(slice(None) if episodes is None else episodes, count)
    if chosen is None:
        raise ConfigError(
            f"{owner} needs `episodes` to choose among the {count} episodes of {path}",
            f"`episodes` is {describe(episodes)}",
            "Pass a slice or a list of episode numbers",
        )
    return np.where(chosen < 0, chosen + count, chosen)
