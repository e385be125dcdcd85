"""The index of a packed store: what its shards hold, checked field by field."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..._checks import describe
from ..._files import write_atomically
from ..._json import parse_json
from ...errors import DataError, LeWorldError
from .._task_texts import texts_from_json, texts_to_json
from ._layout import (
    ACTIONS,
    FORMAT,
    INDEX_FILE,
    MOST_COLUMNS,
    MOST_SHARDS,
    PIXELS,
    REPAIR,
    RESERVED,
    SHARD_NAME,
    VERSION,
    is_store_dtype,
    read_plain,
    rule,
)

_MAX_BYTES = 2**28
_FIELDS = frozenset(
    ("format", "version", "environment_id", "fps", "action_choices", "columns", "shards", "digest")
)
_MOST = 2**62
_MOST_LETTERS = 100
_TEXTS = "task_texts"


@dataclass(frozen=True)
class Stored:
    """Type and shape of one row of a column."""

    dtype: np.dtype
    tail: tuple[int, ...]

    @property
    def is_film(self) -> bool:
        """Whether it holds pictures."""
        return self.dtype == np.uint8 and len(self.tail) == 3 and self.tail[2] == 3

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.dtype.itemsize * int(np.prod(self.tail, dtype=np.float64))


@dataclass(frozen=True)
class Shard:
    """A folder of whole episodes; `digests` are those of its small files, `texts` what was to be done."""

    name: str
    rows: int
    episodes: int
    digests: Mapping[str, str]
    texts: Sequence[str | None] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        texts = {} if self.texts is None else {_TEXTS: texts_to_json(self.texts)}
        return {
            "name": self.name,
            "rows": self.rows,
            "episodes": self.episodes,
            "digests": dict(sorted(self.digests.items())),
            **texts,
        }


@dataclass(frozen=True)
class StoreIndex:
    """What a store holds."""

    columns: Mapping[str, Stored]  # `actions` among them
    shards: tuple[Shard, ...] = ()
    environment_id: str | None = None
    fps: float | None = None
    action_choices: int | None = None
    facts: tuple[str, ...] = field(default=("environment_id", "fps", "action_choices"), repr=False)

    @property
    def task_texts(self) -> list[str | None]:
        """What was to be done in each episode."""
        return [text for shard in self.shards for text in shard.texts or [None] * shard.episodes]

    @property
    def films(self) -> tuple[str, ...]:
        """Names of the columns of pictures, in order."""
        return tuple(sorted(name for name, column in self.columns.items() if column.is_film))

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, with a digest of all the others."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            **{name: getattr(self, name) for name in self.facts},
            "columns": {
                name: {"dtype": column.dtype.str, "shape": list(column.tail)}
                for name, column in sorted(self.columns.items())
            },
            "shards": [shard.to_json() for shard in self.shards],
        }
        return {**content, "digest": json_digest(content)}


def json_digest(content: Any) -> str:
    """Return the SHA-256 of JSON values in their one compact form."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def write_index(folder: Path, index: StoreIndex) -> None:
    """Put the index in its place, whole or not at all."""
    write_json(folder / INDEX_FILE, index.to_json())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a small file of the store, whole or not at all."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    write_atomically(
        path,
        lambda place: place.write_text(text, encoding="utf-8"),
        temporary_name=f".{path.name}.unfinished",  # the folder is locked, and a killed call leaves no litter
        error=DataError,
    )


def read_index(folder: Path) -> StoreIndex:
    """Read the index of a store; anything that `write_index` did not write so raises DataError."""
    content = read_json(folder, INDEX_FILE)
    if content.get("format") != FORMAT or content.get("version") != VERSION:
        got = f"its format is {describe(content.get('format'))}, version {describe(content.get('version'))}"
        raise DataError(
            rule(folder, f"an index of the format {FORMAT!r}, version {VERSION}"),
            got,
            "Read it with the version of leworld that wrote it, or pack it again",
        )
    if set(content) != _FIELDS:
        raise _wrong(folder, f"exactly the fields {sorted(_FIELDS)}", sorted(content))
    rest = {name: value for name, value in content.items() if name != "digest"}
    if content["digest"] != json_digest(rest):
        raise _wrong(folder, "the digest of what it holds, as it was written", content["digest"])
    columns = _columns(folder, content["columns"])
    shards = content["shards"]
    if not isinstance(shards, list) or not 1 <= len(shards) <= MOST_SHARDS:
        raise _wrong(folder, "a list of shards, at least one", shards)
    found = tuple(shard_of(folder, shard, columns) for shard in shards)
    if len({shard.name for shard in found}) < len(found):
        raise _wrong(folder, "shards of different names", [shard.name for shard in found])
    if sum(shard.rows for shard in found) >= _MOST:
        raise _wrong(folder, "a sensible number of rows", [shard.rows for shard in found])
    environment, fps, choices = content["environment_id"], content["fps"], content["action_choices"]
    if not isinstance(environment, str | None):
        raise _wrong(folder, "a text or null as `environment_id`", environment)
    if fps is not None and (isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < 1e300):
        raise _wrong(folder, "a number above 0 or null as `fps`", fps)
    if choices is not None and (not _is_count(choices, 2) or choices >= 2**31):
        raise _wrong(folder, "a whole number of at least 2 or null as `action_choices`", choices)
    return StoreIndex(columns, found, environment, None if fps is None else float(fps), choices)


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Read a small file of the store."""
    raw = read_plain(folder, name, limit=_MAX_BYTES + 1)
    try:
        return parse_json(raw, where=f"{folder / name}", max_bytes=_MAX_BYTES)
    except LeWorldError as error:
        raise DataError(rule(folder, f"a readable {name}"), error.got, REPAIR) from error


def _columns(folder: Path, content: object) -> dict[str, Stored]:
    if not isinstance(content, dict) or not 1 <= len(content) <= MOST_COLUMNS:
        raise _wrong(folder, "a mapping of columns", content)
    found = {}
    for name, told in content.items():
        sound = isinstance(told, dict) and set(told) == {"dtype", "shape"} and is_store_dtype(told["dtype"])
        tail = told["shape"] if sound else None
        if not is_column_name(name) or not isinstance(tail, list) or not all(_is_count(n, 0) for n in tail):
            raise _wrong(folder, "a type and a shape for every column", {name: told})
        found[name] = Stored(np.dtype(told["dtype"]), tuple(tail))
        if len(tail) > 8 or found[name].row_bytes > _MOST:
            raise _wrong(folder, "rows of a sensible size", {name: told})
    actions, pixels = found.get(ACTIONS), found.get(PIXELS)
    if actions is None or actions.dtype != np.float32 or len(actions.tail) != 1 or actions.tail == (0,):
        raise _wrong(folder, "a column `actions` of float32 vectors", content.get(ACTIONS))
    if pixels is not None and (not pixels.is_film or 0 in pixels.tail):
        raise _wrong(folder, "uint8 pictures in `pixels`", content[PIXELS])
    return found


def is_column_name(name: object) -> bool:
    """Whether a column may be called so: a word that is a file name everywhere."""
    plain = isinstance(name, str) and name.isidentifier() and name.isascii() and len(name) <= _MOST_LETTERS
    return plain and (name == ACTIONS or name not in RESERVED)


def shard_of(folder: Path, content: object, columns: Mapping[str, Stored]) -> Shard:
    """Read what the index says of one shard."""
    if not isinstance(content, dict) or set(content) - {_TEXTS} != {"name", "rows", "episodes", "digests"}:
        raise _wrong(folder, "name, rows, episodes and digests of every shard", content)
    name, rows, episodes, digests = (content[key] for key in ("name", "rows", "episodes", "digests"))
    if not isinstance(name, str) or not SHARD_NAME.fullmatch(name):
        raise _wrong(folder, "shards that are called by six digits", name)
    if not _is_count(rows, 1) or not _is_count(episodes, 1) or not episodes <= rows < _MOST:
        raise _wrong(folder, "at least one row for each episode of a shard", [rows, episodes])
    films = [column for column, stored in columns.items() if stored.is_film]
    due = {"lengths", *(column for column in columns if column not in films), *(["digests"] if films else [])}
    if not isinstance(digests, dict) or set(digests) != due:
        raise _wrong(folder, f"digests of {sorted(due)} for every shard", digests)
    if not all(isinstance(one, str) and len(one) == 64 for one in digests.values()):
        raise _wrong(folder, "digests of 64 letters", digests)
    texts = texts_from_json(content[_TEXTS], episodes) if _TEXTS in content else None
    if texts is None and _TEXTS in content:
        raise _wrong(folder, "a text, or none, for every episode of a shard", content[_TEXTS])
    return Shard(name, rows, episodes, digests, texts)


def _is_count(value: object, low: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value < _MOST


def _wrong(folder: Path, need: str, got: object) -> DataError:
    return DataError(rule(folder, f"in its {INDEX_FILE} {need}"), f"it has {describe(got)}", REPAIR)
