"""Short overlapping sequences cut out of whole episodes, batch by batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from .._checks import check_number
from ..errors import DataError, LeWorldError
from ._episodes import Episodes, check_episodes


@final
@dataclass(frozen=True, eq=False)
class RawBatch:
    """Windows as they lie in the data, uint8 frames and raw actions, before `to_batch` normalises them.

    It stays small (a quarter of the float frames), so move this to the training device and normalise there.

    Shapes:
        pixels: (batch, time, height, width, channel), uint8.
        actions: (batch, step, action), where step = time * frameskip. NaN where the episode has no action.
        rows: (batch, time), the row of every frame in `Episodes`, to look up other columns.

    Example:
        ```python
        import torch
        from leworld.data import RawBatch

        frames = torch.zeros(2, 4, 8, 8, 3, dtype=torch.uint8)
        raw = RawBatch(frames, torch.zeros(2, 20, 1), torch.zeros(2, 4, dtype=torch.int64))
        assert len(raw) == 2 and raw.to("cpu").pixels.shape == (2, 4, 8, 8, 3)
        ```
    """

    pixels: UInt8[Tensor, "batch time height width channel"]
    actions: Float[Tensor, "batch step action"]
    rows: Int[Tensor, "batch time"]

    def __len__(self) -> int:
        return self.pixels.shape[0]

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "RawBatch":
        """Move all three tensors to `device`."""
        return RawBatch(*(part.to(device, non_blocking=non_blocking) for part in self._parts()))

    def pin_memory(self) -> "RawBatch":
        """Copy to page-locked memory; torch's DataLoader calls it when its own `pin_memory` is set."""
        return RawBatch(*(part.pin_memory() for part in self._parts()))

    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.pixels, self.actions, self.rows


@final
class Windows(Dataset[RawBatch]):
    """Every window of `history_size + 1` frames, `frameskip` rows apart, with the actions that leave them.

    A torch dataset for training a world model: `history_size` frames of context and, one step on, the
    targets. Window i of an episode starts at its row i, so consecutive windows overlap; each valid start
    occurs exactly once and no window crosses from one episode into the next. An episode of L rows gives
    max(0, L - history_size * frameskip) windows.

    Each frame comes with the `frameskip` raw actions that leave it, its action block. The block of the last
    frame is needed by no loss and may run past the end of the episode; those rows are NaN here and 0 in a
    `Batch`.

    Fetch whole batches: `__getitems__` gathers a batch in one indexing call, and a DataLoader uses it by
    itself when `collate_fn=Windows.collate`. The frames are copied into the batch and nothing else is; the
    object can be pickled for worker processes, though with episodes in memory `num_workers=0` is the fast
    choice.

    Args:
        episodes: The trajectories to cut, usually the training side of `Episodes.split`.
        history_size: Number of context frames, at least 1.
        frameskip: Rows between neighbouring frames of a window, at least 1. 5 in the published models.

    Raises:
        ConfigError: A size is not a positive integer.
        DataError: No episode is long enough for a single window.

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

    def __init__(self, episodes: Episodes, history_size: int, *, frameskip: int) -> None:
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

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> RawBatch:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> RawBatch:
        """Gather the windows with the given numbers into one `RawBatch`, in the given order."""
        index = np.asarray(indices, dtype=np.int64).reshape(-1)
        count = len(self)
        if index.size == 0 or index.min() < -count or index.max() >= count:
            raise _WindowIndexError(
                f"Windows needs one or more window numbers between {-count} and {count - 1}",
                f"the numbers are {index.tolist()}"[:200],
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
            torch.from_numpy(self.episodes.pixels[frame_rows]),
            torch.from_numpy(actions),
            torch.from_numpy(frame_rows),
        )

    @staticmethod
    def collate(batch: RawBatch | Sequence[RawBatch]) -> RawBatch:
        """Make one batch of what a DataLoader fetched; pass it as `collate_fn`."""
        if isinstance(batch, RawBatch):
            return batch
        return RawBatch(
            torch.cat([item.pixels for item in batch]),
            torch.cat([item.actions for item in batch]),
            torch.cat([item.rows for item in batch]),
        )


class _WindowIndexError(LeWorldError, IndexError):
    """An index past the end, which must be an IndexError for Python's iteration to stop at it."""
