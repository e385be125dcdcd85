"""Writing a packed store: decode once, resize once, train many times."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..._checks import check_number, describe, nearest, plain_numbers, quoted
from ..._files import local_path
from ..._lock import LOCK_FILE, locked_folder
from ...errors import CheckpointError, ConfigError, DataError
from .._arguments import check_flag, named_columns, names_of
from .._episodes import Episodes, check_episodes
from .._parts import MOST_PIXELS
from ._index import StoreIndex, is_column_name, read_index
from ._layout import ACTIONS, INDEX_FILE, PIXELS, SHARD_NAME, UNFINISHED_FILE, is_store_dtype, rule
from ._plan import (
    begin,
    call_digest,
    clear,
    finish,
    finished_call,
    finished_shards,
    first_free,
    note,
    owned_shards,
    plan_of,
)
from ._shards import Source, stored_columns, write_shard

_OWNER = "write_store"


@plain_numbers
def write_store(
    path: str | os.PathLike[str],
    episodes: Episodes | Sequence[Episodes],
    *,
    image_size: int | None = None,
    cameras: Sequence[str] | Mapping[str, str] | None = None,
    append: bool = False,
    overwrite: bool = False,
    progress: bool = False,
) -> None:
    """Write episodes to a packed store, which `open_store` reads as fast as memory.

    Pictures are decoded once and resized once, a block at a time, and stored as plain bytes in `.npy` files;
    everything else that `Episodes` hold is stored beside them: actions, columns, environment, frame rate,
    choices, and a digest of every episode's pictures. Sources larger than the memory, as `open_hdf5` opens
    them, are read through once. A million frames of 64 pixels take 12 GB, of 224 pixels 150 GB.

    A call that was interrupted or killed leaves what it finished; the same call again goes on from there. A
    store appears, and a store changes, in one step at the end: until then readers see it as it was.

    Several sources, stores among them, are written one after another, which merges them.

    Args:
        path: The folder; made if missing.
        episodes: What to write, or a list of such; all with the same columns, frame rate and environment.
        image_size: Side of the pictures, square, resized as `Processor` does it and rounded; as they are
            unless given. A model with this `image_size` reads them without resizing.
        cameras: Names of the columns of pictures to keep, `pixels` among them; all unless given. A mapping
            gives them other names: `{"top": "pixels"}`.
        append: Add the episodes to the store that is there.
        overwrite: Replace the store, or the unfinished one, that is there.
        progress: Show a progress bar.

    Raises:
        ConfigError: The folder holds something else, a store without `append` or `overwrite`, or what another
            call left unfinished; or an option is out of range.
        DataError: A column cannot be stored, the sources do not fit together, reading one of them fails, or
            the disk refuses.

    Numerics: resized pictures are rounded to whole numbers, an error of at most half a level of 255.

    Example:
        ```python
        import tempfile
        import numpy as np
        from leworld.data import Episodes, open_store, write_store

        films = [np.full((4, 16, 24, 3), i, np.uint8) for i in range(3)]
        episodes = Episodes.from_trajectories(films, [np.ones((3, 2), np.float32)] * 3)
        with tempfile.TemporaryDirectory() as folder:
            write_store(folder, episodes.select([0, 1]), image_size=8)
            write_store(folder, episodes.select([2]), image_size=8, append=True)
            assert open_store(folder).pixels.shape == (12, 8, 8, 3)
        ```
    """
    for name, value in (("append", append), ("overwrite", overwrite), ("progress", progress)):
        check_flag(_OWNER, name, value)
    if append and overwrite:
        raise ConfigError(
            f"{_OWNER} needs one of `append` and `overwrite`",
            "both are True",
            "Add to the store, or replace it",
        )
    if image_size is not None:
        check_number(_OWNER, "image_size", image_size, low=1, high=MOST_PIXELS, integer=True)
    sources = _sources(episodes, image_size, cameras)
    index = _index(sources)
    folder = _folder(path)
    try:
        with locked_folder(folder, owner=_OWNER):
            _write(folder, sources, index, append=append, overwrite=overwrite, progress=progress)
    except OSError as error:
        raise DataError(
            f"{_OWNER} needs to write to {folder}",
            f"that failed ({error.strerror or error})",
            "Free some room, or choose a folder that you may write to; the same call goes on from here",
        ) from error
    except CheckpointError as error:
        raise DataError(error.rule, error.got, error.fix) from error


def _write(
    folder: Path,
    sources: Sequence[Source],
    index: StoreIndex,
    *,
    append: bool,
    overwrite: bool,
    progress: bool,
) -> None:
    is_store, is_begun = (folder / INDEX_FILE).exists(), (folder / UNFINISHED_FILE).exists()
    owned = owned_shards(folder)
    done = finished_call(folder) if is_begun else None
    if done is not None:
        current = {shard.name for shard in read_index(folder).shards}
        clear(folder, owned - current)
        owned, is_begun = owned & current, False
        if done == call_digest(sources, index, append=append):
            return
    _check_free(folder, is_store=is_store, is_begun=is_begun, append=append, overwrite=overwrite)
    base = read_index(folder) if append and is_store else None
    if base is not None:
        _check_alike(folder, base, index)
    plan = plan_of(folder, sources, index, base, first_free(folder))
    shards = finished_shards(folder, plan, index) if is_begun else None
    if shards is None:
        if is_begun and not overwrite:
            raise ConfigError(
                f"{_OWNER} goes on only with the episodes and options that it began with",
                f"{folder} holds what a call with others left unfinished",
                "Make that call again, or pass overwrite=True to drop what it left",
            )
        shards = []
    plan = begin(folder, plan, owned, shards)
    with tqdm(
        total=sum(source.episodes.num_rows for source in sources),
        initial=sum(shard.rows for shard in shards),
        desc="pack",
        unit="frame",
        leave=False,
        disable=None if progress else True,
    ) as bar:
        for place in range(len(shards), len(plan.parts)):
            number, first, last = plan.parts[place]
            part = sources[number].select(first, last)
            shards.append(write_shard(folder, plan.name(place), part, bar.update))
            note(folder, plan, shards)
    kept = () if base is None else base.shards
    finish(folder, replace(index, shards=(*kept, *shards)), owned | plan.names)


def _check_free(folder: Path, *, is_store: bool, is_begun: bool, append: bool, overwrite: bool) -> None:
    """Raise `ConfigError` where the folder is none to write to."""
    others = [
        place.name
        for place in folder.iterdir()
        if place.name not in (INDEX_FILE, UNFINISHED_FILE, LOCK_FILE)
        and not SHARD_NAME.fullmatch(place.name)
        and not place.name.startswith(".")
    ]
    if others and not (is_store or is_begun):
        raise ConfigError(
            f"{_OWNER} needs a new or empty folder, or that of a store",
            f"{folder} holds {quoted(sorted(others)[:3])}",
            "Choose another folder",
        )
    if is_store and not (append or overwrite or is_begun):
        raise ConfigError(
            f"{_OWNER} needs a new `path`",
            f"{folder} holds a store",
            "Pass append=True to add to it, or overwrite=True to replace it",
        )


def _folder(path: object) -> Path:
    try:
        folder = local_path(path)
        is_file = folder.exists() and not folder.is_dir()
    except (CheckpointError, OSError) as error:
        got = error.got if isinstance(error, CheckpointError) else str(error.strerror)
        raise ConfigError(f"{_OWNER} needs the path of a folder", got, "Pass a str or a Path") from error
    if is_file:
        raise ConfigError(f"{_OWNER} needs a folder", f"{folder} is a file", "Choose another name")
    return folder


def _sources(
    episodes: Any, image_size: int | None, cameras: Sequence[str] | Mapping[str, str] | None
) -> list[Source]:
    several = list(episodes) if isinstance(episodes, list | tuple) else [episodes]
    if not several:
        raise ConfigError(f"{_OWNER} needs `episodes`", "the list is empty", "Pass at least one Episodes")
    found = []
    for one in several:
        check_episodes(_OWNER, "episodes", one)
        columns = _columns(one, cameras)
        found.append(Source(one, columns, stored_columns(columns, image_size)))
    return found


def _columns(episodes: Episodes, cameras: Sequence[str] | Mapping[str, str] | None) -> dict[str, Any]:
    """Return the columns to store by the names that they get, actions and frames among them."""
    every = (
        dict(episodes.columns) if episodes.pixels is None else {PIXELS: episodes.pixels, **episodes.columns}
    )
    films = {name for name, column in every.items() if _is_film(column)}
    if cameras is None:
        renamed = {name: name for name in films}
    elif isinstance(cameras, Mapping):
        renamed = dict(named_columns(_OWNER, "cameras", cameras))
    else:
        renamed = {name: name for name in names_of(_OWNER, "cameras", cameras)}
    strange = [name for name in renamed if name not in films]
    if strange:
        raise ConfigError(
            f"{_OWNER} needs `cameras` to name columns of pictures",
            f"`{strange[0]}` is none",
            nearest(strange[0], films) if films else "These episodes have no pictures",
        )
    found = {name: column for name, column in every.items() if name not in films}
    for old, new in renamed.items():
        if new in found:
            raise ConfigError(
                f"{_OWNER} needs `cameras` to give every column a name of its own",
                f"{describe(new)} is the name of two",
                "Choose another name",
            )
        found[new] = every[old]
    _check_names(found)
    return {**found, ACTIONS: episodes.actions}


def _is_film(column: Any) -> bool:
    return column.ndim == 4 and column.dtype == "uint8" and column.shape[3] == 3


def _check_names(columns: Mapping[str, Any]) -> None:
    seen: dict[str, str] = {}
    for name, column in columns.items():
        if not is_column_name(name) or name == ACTIONS:
            raise DataError(
                f"{_OWNER} needs column names that are words of plain letters, other than those of the store",
                f"one is {describe(name)}",
                "Rename it",
            )
        twin = seen.setdefault(name.casefold(), name)
        if twin != name:
            raise DataError(
                f"{_OWNER} needs column names that differ in more than capitals",
                f"there are {quoted([twin, name])}",
                "Rename one, since some file systems do not tell them apart",
            )
        if column.dtype.kind not in "biuf" or not is_store_dtype(column.dtype.newbyteorder("<").str):
            raise DataError(
                f"{_OWNER} needs columns of numbers of up to 64 bits",
                f"`{name}` is {describe(column)}",
                "Encode it as numbers or leave it out",
            )
    if not columns:
        raise ConfigError(
            f"{_OWNER} needs something that was sensed", "no column is left", "Keep one of the `cameras`"
        )


def _index(sources: Sequence[Source]) -> StoreIndex:
    first = sources[0].episodes
    index = StoreIndex(
        sources[0].stored,
        environment_id=first.environment_id,
        fps=first.fps,
        action_choices=first.action_choices,
    )
    for source in sources[1:]:
        other = source.episodes
        facts = {name: getattr(other, name) for name in index.facts}
        _check_alike(None, index, StoreIndex(source.stored, **facts))
    return index


def _check_alike(folder: Path | None, known: StoreIndex, other: StoreIndex) -> None:
    """Raise `DataError` unless episodes can lie in one store."""
    need = (
        f"{_OWNER} needs episodes of one kind" if folder is None else rule(folder, "episodes of its own kind")
    )
    for name in known.facts:
        if getattr(known, name) != getattr(other, name):
            raise DataError(
                need,
                f"`{name}` is {describe(getattr(known, name))} and {describe(getattr(other, name))}",
                "Set it with `dataclasses.replace`, or write a store of their own",
            )
    for name in {**known.columns, **other.columns}:
        one, two = known.columns.get(name), other.columns.get(name)
        if one is None or two is None:
            raise DataError(need, f"only some have the column `{name}`", "Leave it out, or record it in all")
        if (one.dtype, one.tail) != (two.dtype, two.tail):
            raise DataError(
                need,
                f"`{name}` is {one.dtype} {one.tail} and {two.dtype} {two.tail}",
                "Choose one `image_size`, and convert columns of numbers to one type",
            )
