"""Reading `Episodes` from a file in stable-worldmodel's layout, with every breach of it named."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .._checks import describe, require
from ..errors import ConfigError, DataError
from ._actions import describe_bad_action
from ._episodes import Episodes
from ._hdf5_check import check_names, episode_index
from ._hdf5_columns import leaving_rewards, read_column, read_pixels
from ._hdf5_layout import (
    CAMERA_PREFIX,
    CHOICES_ATTRIBUTE,
    COLUMNS_ATTRIBUTE,
    ENVIRONMENT_ATTRIBUTE,
    EPISODE_COLUMNS,
    FPS_ATTRIBUTE,
    IGNORED_COLUMNS,
    REWARD,
    ROW_COLUMNS,
    rule,
)


def read_hdf5(
    path: str | os.PathLike[str],
    *,
    episodes: slice | Sequence[int] | None = None,
    extra_columns: Sequence[str] = (),
    environment_id: str | None = None,
) -> Episodes:
    """Read episodes from one HDF5 file in the layout of stable-worldmodel: your own or published data.

    Only the chosen episodes are read, so a part of a file larger than the memory can be had. Every column is
    one dataset at the top of the file: `pixels` (row, height, width, 3) or (row, 3, height, width) uint8,
    `action` (row, action) with NaN in an episode's last row, any of `proprio`, `state`, `observation`,
    `reward`, `terminated`, `truncated` and others with one entry a row, and `ep_len`, `ep_offset` with one
    entry an episode: its number of rows and its first row. Columns that follow from these (`ep_idx`,
    `step_idx`), further cameras (`pixels_top`) and texts are not loaded unless `write_hdf5` wrote them or you
    name them. The file's attributes `fps` and `action_choices` are kept. Needs the package h5py (extra
    `train`).

    Rewards are stored with the frame that they came with, NaN in an episode's first row, and `Episodes` has
    them with the action that earned them, one row earlier: they are moved. A `reward` without NaN in every
    first row is taken to belong to its action already.

    Args:
        path: The file. Published ones are compressed a second time (`.h5.zst`): unpack them first.
        episodes: Which episodes to read, as a slice or a list of numbers; all of them unless given.
        extra_columns: Names of columns outside the layout, or of further cameras, to load as well. Any
            other unknown column is an error, so that a misspelt one is not lost in silence.
        environment_id: Overrides the environment that the file names, or fills it in.

    Raises:
        DataError: The file is missing, truncated, or breaks the layout: the message names the file, the
            column and what was expected.
        ConfigError: A chosen episode does not exist.
        MissingExtraError: h5py is not installed, or the file needs a compression filter that is not:
            published files use Blosc and need `pip install hdf5plugin`.

    Source:
        stable-worldmodel (galilai-group/stable-worldmodel: stable_worldmodel/data/formats/hdf5.py,
        `HDF5Writer`, and the recorder of its `World`, which shifts actions so that row t holds the one that
        leaves frame t).

    Example:
        ```python
        import tempfile
        from pathlib import Path
        import numpy as np
        from leworld.data import Episodes, read_hdf5, write_hdf5

        films = [np.full((4, 8, 8, 3), i, np.uint8) for i in range(5)]
        episodes = Episodes.from_trajectories(films, [np.ones((3, 2), np.float32)] * 5)
        with tempfile.TemporaryDirectory() as folder:
            write_hdf5(Path(folder) / "mine.h5", episodes)
            last = read_hdf5(Path(folder) / "mine.h5", episodes=slice(-2, None))
        assert len(last) == 2 and last.pixels[0].max() == 3
        ```
    """
    h5py = require("h5py", extra="train", purpose="read_hdf5")
    source = Path(path)
    with _opened(h5py, source) as file:
        own = _own_columns(file)
        check_names(source, file, (*own, *extra_columns))
        lengths, offsets = episode_index(source, file)
        chosen = _choose(source, len(lengths), episodes)
        runs = _runs(lengths[chosen], offsets[chosen])
        pixels = read_pixels(source, "pixels", file["pixels"], runs) if "pixels" in file else None
        actions = read_column(source, "action", file["action"], runs)
        _check_actions(source, actions, lengths[chosen])
        columns = {}
        for name in file:
            usual = name not in (*ROW_COLUMNS, *EPISODE_COLUMNS, *IGNORED_COLUMNS)
            if name in own or (name in extra_columns and not name.startswith(CAMERA_PREFIX)):
                columns[name] = read_column(source, name, file[name], runs)
            elif name in extra_columns:
                columns[name] = read_pixels(source, name, file[name], runs)
            elif usual and file[name].ndim < 3 and file[name].dtype.kind in "biuf":
                columns[name] = read_column(source, name, file[name], runs)
        if REWARD in columns:
            columns[REWARD] = leaving_rewards(columns[REWARD], lengths[chosen])
        named = file.attrs.get(ENVIRONMENT_ATTRIBUTE)
        environment_id = environment_id or (str(named) if named is not None else None)
        fps, choices = (_number(file, name) for name in (FPS_ATTRIBUTE, CHOICES_ATTRIBUTE))
    return Episodes._of_own(
        pixels,
        actions,
        lengths=lengths[chosen],
        columns=columns,
        environment_id=environment_id,
        fps=fps,
        action_choices=None if choices is None else int(choices),
    )


def _number(file: Any, name: str) -> float | None:
    """Return an attribute that is a number above 0, which is all that these can be."""
    value = np.asarray(file.attrs.get(name, np.nan))
    if value.size != 1 or value.dtype.kind not in "iuf":
        return None
    number = float(value.reshape(()))
    return number if np.isfinite(number) and number > 0 else None


def _check_actions(path: Path, actions: np.ndarray, lengths: np.ndarray) -> None:
    problem = describe_bad_action(actions, lengths)
    if problem is not None:
        raise DataError(
            rule(path, "finite numbers in `action` in every row but an episode's last"),
            problem,
            "Read other episodes, or write the file again with the actions that were executed",
        )


@contextmanager
def _opened(h5py: Any, path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise DataError(rule(path, "to exist"), "there is no such file", "Check the path")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DataError(
            rule(path, "to be a complete HDF5 file"),
            f"opening it failed ({error})",
            "It may be truncated, still packed (.zst) or of another kind: fetch, unpack or write it again",
        ) from error
    with file:
        yield file


def _own_columns(file: Any) -> tuple[str, ...]:
    """Return the columns that `write_hdf5` listed in the file."""
    listed = file.attrs.get(COLUMNS_ATTRIBUTE)
    return tuple(json.loads(listed)) if isinstance(listed, str) else ()


def _choose(path: Path, count: int, episodes: slice | Sequence[int] | None) -> np.ndarray:
    numbers = np.arange(count)
    if episodes is None:
        return numbers
    if isinstance(episodes, slice):
        chosen = numbers[episodes]
    else:
        wanted = np.asarray(episodes)
        whole = wanted.ndim == 1 and wanted.dtype.kind in "iu"
        valid = whole and ((wanted >= -count) & (wanted < count)).all()
        chosen = numbers[wanted] if valid else numbers[:0]
    if len(chosen) == 0:
        raise ConfigError(
            f"read_hdf5 needs `episodes` to choose among the {count} episodes of {path}",
            f"`episodes` is {describe(episodes)}",
            "Pass a slice or a list of episode numbers",
        )
    return chosen


def _runs(lengths: np.ndarray, offsets: np.ndarray) -> list[tuple[int, int]]:
    """Join episodes that follow one another in the file into (first row, end row) runs."""
    runs: list[tuple[int, int]] = []
    for offset, length in zip(offsets.tolist(), lengths.tolist(), strict=True):
        if runs and runs[-1][1] == offset:
            runs[-1] = (runs[-1][0], offset + length)
        else:
            runs.append((offset, offset + length))
    return runs
