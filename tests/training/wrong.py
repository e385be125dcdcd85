"""Wrong implementations that the suite's checks must reject."""

import numpy as np

from leworld.training import CollapseMonitor
from leworld.training._stream import WindowStream


class _Delegate:
    def __init__(self, *args, **kwargs):
        self.inner = WindowStream(*args, **kwargs)

    def indices(self, step):
        return self.inner.indices(step)


class SameEveryStep(_Delegate):
    def indices(self, step):
        return self.inner.indices(0)


class RemembersCalls(_Delegate):
    calls = 0

    def indices(self, step):
        self.calls += 1
        return self.inner.indices(self.calls)


class IgnoresSeed(_Delegate):
    def __init__(self, *args, seed, **kwargs):
        super().__init__(*args, seed=0, **kwargs)


class IgnoresRank(_Delegate):
    def __init__(self, *args, rank=0, **kwargs):
        super().__init__(*args, **kwargs)


class NeverShuffles(_Delegate):
    def indices(self, step):
        joint = self.inner.batch_size * self.inner.num_ranks
        start = step * joint + self.inner.rank * self.inner.batch_size
        return np.arange(start, start + self.inner.batch_size) % len(self.inner.windows)


WRONG_STREAMS = (SameEveryStep, RemembersCalls, IgnoresSeed, IgnoresRank, NeverShuffles)


class _Monitor:
    def __init__(self):
        self.inner = CollapseMonitor()
        self.collapsing = False


class NeverWarns(_Monitor):
    def update(self, step, embeddings):
        return None


class WarnsWhenSmall(_Monitor):
    """Takes an embedding that is small and growing for a collapse."""

    def update(self, step, embeddings):
        before, self.collapsing = self.collapsing, float(embeddings.std()) < 0.25
        return "collapse" if self.collapsing and not before else None


class WarnsAtOnce(_Monitor):
    """Has no patience."""

    def update(self, step, embeddings):
        self.inner.patience = 1
        message = self.inner.update(step, embeddings)
        self.collapsing = self.inner.collapsing
        return message


class LooksAtSpreadOnly(_Monitor):
    def update(self, step, embeddings):
        self.inner.min_rank = 0.0
        message = self.inner.update(step, embeddings)
        self.collapsing = self.inner.collapsing
        return message


class WarnsEveryTime(_Monitor):
    def update(self, step, embeddings):
        self.inner.update(step, embeddings)
        self.collapsing = self.inner.collapsing
        return "collapse" if self.collapsing else None


WRONG_MONITORS = (NeverWarns, WarnsWhenSmall, WarnsAtOnce, LooksAtSpreadOnly, WarnsEveryTime)
