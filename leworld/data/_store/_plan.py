"""What a call of `write_store` is about to write, and how far an interrupted one came."""

import contextlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..._checks import describe
from ..._digests import text_digest
from ...errors import DataError
from ._index import (
    Shard,
    StoreIndex,
    json_digest,
    read_index,
    read_json,
    shard_of,
    write_index,
    write_json,
)
from ._layout import FORMAT, INDEX_FILE, REPAIR, SHARD_NAME, UNFINISHED_FILE, VERSION, rule
from ._shards import Source, parts_of

_LOOKED_AT = 32  # pictures of each camera that tell one source from another


@dataclass(frozen=True)
class Plan:
    """The shards to write.

    Attributes:
        call: Digest of what was asked for.
        digest: Digest of that, and of what it meets in the folder.
        first: Number of the first shard.
        parts: What each holds: number of a source, first episode and the one after the last.
    """

    call: str
    digest: str
    first: int
    parts: Sequence[tuple[int, int, int]]

    def name(self, place: int) -> str:
        """Return the name of a shard."""
        return f"{self.first + place:06d}"


def plan_of(sources: Sequence[Source], index: StoreIndex, base: StoreIndex | None, first: int) -> Plan:
    """Return the plan for these sources; `base` is what they are appended to."""
    parts = parts_of(sources)
    call = call_digest(sources, index, append=base is not None)
    known = None if base is None else json_digest(base.to_json())
    return Plan(call, json_digest([call, known, first, parts]), first, parts)


def call_digest(sources: Sequence[Source], index: StoreIndex, *, append: bool) -> str:
    """Return a digest of what a call asks for."""
    columns = replace(index, shards=()).to_json()
    return json_digest([columns, [_source_digest(source) for source in sources], append])


def _source_digest(source: Source) -> str:
    """Tell sources apart by their numbers and by some of their pictures."""
    pieces: list[str | bytes] = [source.episodes.lengths.astype("<i8").tobytes()]
    if source.episodes.task_texts is not None:
        pieces.append(json_digest(source.episodes.task_texts))
    for name, column in sorted(source.columns.items()):
        pieces += [name, str(column.dtype), str(column.shape)]
        if source.stored[name].is_film:
            rows = np.linspace(0, len(column) - 1, min(len(column), _LOOKED_AT)).astype(np.int64)
            pieces.append(np.ascontiguousarray(column[rows]).tobytes())
        else:
            pieces.append(np.asarray(column).tobytes())
    return text_digest(*pieces)


def begin(folder: Path, plan: Plan) -> None:
    """Note that the plan has begun."""
    note(folder, plan, [])


def note(folder: Path, plan: Plan, shards: Sequence[Shard]) -> None:
    """Note which shards are finished."""
    content = {
        "format": f"{FORMAT}-unfinished",
        "version": VERSION,
        "call": plan.call,
        "plan": plan.digest,
        "shards": [shard.to_json() for shard in shards],
    }
    write_json(folder / UNFINISHED_FILE, content)


def finished_shards(folder: Path, plan: Plan, index: StoreIndex) -> list[Shard] | None:
    """Return the shards that an interrupted call with the same plan has finished; None if it had another."""
    content = read_json(folder, UNFINISHED_FILE)
    shards = content.get("shards")
    if content.get("plan") != plan.digest or not isinstance(shards, list):
        return None
    found = [shard_of(folder, shard, index.columns) for shard in shards]
    if [shard.name for shard in found] != [plan.name(place) for place in range(len(found))]:
        raise DataError(
            rule(folder, f"shards in its {UNFINISHED_FILE} as they were planned"),
            f"it has {describe([shard.name for shard in found])}",
            REPAIR,
        )
    return found


def finished_call(folder: Path) -> str | None:
    """Return what a former call asked for that was ended between its last two steps, if there was one.

    The index then has all shards that the call noted.
    """
    with contextlib.suppress(DataError):
        content = read_json(folder, UNFINISHED_FILE)
        names = {shard.get("name") for shard in _dicts(content.get("shards"))}
        if names and names <= {shard.name for shard in read_index(folder).shards}:
            return str(content.get("call"))
    return None


def finish(folder: Path, index: StoreIndex) -> None:
    """Put the index in place; then remove what it does not name."""
    write_index(folder, index)
    clear(folder, {shard.name for shard in index.shards})


def clear(folder: Path, names: set[str]) -> None:
    """Remove the note of an unfinished call, and shards of other names."""
    (folder / UNFINISHED_FILE).unlink(missing_ok=True)
    for place in folder.iterdir():
        stray = SHARD_NAME.fullmatch(place.name) and place.name not in names
        if stray and place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)


def first_free(folder: Path) -> int:
    """Return a number above those of all shards of the index, if there is one."""
    if not (folder / INDEX_FILE).exists():
        return 0
    return 1 + max(int(shard.name) for shard in read_index(folder).shards)


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
