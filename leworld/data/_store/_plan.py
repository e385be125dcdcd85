"""What a call of `write_store` is about to write, and how far an interrupted one came."""

import contextlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..._checks import describe, quoted
from ..._digests import text_digest
from ...errors import ConfigError, DataError
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
from ._layout import FORMAT, INDEX_FILE, MOST_SHARDS, REPAIR, SHARD_NAME, UNFINISHED_FILE, VERSION, rule
from ._shards import Source, parts_of

_NOTE = f"{FORMAT}-unfinished"
_LOOKED_AT = 32  # pictures of each camera that tell one source from another


@dataclass(frozen=True)
class Plan:
    """The shards to write.

    Attributes:
        call: Digest of what was asked for.
        digest: Digest of that, and of what it meets in the folder.
        first: Number of the first shard.
        parts: What each holds: number of a source, first episode and the one after the last.
        stale: Shards that are there already and go in the end.
    """

    call: str
    digest: str
    first: int
    parts: Sequence[tuple[int, int, int]]
    stale: frozenset[str] = frozenset()

    def name(self, place: int) -> str:
        """Return the name of a shard."""
        return f"{self.first + place:06d}"

    @property
    def names(self) -> frozenset[str]:
        """Names of all its shards."""
        return frozenset(map(self.name, range(len(self.parts))))


def plan_of(
    folder: Path, sources: Sequence[Source], index: StoreIndex, base: StoreIndex | None, first: int
) -> Plan:
    """Return the plan for these sources; `base` is what they are appended to."""
    parts = parts_of(sources)
    if first + len(parts) > MOST_SHARDS:
        raise DataError(
            rule(folder, f"numbers of its shards below {MOST_SHARDS}"),
            f"the last of them would be {first + len(parts) - 1}",
            "Write what it holds to a new folder, `write_store(path, open_store(...))`, which counts anew",
        )
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


def begin(folder: Path, plan: Plan, owned: frozenset[str], shards: Sequence[Shard]) -> Plan:
    """Note that the plan goes on from the finished `shards`, and takes over the shards `owned`."""
    begun = replace(plan, stale=owned)
    note(folder, begun, shards)
    return begun


def note(folder: Path, plan: Plan, shards: Sequence[Shard]) -> None:
    """Note which shards are finished, and every folder that may be removed once the call is complete."""
    content = {
        "format": _NOTE,
        "version": VERSION,
        "call": plan.call,
        "plan": plan.digest,
        "folders": sorted(plan.names | plan.stale),
        "shards": [shard.to_json() for shard in shards],
    }
    write_json(folder / UNFINISHED_FILE, content)


def owned_shards(folder: Path) -> frozenset[str]:
    """Return the names of the shards of this store, by its index and by its note of an unfinished call.

    Raises `DataError` where one of the two files is not of this package, and `ConfigError` where something
    else has the name of a shard: what a store does not name is not touched.
    """
    names: set[str] = set()
    if (folder / INDEX_FILE).exists():
        names |= {shard.name for shard in read_index(folder).shards}
    if (folder / UNFINISHED_FILE).exists():
        names |= _noted(folder)
    strange = sorted(
        place.name
        for place in folder.iterdir()
        if SHARD_NAME.fullmatch(place.name) and place.name not in names
    )
    if strange:
        raise ConfigError(
            "write_store needs a folder in which only its own shards are called by six digits",
            f"{folder} holds {quoted(strange[:3])}, which no file of the store names",
            "Move it elsewhere, or choose another folder; nothing was changed",
        )
    return frozenset(names)


def _noted(folder: Path) -> set[str]:
    content = read_json(folder, UNFINISHED_FILE)
    if content.get("format") != _NOTE:
        raise DataError(
            rule(folder, f"an {UNFINISHED_FILE} that `write_store` wrote"),
            f"its format is {describe(content.get('format'))}",
            "Choose another folder, or remove that file",
        )
    folders = content.get("folders")
    names = [*(folders if isinstance(folders, list) else [])]
    names += [shard.get("name") for shard in _dicts(content.get("shards"))]
    return {name for name in names if isinstance(name, str) and SHARD_NAME.fullmatch(name)}


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


def finish(folder: Path, index: StoreIndex, owned: frozenset[str]) -> None:
    """Put the index in place; then remove those of the shards `owned` that it does not name."""
    write_index(folder, index)
    clear(folder, owned - {shard.name for shard in index.shards})


def clear(folder: Path, names: Iterable[str]) -> None:
    """Remove shards that are no longer named, and then the note of the call that named them."""
    for name in names:
        place = folder / name
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
    (folder / UNFINISHED_FILE).unlink(missing_ok=True)


def first_free(folder: Path) -> int:
    """Return a number above those of all shards of the index, if there is one."""
    if not (folder / INDEX_FILE).exists():
        return 0
    return 1 + max(int(shard.name) for shard in read_index(folder).shards)


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
