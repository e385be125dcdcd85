"""`open_store` on damaged stores: episodes that hold together, or a DataError, quickly."""

import functools
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz.hdf5 import check, check_episodes, damaged, example
from leworld.data import Episodes, open_store, write_store
from leworld.data._store import _shards
from leworld.data._store._index import json_digest

VALUES: list[Any] = [
    None, -1, 0, 1, 2, 12, 2**31, 2**63, 2**70, 0.5, 1e300, True, "", "x", "000000", "../000000", "/etc",
    "<f8", "|O", [], [-1], [8, 8, 3], [2**40, 2**40, 3], [0], {}, {"a": 1}, [[1]], "0" * 64,
]  # fmt: skip


def attempt(generator: np.random.Generator, folder: Path) -> str:
    """Damage a valid store and open it; where that succeeds, look at all of it."""
    store = folder / "store"
    for name, content in valid_store().items():
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_bytes(content)
    names = sorted(valid_store())
    name = names[int(generator.integers(len(names)))]
    way = generator.random()
    if way < 0.4:
        (store / name).write_bytes(damaged(valid_store()[name], generator))
    elif way < 0.8:
        _edit_index(store, generator)
    else:
        _replace(store, name, names[int(generator.integers(len(names)))], generator)
    verify = bool(generator.integers(2))
    episodes = open_store(store, verify=verify)
    check_all(episodes, verify=verify)
    return "data"


def check_all(episodes: Episodes, *, verify: bool) -> None:
    """Raise RuntimeError unless the episodes hold together, and verified ones show what was written."""
    check_episodes(episodes)
    loaded = episodes.load()
    check_episodes(loaded)
    if verify:
        known = {digest for one in (example().pixels, example().columns["wrist"]) for digest in _rows(one)}
        check(all(digest in known for digest in _rows(loaded.pixels)))


def _rows(pictures: np.ndarray) -> list[bytes]:
    return [picture.tobytes() for picture in pictures]


@functools.cache
def valid_store() -> dict[str, bytes]:
    """Return the files of a small store of two shards."""
    usual = _shards.SHARD_BYTES
    _shards.SHARD_BYTES = 4000
    try:
        with tempfile.TemporaryDirectory() as folder:
            write_store(folder, example())
            files = (path for path in Path(folder).rglob("*") if path.is_file() and path.name[0] != ".")
            return {str(path.relative_to(folder)): path.read_bytes() for path in files}
    finally:
        _shards.SHARD_BYTES = usual


def _edit_index(store: Path, generator: np.random.Generator) -> None:
    """Change a value somewhere in the index, with a new digest as often as not."""
    content = json.loads(valid_store()["index.json"])
    for _ in range(int(generator.integers(1, 3))):
        at: Any = content
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            key = keys[int(generator.integers(len(keys)))]
            if isinstance(at[key], dict | list) and at[key] and generator.random() < 0.8:
                at = at[key]
                continue
            break
        if generator.random() < 0.2:
            del at[key]
        else:
            at[key] = VALUES[int(generator.integers(len(VALUES)))]
        if not content:
            break
    if generator.random() < 0.7:
        content["digest"] = json_digest({name: value for name, value in content.items() if name != "digest"})
    (store / "index.json").write_text(json.dumps(content))


def _replace(store: Path, name: str, other: str, generator: np.random.Generator) -> None:
    """Put something else in the place of a file."""
    path = store / name
    way = generator.choice(["delete", "pipe", "link", "folder", "swap", "grow", "shard"])
    if way == "swap":
        path.write_bytes(valid_store()[other])
    elif way == "grow":
        os.truncate(path, int(10 ** generator.uniform(1, 11)))
    elif way == "shard":
        (store / "000000").rename(store / "elsewhere")
        (store / "000000").symlink_to(store / "elsewhere")
    else:
        path.unlink()
        if way == "pipe":
            os.mkfifo(path)
        elif way == "link":
            path.symlink_to("/etc/hostname" if generator.random() < 0.5 else store / other)
        elif way == "folder":
            path.mkdir()
