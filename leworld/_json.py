"""JSON as checkpoints need it: the same bytes for the same content, and nothing ambiguous on the way back."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ._checks import describe
from ._files import read_bytes
from .errors import CheckpointError

MAX_BYTES = 4 * 2**20
MAX_DEPTH = 64
MAX_VALUES = 500_000
MAX_DIGITS = 100  # of a whole number


def json_text(content: Mapping[str, Any], *, owner: str) -> str:
    """Return `content` as JSON with two spaces of indentation in its own key order, numpy's values too.

    What is returned can be read again: it keeps to the bounds of `parse_json`.

    Raises:
        CheckpointError: if a value is no JSON value, is NaN or infinite, or no reader would take it back;
            `owner` opens the message.
    """
    try:
        text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False, default=_plain) + "\n"
        raw = text.encode("utf-8")
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise CheckpointError(
            f"{owner} needs values that JSON can hold (finite numbers, strings, lists, mappings)",
            f"writing them raised {type(error).__name__}: {_brief(error)}",
            "Convert tensors with `.tolist()`, paths with `str`",
        ) from error
    try:
        _parse(raw)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{owner} needs values that a reader of the file takes back",
            _brief(error),
            "Keep large records in a file of their own, beside the checkpoint",
        ) from error
    return text


def check_text(name: str, text: str | None) -> None:
    """Raise `CheckpointError` unless a text can be written as UTF-8."""
    try:
        (text or "").encode("utf-8")
    except UnicodeEncodeError as error:
        raise CheckpointError(
            f"Saving needs `{name}` to be text that UTF-8 can hold",
            f"it has a half of a surrogate pair ({error.reason} at {error.start})",
            "Decode it from its source again",
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """Read an object from a file within the bounds of `parse_json`.

    Raises:
        CheckpointError: if the file is missing or no regular one, or if `parse_json` refuses what it holds.
    """
    return parse_json(read_bytes(path, limit=MAX_BYTES + 1), where=str(path))


def parse_json(raw: bytes, *, where: str, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Read an object from bytes that somebody else wrote, at a cost that follows from their number.

    Raises:
        CheckpointError: if they are no JSON, no object, repeat a key, hold a number that is not finite or has
            more than 100 digits, or text that is no Unicode, or if they are more than `max_bytes`, nested
            more than 64 deep or hold more than 500,000 values; `where` opens the message.
    """
    rule = f"{where} needs to hold one JSON object"
    fix = "Restore the file, or save or download the checkpoint again"
    try:
        content = _parse(raw, max_bytes)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(rule, f"parsing it failed ({_brief(error)})", fix) from error
    if not isinstance(content, dict):
        raise CheckpointError(rule, f"it holds {describe(content)}", fix)
    return content


def _parse(raw: bytes, max_bytes: int = MAX_BYTES) -> Any:
    if len(raw) > max_bytes:
        raise ValueError(f"it is larger than {max_bytes} bytes")
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") > MAX_VALUES:
        raise ValueError(f"it holds more than {MAX_VALUES} values")
    content = json.loads(
        raw, object_pairs_hook=_unique, parse_constant=_refuse, parse_int=_whole, parse_float=_finite
    )
    if b"\\u" in raw:
        json.dumps(content, ensure_ascii=False).encode("utf-8")  # half of a pair of escapes is no character
    _check_depth(content)
    return content


def _check_depth(content: object) -> None:
    level = [content]
    for _ in range(MAX_DEPTH):
        held = [value for value in level if isinstance(value, dict | list) and value]
        level = [item for value in held for item in (value.values() if isinstance(value, dict) else value)]
        if not level:
            return
    raise ValueError(f"it is nested more than {MAX_DEPTH} deep")


def _brief(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:197]}..."


def _plain(value: object) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{describe(value)} is no JSON value")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {describe(key)} occurs twice")
        found[key] = value
    return found


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON number")


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a whole number has more than {MAX_DIGITS} digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]} is beyond the numbers of a computer")
    return number
