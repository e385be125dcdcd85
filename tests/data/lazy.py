"""A column that is read by rows, and tells whoever asks for too many of them at once."""

from dataclasses import replace

import numpy as np

from leworld.data import Episodes, LazyColumn


class SparingColumn(LazyColumn):
    """An array behind `read`, as if it were larger than the memory: no more than `most` rows at once."""

    def __init__(self, array: np.ndarray, most: int) -> None:
        self.array, self.most = array, most
        self.shape, self.dtype = array.shape, array.dtype
        self.num_read = 0

    def read(self, rows: np.ndarray) -> np.ndarray:
        assert rows.dtype == np.int64
        assert (np.diff(rows) > 0).all()
        assert len(rows) <= self.most, f"{len(rows)} rows were asked for at once"
        self.num_read += len(rows)
        return self.array[rows]


def sparing(episodes: Episodes, most: int) -> Episodes:
    """The same episodes with every picture behind a `SparingColumn`."""
    columns = {
        name: SparingColumn(column, most) if column.ndim == 4 else column
        for name, column in episodes.columns.items()
    }
    return replace(episodes, pixels=SparingColumn(episodes.pixels, most), columns=columns)
