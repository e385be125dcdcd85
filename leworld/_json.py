"""JSON as checkpoints need it: the same bytes for the same content, and nothing ambiguous on the way back."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ._checks import describe
from .errors import CheckpointError

_MAX_BYTES = 4 * 2**20


def json_text(content: Mapping[str, Any], *, owner: str) -> str:
    """Return `content` as JSON with two spaces of indentation in its own key order, numpy's values too.

    Raises:
        CheckpointError: if a value is no JSON value or is NaN or infinite; `owner` opens the message.
    """
    try:
        text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False, default=_plain)
        return text + "\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{owner} needs values that JSON can hold (finite numbers, strings, lists, mappings)",
            f"writing them raised {type(error).__name__}: {error}",
            "Convert tensors with `.tolist()`, paths with `str`",
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """Read an object from a file of at most 4 MiB.

    Raises:
        CheckpointError: if the file is missing, too large, no JSON, no object, repeats a key, or holds NaN.
    """
    rule = f"{path} needs to hold one JSON object"
    fix = "Restore the file, or save or download the checkpoint again"
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise CheckpointError(
            f"{path} needs to be a readable file", f"reading it failed ({error.strerror})", fix
        ) from error
    if len(raw) > _MAX_BYTES:
        raise CheckpointError(rule, f"it is larger than {_MAX_BYTES} bytes", fix)
    try:
        content = json.loads(raw, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(rule, f"parsing it failed ({error})", fix) from error
    if not isinstance(content, dict):
        raise CheckpointError(rule, f"it holds {describe(content)}", fix)
    return content


def _plain(value: object) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{describe(value)} is no JSON value")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} occurs twice")
        found[key] = value
    return found


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON number")
