"""Reading `Episodes` from a file in stable-worldmodel's layout, with every breach of it named."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..._checks import describe, plain_numbers
from ...errors import ConfigError, DataError, LeWorldError
from .._actions import describe_bad_action
from .._arguments import chosen_numbers, names_of
from .._episodes import Episodes
from ._check import checked_columns, episode_index, own_columns, rate_and_choices
from ._columns import leaving_rewards, read_column, read_pixels
from ._file import DataFile, opened
from ._layout import (
    CAMERA_PREFIX,
    ENVIRONMENT_ATTRIBUTE,
    EPISODE_COLUMNS,
    IGNORED_COLUMNS,
    REWARD,
    ROW_COLUMNS,
    rule,
)
from ._stored import Runs, StoredColumn


@plain_numbers
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

    The file is read as a stranger's: whatever points out of it (external links, external storage, virtual
    datasets), is damaged, or was declared and never written is refused by name, and nothing is taken for a
    black frame. See the guide on data for the whole list.

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
        DataError: The file is missing, truncated, damaged, written to meanwhile, points to other files, or
            breaks the layout: the message names the file, the column and what was expected.
        ConfigError: A chosen episode does not exist, or an argument is of another kind.
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
    extra = _names(extra_columns)
    if not isinstance(environment_id, str | None):
        raise ConfigError(
            "read_hdf5 needs `environment_id` to be a text",
            f"it is {describe(environment_id)}",
            "Leave it out to take the one that the file names",
        )
    with opened(path, owner="read_hdf5") as file:
        own = own_columns(file)
        columns = checked_columns(file, own, extra)
        lengths, offsets = episode_index(file.path, columns)
        chosen = _choose(file.path, len(lengths), episodes)
        arrays = _arrays(file, columns, (own or (), extra), lengths[chosen], offsets[chosen])
        if environment_id is None:
            environment_id = _environment(file)
        fps, choices = rate_and_choices(file)
    try:
        return Episodes._of_own(
            **arrays,
            lengths=lengths[chosen],
            environment_id=environment_id,
            fps=fps,
            action_choices=choices,
        )
    except LeWorldError as error:
        raise DataError(
            rule(file.path, "episodes whose parts fit together"),
            f"they do not: {error.got}",
            f"{error.rule}. {error.fix}",
        ) from error


def _arrays(
    file: DataFile,
    columns: Mapping[str, StoredColumn],
    named: tuple[Sequence[str], Sequence[str]],
    lengths: np.ndarray,
    offsets: np.ndarray,
) -> dict[str, Any]:
    """Read the frames, the actions and the further columns of the chosen episodes."""
    own, extra = named
    path, runs = file.path, _runs(lengths, offsets)
    pixels = read_pixels(path, columns["pixels"], runs) if "pixels" in columns else None
    actions = read_column(path, columns["action"], runs)
    _check_actions(path, actions, lengths)
    further = {}
    for name, column in columns.items():
        if name in ROW_COLUMNS or name in EPISODE_COLUMNS:
            continue
        if name in extra and name not in own and name.startswith(CAMERA_PREFIX):
            further[name] = read_pixels(path, column, runs)
        elif name in own or name in extra or _is_usual(column):
            further[name] = read_column(path, column, runs)
    if REWARD in further:
        further[REWARD] = leaving_rewards(further[REWARD], lengths)
    return {"pixels": pixels, "actions": actions, "columns": further}


def _is_usual(column: StoredColumn) -> bool:
    """Whether a column loads by itself: not if it follows from others, is a text, or may be a picture."""
    return not (column.name in IGNORED_COLUMNS or column.is_texts or len(column.shape) > 2) and not (
        column.name.startswith(CAMERA_PREFIX)
    )


def _environment(file: DataFile) -> str | None:
    named = file.attribute(ENVIRONMENT_ATTRIBUTE)
    if not isinstance(named, str | None):
        raise DataError(
            rule(file.path, f"a text in its attribute `{ENVIRONMENT_ATTRIBUTE}`"),
            f"it is {describe(named)}",
            "Pass `environment_id` yourself",
        )
    return named


def _check_actions(path: Path, actions: np.ndarray, lengths: np.ndarray) -> None:
    problem = describe_bad_action(actions, lengths)
    if problem is not None:
        raise DataError(
            rule(path, "finite numbers in `action` in every row but an episode's last"),
            problem,
            "Read other episodes, or write the file again with the actions that were executed",
        )


def _names(extra_columns: object) -> tuple[str, ...]:
    names = names_of("read_hdf5", "extra_columns", extra_columns)
    wrong = [name for name in names if name in EPISODE_COLUMNS]
    if wrong:
        raise ConfigError(
            "read_hdf5 needs columns with one entry a row as `extra_columns`",
            f"`{wrong[0]}` has one an episode",
            "Leave it out: `Episodes.lengths` and `Episodes.offsets` hold it",
        )
    return names


def _choose(path: Path, count: int, episodes: slice | Sequence[int] | None) -> np.ndarray:
    chosen = chosen_numbers(slice(None) if episodes is None else episodes, count)
    if chosen is None:
        raise ConfigError(
            f"read_hdf5 needs `episodes` to choose among the {count} episodes of {path}",
            f"`episodes` is {describe(episodes)}",
            "Pass a slice or a list of episode numbers",
        )
    return np.where(chosen < 0, chosen + count, chosen)


def _runs(lengths: np.ndarray, offsets: np.ndarray) -> Runs:
    """Join episodes that follow one another in the file into (first row, end row) runs."""
    runs: list[tuple[int, int]] = []
    for offset, length in zip(offsets.tolist(), lengths.tolist(), strict=True):
        if runs and runs[-1][1] == offset:
            runs[-1] = (runs[-1][0], offset + length)
        else:
            runs.append((offset, offset + length))
    return runs
