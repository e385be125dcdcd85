"""Pack a store, add to it, and replace it, while kills come."""

from pathlib import Path

import numpy as np

from leworld.data import Episodes, episode_digests, open_store, write_store
from leworld.data._store import _shards
from leworld.errors import DataError

_FIRST, _SECOND, _THIRD = range(3)


def _episodes(seed: int) -> Episodes:
    rng = np.random.default_rng(seed)
    films = [rng.integers(0, 256, (length, 8, 8, 3), np.uint8) for length in (6, 9, 4, 7)]
    return Episodes.from_trajectories(films, [rng.normal(size=(len(film) - 1, 2)) for film in films])


def _state(store: Path) -> tuple[str, ...]:
    try:
        return episode_digests(open_store(store, verify=True))
    except DataError:
        return ()


def _states() -> list[tuple[str, ...]]:
    one, two, three = (episode_digests(_episodes(seed)) for seed in (_FIRST, _SECOND, _THIRD))
    return [(), one, one + two, three]


def work(folder: Path) -> None:
    """Write episodes, add others, and put others in their place; where a call was killed, make it again."""
    store, usual = folder / "store", (_shards.SHARD_BYTES, _shards.flush)
    # Several shards; and a kill loses nothing that a process gave to the system, flushed or not.
    _shards.SHARD_BYTES, _shards.flush = 1500, lambda path: None
    try:
        done = _states().index(_state(store))
        if done == 0:
            write_store(store, _episodes(_FIRST))
        if done < 2:
            write_store(store, _episodes(_SECOND), append=True)
        write_store(store, _episodes(_THIRD), overwrite=True)
    finally:
        _shards.SHARD_BYTES, _shards.flush = usual


def outcome(folder: Path) -> str:
    """Return what the store holds, and the files beside its shards."""
    names = sorted(path.name for path in (folder / "store").iterdir())
    shards = [name for name in names if name.isdigit()]
    others = [name for name in names if name not in shards]
    return "\n".join([*_state(folder / "store"), f"{len(shards)} shards, {others}"])


def after_kill(folder: Path) -> None:
    """Raise unless the store is as it was before a call or as after it, whole."""
    if _state(folder / "store") not in _states():
        raise AssertionError("the store is none of those that were written")
