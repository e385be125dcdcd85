"""Short overlapping sequences cut out of whole episodes, batch by batch."""

import copy
from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch.utils.data import Dataset

from .._checks import check_number, describe, plain_numbers
from ..errors import ConfigError, DataError, LeWorldError
from ._arguments import names_of, whole_numbers
from ._columns import BATCH_COLUMNS, REWARD, part_column, scalar_column
from ._episodes import Episodes, check_episodes
from ._observation import Observation, as_tensor
from ._raw_batch import RawBatch, joined


@final
@plain_numbers
class Windows(Dataset[RawBatch]):
    """Every window of `history_size + 1` frames, `frameskip` rows apart, with the actions that leave them.

    A torch dataset for training a world model: `history_size` frames of context and, one step on, the
    targets. Window i of an episode starts at its row i, so consecutive windows overlap; each valid start
    occurs exactly once and no window crosses from one episode into the next. An episode of L rows gives
    max(0, L - history_size * frameskip) windows.

    Each frame comes with the `frameskip` raw actions that leave it, its action block. The block of the last
    frame is needed by no loss and may run past the end of the episode; those rows are NaN here and 0 in a
    `Batch`.

    Further columns come along when they are named. Pictures and vectors become parts of the observation,
    one a frame. `reward`, `terminated`, `truncated` and `success` go with the actions, one a step: the reward
    that the action earned (NaN beyond the end of the episode), and whether the row that it leads to is
    marked.

    Fetch whole batches: `__getitems__` gathers a batch in one indexing call, and a DataLoader uses it by
    itself when `collate_fn=Windows.collate`. The frames are copied into the batch and nothing else is; the
    object can be pickled for worker processes, though with episodes in memory `num_workers=0` is the fast
    choice.

    Args:
        episodes: The trajectories to cut, usually the training side of `Episodes.split`.
        history_size: Number of context frames, at least 1.
        frameskip: Rows between neighbouring frames of a window, at least 1. 5 in the published models.
        columns: Names of columns to take along beside `pixels`, for example
            `processor.observation_parts`.

    Raises:
        ConfigError: A size is not a positive integer, or there is no such column.
        ShapeError: A column is of another form than its name needs.
        DataError: No episode is long enough for a single window, or a reward is NaN or infinite before an
            episode's last row, or a mark behind its first.

    Source:
        The window of the released LeWM training step (arXiv 2603.19312, Appendix D). That loader asks for all
        (history_size + 1) * frameskip rows; here only the last frame must exist, which keeps frameskip - 1
        more windows an episode, those that end at its last frames.

    Example:
        ```python
        import numpy as np
        from torch.utils.data import DataLoader
        from leworld.data import Episodes, Windows

        films = [np.zeros((9, 8, 8, 3), np.uint8)] * 2
        commands = [np.zeros((8, 1), np.float32)] * 2
        windows = Windows(Episodes.from_trajectories(films, commands), 3, frameskip=2)
        assert len(windows) == 2 * (9 - 3 * 2)
        raw = next(iter(DataLoader(windows, batch_size=4, shuffle=True, collate_fn=Windows.collate)))
        assert raw.pixels.shape == (4, 4, 8, 8, 3) and raw.actions.shape == (4, 8, 1)
        ```
    """

    def __init__(
        self,
        episodes: Episodes,
        history_size: int,
        *,
        frameskip: int,
        columns: Sequence[str] | None = None,
    ) -> None:
        check_episodes("Windows", "episodes", episodes)
        check_number("Windows", "history_size", history_size, low=1, integer=True)
        check_number("Windows", "frameskip", frameskip, low=1, integer=True)
        self.episodes = episodes
        self.history_size = history_size
        self.frameskip = frameskip
        span = history_size * frameskip
        counts = np.maximum(episodes.lengths - span, 0)
        if counts.sum() == 0:
            raise DataError(
                f"Windows with history_size={history_size} and frameskip={frameskip} needs an episode of at "
                f"least {span + 1} rows",
                f"the longest has {episodes.lengths.max()}",
                "Use longer episodes, fewer frames or a smaller frameskip",
            )
        self._ends = np.cumsum(counts)
        self._row_shift = episodes.offsets - (self._ends - counts)
        self._episode_end = episodes.offsets + episodes.lengths
        self._take(() if columns is None else columns)

    def with_columns(self, names: Sequence[str]) -> "Windows":
        """Return the same windows with these columns beside `pixels`, at hardly any cost.

        Args:
            names: Columns to take along, instead of those taken so far; `pixels` may be among them.

        Raises:
            ConfigError: There is no such column.
            ShapeError: A column is of another form than its name needs.
            DataError: A reward or a mark is missing.
        """
        other = copy.copy(self)
        other._take(names)
        return other

    def _take(self, names: Sequence[str]) -> None:
        names = names_of("Windows", "columns", names)
        episodes = self.episodes
        sensed = episodes.columns if episodes.pixels is None else {"pixels": episodes.pixels}
        sensed = {**sensed, **episodes.columns}
        first = () if episodes.pixels is None else ("pixels",)
        parts = dict.fromkeys((*first, *(name for name in names if name not in BATCH_COLUMNS)))
        if not parts:
            raise ConfigError(
                "Windows needs a part of an observation, as these episodes have no `pixels`",
                f"`columns` is {list(names)}",
                f"Name some of {sorted(sensed)}",
            )
        self.columns = names
        self._parts = {name: part_column("Windows", name, sensed) for name in parts}
        self._scalars = {
            name: scalar_column("Windows", name, episodes.columns, episodes.lengths)
            for name in BATCH_COLUMNS
            if name in names
        }

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> RawBatch:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> RawBatch:
        """Gather the windows with the given numbers into one `RawBatch`, in the given order."""
        index, count = whole_numbers(indices), len(self)
        if index is None or index.size == 0 or index.min() < -count or index.max() >= count:
            raise _WindowIndexError(
                f"Windows needs one or more window numbers between {-count} and {count - 1}",
                f"the numbers are {describe(indices if index is None else index.tolist())}",
                f"Choose among the {count} windows",
            )
        index = np.where(index < 0, index + count, index)
        episode = np.searchsorted(self._ends, index, side="right")
        start = index + self._row_shift[episode]
        num_frames = self.history_size + 1
        frame_rows = start[:, None] + self.frameskip * np.arange(num_frames)
        action_rows = start[:, None] + np.arange(num_frames * self.frameskip)
        end = self._episode_end[episode][:, None]
        actions = self.episodes.actions[np.minimum(action_rows, end - 1)]
        actions[action_rows >= end] = np.nan
        return RawBatch(
            Observation(parts={name: as_tensor(part[frame_rows]) for name, part in self._parts.items()}),
            torch.from_numpy(actions),
            torch.from_numpy(frame_rows),
            {name: as_tensor(_at_steps(name, of, action_rows, end)) for name, of in self._scalars.items()},
        )

    @staticmethod
    def collate(batch: RawBatch | Sequence[RawBatch]) -> RawBatch:
        """Make one batch of what a DataLoader fetched; pass it as `collate_fn`."""
        return joined(batch)


def _at_steps(name: str, column: np.ndarray, rows: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Gather the reward of every step, or the mark of the row that it leads to."""
    shifted = rows if name == REWARD else rows + 1
    values = column[np.minimum(shifted, end - 1)]
    values[shifted >= end] = np.nan if name == REWARD else False
    return values


class _WindowIndexError(LeWorldError, IndexError):
    """An index past the end, which must be an IndexError for Python's iteration to stop at it."""
