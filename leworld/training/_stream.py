"""Which windows each training step sees: a pure function of seed, step and rank."""

import numpy as np
from torch.utils.data import Dataset

from .._random import fold_seed
from ..data import RawBatch, Windows

_SHUFFLE, _STATISTICS = 1, 2


class WindowStream(Dataset[RawBatch]):
    """The batches of a run, numbered by step. Nothing is remembered between two calls but a permutation.

    Windows are taken without replacement from a fresh permutation a pass over the data; a batch that does not
    fit into the rest of a pass begins the next one. With several ranks, each takes its own part of a common
    batch.
    """

    def __init__(
        self, windows: Windows, batch_size: int, *, seed: int, rank: int = 0, num_ranks: int = 1
    ) -> None:
        self.windows = windows
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.num_ranks = num_ranks
        self._order: tuple[int, np.ndarray] | None = None

    def indices(self, step: int) -> np.ndarray:
        """Return the numbers of the windows that this rank sees at `step`."""
        joint = self.batch_size * self.num_ranks
        count = len(self.windows)
        if joint > count:  # fewer windows than a batch: draw with replacement
            rng = np.random.default_rng(fold_seed(self.seed, _SHUFFLE, step))
            chosen = rng.integers(count, size=joint)
        else:
            batches = count // joint
            turn, place = divmod(step, batches)
            chosen = self._permutation(turn)[place * joint : (place + 1) * joint]
        return chosen[self.rank * self.batch_size : (self.rank + 1) * self.batch_size]

    def statistics_indices(self, num: int) -> np.ndarray:
        """Return the numbers of up to `num` windows to measure BatchNorm on, the same on every rank."""
        rng = np.random.default_rng(fold_seed(self.seed, _STATISTICS))
        return rng.permutation(len(self.windows))[:num]

    def __getitem__(self, step: int) -> RawBatch:
        return self.windows.__getitems__(self.indices(step).tolist())

    def _permutation(self, turn: int) -> np.ndarray:
        if self._order is None or self._order[0] != turn:
            rng = np.random.default_rng(fold_seed(self.seed, _SHUFFLE, turn))
            self._order = (turn, rng.permutation(len(self.windows)))
        return self._order[1]
