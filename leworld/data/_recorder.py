"""The rows of episodes under way, and the growing arrays of finished ones."""

from typing import Any

import numpy as np

from .._checks import describe
from ..errors import DataError
from ._episodes import Episodes


class Recorder:
    """Takes rows and actions of several copies of an environment and lays finished episodes end to end.

    `quotas` says how many episodes to keep of every copy, an equal number or one more for the first copies;
    what a copy shows after its last one is dropped. `names` are the names of the values of a row.
    """

    def __init__(self, names: tuple[str, ...], quotas: list[int]) -> None:
        self._names = names
        self._quotas = quotas
        self._counts = [0] * len(quotas)
        self._current = [_Rows() for _ in quotas]
        self._done = _Rows()
        self._lengths: list[int] = []
        self._ends: list[tuple[bool, bool]] = []
        # Finished before an episode that comes earlier in the result.
        self._waiting: dict[int, _Rows] = {}

    @property
    def full(self) -> bool:
        """Whether every copy has given its episodes."""
        return self._counts == self._quotas

    def add_row(self, copy: int, values: list[np.ndarray]) -> None:
        """Append a row; its action and reward are NaN until `add_action` sets them."""
        if self._counts[copy] < self._quotas[copy]:
            self._current[copy].append(values, self._names)

    def add_action(self, copy: int, action: np.ndarray, reward: float) -> None:
        """Set the action that leaves the copy's newest frame, and what it earned."""
        if self._counts[copy] < self._quotas[copy]:
            self._current[copy].actions.append(action)
            self._current[copy].rewards.append(reward)

    def end_episode(self, copy: int, terminated: bool, truncated: bool) -> int:
        """Close the copy's episode after its last frame and return how many episodes that added, 0 or 1."""
        if self._counts[copy] >= self._quotas[copy]:
            return 0
        self._current[copy].end = (terminated, truncated)
        self._waiting[self._counts[copy] * len(self._quotas) + copy] = self._current[copy]
        self._current[copy] = _Rows()
        self._counts[copy] += 1
        while (rows := self._waiting.pop(len(self._lengths), None)) is not None:
            self._lengths.append(rows.count)
            self._ends.append(rows.end)
            remaining = sum(self._quotas) - len(self._lengths)
            self._done.extend(rows, room=remaining * sum(self._lengths) // len(self._lengths))
        return 1

    def episodes(self, **facts: Any) -> Episodes:
        """Return all episodes, first by their number within a copy, then by copy."""
        columns = dict(zip(self._names, self._done.trimmed(), strict=True))
        lengths = np.array(self._lengths)
        columns["reward"] = np.array(self._done.rewards, np.float32)
        for place, name in enumerate(("terminated", "truncated")):
            columns[name] = np.zeros(len(columns["reward"]), bool)
            columns[name][np.cumsum(lengths) - 1] = [end[place] for end in self._ends]
        pixels = columns.pop("pixels", None)
        return Episodes._of_own(
            pixels, np.stack(self._done.actions), lengths=lengths, columns=columns, **facts
        )


class _Rows:
    """Parallel arrays that grow at their end; a large one is enlarged in place by the allocator."""

    def __init__(self) -> None:
        self.count = 0
        self.actions: list[np.ndarray] = []
        self.rewards: list[float] = []
        self.end: tuple[bool, bool] = (False, False)
        self._arrays: list[np.ndarray] = []

    def append(self, values: list[np.ndarray], names: tuple[str, ...]) -> None:
        if not self._arrays:
            self._arrays = [np.empty((0, *value.shape), value.dtype) for value in values]
        for array, value, name in zip(self._arrays, values, names, strict=True):
            if value.shape != array.shape[1:] or value.dtype != array.dtype:
                raise DataError(
                    f"collect needs `{name}` to keep its shape and dtype",
                    f"it was {array.dtype} {array.shape[1:]} and became {describe(value)}",
                    "Make the environment report it in one form",
                )
        self._reserve(self.count + 1, room=self.count)
        for array, value in zip(self._arrays, values, strict=True):
            array[self.count] = value
        self.count += 1

    def extend(self, rows: "_Rows", *, room: int) -> None:
        """Append all of `rows`, whose last action is NaN, making room for `room` rows when out of space."""
        if not self._arrays:
            self._arrays = [np.empty((0, *array.shape[1:]), array.dtype) for array in rows._arrays]
        self._reserve(self.count + rows.count, room=rows.count + room)
        for array, other in zip(self._arrays, rows._arrays, strict=True):
            array[self.count : self.count + rows.count] = other[: rows.count]
        self.count += rows.count
        self.actions += [*rows.actions, np.full_like(rows.actions[-1], np.nan)]
        self.rewards += [*rows.rewards, np.nan]

    def trimmed(self) -> list[np.ndarray]:
        for array in self._arrays:
            array.resize((self.count, *array.shape[1:]), refcheck=False)
        return self._arrays

    def _reserve(self, count: int, *, room: int) -> None:
        if count > len(self._arrays[0]):
            size = max(count, self.count + room, 16)
            for array in self._arrays:
                array.resize((size, *array.shape[1:]), refcheck=False)
