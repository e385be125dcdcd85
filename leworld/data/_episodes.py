"""Whole trajectories: pixels, actions and further columns, row after row, episode after episode."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial
from typing import Any, final

import numpy as np
from jaxtyping import Float, Int, UInt8

from .._checks import check_number, describe, plain_numbers
from .._lending import held, owned
from ..errors import ConfigError, LeWorldError
from ._arguments import UNFIT, chosen_numbers, named_columns, names_of
from ._columns import part_column
from ._episode_checks import (
    check_actions,
    check_column,
    check_finite_actions,
    check_pixels,
    checked_choices,
    checked_lengths,
    checked_rate,
)
from ._lazy import LazyColumn, rows_of
from ._observation import Observation
from ._task_texts import checked_texts
from ._trajectories import join


@final
@plain_numbers
@dataclass(frozen=True, eq=False, repr=False)
class Episodes:
    """Trajectories of different lengths, stored one after another along the row axis.

    Row t of an episode holds frame t and the action that leaves it; no action leaves the last frame, so the
    last row's action is NaN. It is what `Windows` cuts, what `fit_processor` measures and what `write_hdf5`
    and `write_store` store. Its columns are arrays in memory, or read from the disk a few rows at a time: see
    `open_episodes` and `LazyColumn`.

    Arrays that somebody else could still write to are copied, so that a recorder may use its buffers again.
    An array that is read-only, or that belongs to other episodes already, is held as it is:
    `frames.flags.writeable = False` before the call saves the copy of a large film. `read_hdf5`, `collect`,
    `from_trajectories` and `select` make no second copy. Actions of another float type are converted to
    float32.

    Columns hold whatever else was recorded: further cameras (uint8, (row, height, width, 3)), vectors, and by
    these names and meanings

    - `reward` (row,): what the action of row t earned; NaN in an episode's last row.
    - `terminated` (row,): whether the episode ended in frame t because its task was over. An episode that was
      cut off by a time limit has no True.
    - `truncated` (row,): whether it was cut off in frame t.

    Shapes:
        pixels: (row, height, width, channel) with channel = 3.
        actions: (row, action).
        lengths: (episode,), adding up to row.
        columns: each (row, ...).

    Args:
        pixels: RGB frames, uint8, an array or a `LazyColumn`; None for data without the camera of this name,
            which needs `columns`.
        actions: Raw actions in the environment's units, floating point. NaN in an episode's last row only.
        lengths: Number of rows of every episode, each at least 1.
        columns: Further columns by name, for example "state" or "proprio", with one entry a row.
        environment_id: Where the data comes from, by the id that `leworld.tasks` finds its task by.
        fps: Frames (rows) a second, if known.
        action_choices: Number of choices where the action is a choice; `actions` are one-hot then.
        task_texts: What was to be done in each episode, in words; None for an episode of which nothing is
            said, None for all where nothing is said of any.

    Raises:
        ShapeError: An array has the wrong rank, dtype or number of rows.
        DataError: The lengths do not add up to the rows, or an action is NaN or infinite where it must not
            be.

    Example:
        ```python
        import numpy as np
        from leworld.data import Episodes

        frames = np.zeros((5, 8, 8, 3), np.uint8)
        actions = np.array([[0.1], [0.2], [np.nan], [0.3], [np.nan]], np.float32)
        episodes = Episodes(frames, actions, lengths=np.array([3, 2]))
        assert len(episodes) == 2 and episodes.offsets.tolist() == [0, 3]
        ```
    """

    pixels: Any  # UInt8[np.ndarray, "row height width channel"], or None
    actions: Float[np.ndarray, "row action"]
    _: KW_ONLY
    lengths: Int[np.ndarray, " episode"]
    columns: Mapping[str, Any] = field(default_factory=dict)  # np.ndarray or LazyColumn
    environment_id: str | None = None
    fps: float | None = None
    action_choices: int | None = None
    task_texts: Sequence[str | None] | None = None

    def __post_init__(self) -> None:
        named_columns("Episodes", "columns", self.columns)
        if not isinstance(self.environment_id, str | None):
            raise ConfigError(
                "Episodes needs `environment_id` to be a text",
                f"it is {describe(self.environment_id)}",
                "Pass the id that the environment is registered under, or leave it out",
            )
        if self.pixels is not None:
            check_pixels(self.pixels)
        elif not self.columns:
            raise ConfigError(
                "Episodes needs something that was sensed",
                "`pixels` is None and `columns` is empty",
                "Pass frames, or vectors by name in `columns`",
            )
        check_actions(self.actions)
        rows, counted = (
            (len(self.actions), "actions") if self.pixels is None else (len(self.pixels), "pixels")
        )
        lengths = checked_lengths(self.lengths, rows, counted)
        for name, column in {"actions": self.actions, **self.columns}.items():
            check_column(name, column, rows, counted)
        object.__setattr__(self, "lengths", lengths)
        with np.errstate(over="ignore"):  # what does not fit is infinite then, and refused below
            object.__setattr__(self, "actions", self.actions.astype(np.float32, copy=False))
        object.__setattr__(self, "columns", dict(self.columns))
        self._hold()
        check_finite_actions(self.actions, self.lengths)
        object.__setattr__(self, "fps", checked_rate(self.fps))
        object.__setattr__(self, "action_choices", checked_choices(self.action_choices, self.actions))
        object.__setattr__(self, "task_texts", checked_texts(self.task_texts, self.num_episodes))

    def _hold(self) -> None:
        """Keep arrays that nobody else can write to."""
        for name in ("pixels", "actions", "lengths"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _held(getattr(self, name)))
        columns = {name: _held(column) for name, column in self.columns.items()}
        object.__setattr__(self, "columns", columns)

    @staticmethod
    def _of_own(
        pixels: Any,
        actions: np.ndarray,
        *,
        lengths: np.ndarray,
        columns: Mapping[str, Any],
        **facts: Any,
    ) -> "Episodes":
        """Return episodes of arrays that nobody else has, which need no copy."""
        for array in (actions, *columns.values(), pixels):
            if isinstance(array, np.ndarray):
                owned(array)
        return Episodes(pixels, actions, lengths=lengths, columns=columns, **facts)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)  # what was unpickled is this object's own
        for array in (self.pixels, self.actions, self.lengths, *self.columns.values()):
            if isinstance(array, np.ndarray):
                owned(array)

    @property
    def num_episodes(self) -> int:
        """Number of episodes."""
        return len(self.lengths)

    @property
    def num_rows(self) -> int:
        """Number of rows, the frames of all episodes."""
        return len(self.actions)

    @property
    def offsets(self) -> Int[np.ndarray, " episode"]:
        """First row of every episode."""
        return np.cumsum(self.lengths) - self.lengths

    @property
    def action_dim(self) -> int:
        """Number of components of a raw action."""
        return self.actions.shape[1]

    def __len__(self) -> int:
        return self.num_episodes

    def __repr__(self) -> str:
        pixels = "no pixels"
        if self.pixels is not None:
            height, width = self.pixels.shape[1:3]
            place = " on disk" if isinstance(self.pixels, LazyColumn) else ""
            pixels = f"pixels {height}x{width} of {self.pixels.nbytes / 1e6:.1f} MB{place}"
        known = {"fps": self.fps, "action_choices": self.action_choices}
        more = "".join(f", {name}={value}" for name, value in known.items() if value is not None)
        return (
            f"Episodes({self.num_episodes} episodes, {self.num_rows} rows, {pixels}, "
            f"action_dim={self.action_dim}, columns={sorted(self.columns)}, "
            f"environment_id={self.environment_id!r}{more})"
        )

    def observation(self, names: Sequence[str], rows: Any = slice(None)) -> Observation:
        """Return the named parts of the given rows, raw and as arrays.

        Args:
            names: `pixels`, and columns that hold pictures or numbers; one number a row becomes (row, 1).
            rows: A slice, which shares memory, or row numbers. Of a column on disk these rows are read.

        Raises:
            ConfigError: There is no such part, or no such row.
            ShapeError: A column is neither pictures nor numbers (row, dim).
        """
        owner = "Episodes.observation"
        columns = {name: self._part(owner, name) for name in names_of(owner, "names", names)}
        try:
            return Observation(parts={name: column[rows] for name, column in columns.items()})
        except UNFIT as error:
            if isinstance(error, LeWorldError):
                raise
            raise ConfigError(
                f"{owner} needs `rows` to choose among the {self.num_rows} rows",
                f"`rows` is {describe(rows)}",
                "Pass a slice or row numbers",
            ) from error

    def part(self, name: str) -> Any:
        """Return a whole part of an observation, (row, height, width, 3) or (row, dim); nothing is read.

        Args:
            name: `pixels`, or a column that holds pictures or numbers.

        Returns:
            The array or the `LazyColumn` that holds it; one number a row becomes an array (row, 1).

        Raises:
            ConfigError: There is no such part.
            ShapeError: The column is neither pictures nor numbers (row, dim).
        """
        return self._part("Episodes.part", name)

    def _part(self, owner: str, name: str) -> Any:
        sensed = self.columns if self.pixels is None else {"pixels": self.pixels, **self.columns}
        return part_column(owner, name, sensed)

    @plain_numbers
    def rows(self, index: int) -> slice:
        """Return the rows of episode `index` as a slice, so `pixels[rows(i)]` is its film.

        Args:
            index: Episode number; negative ones count from the end.

        Raises:
            ConfigError: There is no such episode.
        """
        number = int(_checked_indices(self, [index])[0])
        end = int(self.lengths[: number + 1].sum())
        return slice(end - int(self.lengths[number]), end)

    @plain_numbers
    def select(self, indices: Sequence[int] | Int[np.ndarray, " episode"] | slice) -> "Episodes":
        """Return the chosen episodes in the given order.

        A run of neighbouring episodes shares this object's memory; any other choice copies its rows once.
        Columns on disk stay there.

        Args:
            indices: Episode numbers (negative ones count from the end) or a slice over episodes.

        Raises:
            ConfigError: A number is no episode, or none is chosen.
        """
        numbers = _checked_indices(self, indices)
        offsets, lengths = self.offsets[numbers], self.lengths[numbers]
        rows: slice | np.ndarray
        if np.array_equal(np.diff(numbers), np.ones(len(numbers) - 1, numbers.dtype)):
            rows = slice(int(offsets[0]), int(offsets[-1] + lengths[-1]))
        else:
            within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            rows = np.repeat(offsets, lengths) + within
        chosen, texts = partial(rows_of, rows=rows), self.task_texts
        return replace(
            self,
            task_texts=None if texts is None else [texts[number] for number in numbers],
            pixels=None if self.pixels is None else chosen(self.pixels),
            actions=chosen(self.actions),
            lengths=lengths,
            columns={name: chosen(column) for name, column in self.columns.items()},
        )

    def load(self) -> "Episodes":
        """Return the same episodes with every column in memory, read once; these themselves if all are."""
        columns = {} if self.pixels is None else {"pixels": self.pixels}
        lazy = {
            name: owned(np.asarray(column))
            for name, column in {**self.columns, **columns}.items()
            if isinstance(column, LazyColumn)
        }
        pixels = lazy.pop("pixels", self.pixels) if columns else None
        if not lazy and pixels is self.pixels:
            return self
        return replace(self, pixels=pixels, columns={**self.columns, **lazy})

    @plain_numbers
    def split(self, held_out: float, *, seed: int) -> tuple["Episodes", "Episodes"]:
        """Split into training and held-out episodes at random, each kept whole.

        Windows of one episode overlap, so a split by window would put nearly the same frames on both sides
        and make the held-out error look better than it is. At least one episode lands on either side.

        Args:
            held_out: Share of the episodes to hold out, above 0 and below 1.
            seed: Seed of the draw. Equal seeds give equal splits.

        Returns:
            The training episodes and the held-out episodes, both in their original order.

        Raises:
            ConfigError: `held_out` is out of range or there is only one episode.
        """
        check_number("Episodes.split", "held_out", held_out, low=0.0, high=1.0, open_low=True)
        check_number("Episodes.split", "seed", seed, low=0, integer=True)
        if self.num_episodes < 2 or held_out >= 1.0:
            raise ConfigError(
                "Episodes.split needs at least 2 episodes and `held_out` below 1",
                f"there are {self.num_episodes} episodes and `held_out={held_out}`",
                "Collect more episodes, or train on all of them without a split",
            )
        count = min(max(round(self.num_episodes * held_out), 1), self.num_episodes - 1)
        order = np.random.default_rng(seed).permutation(self.num_episodes)
        return self.select(np.sort(order[count:])), self.select(np.sort(order[:count]))

    @staticmethod
    @plain_numbers
    def from_trajectories(
        pixels: Sequence[UInt8[np.ndarray, "_ height width channel"]] | None,
        actions: Sequence[Float[np.ndarray, "_ action"] | Int[np.ndarray, " _"]],
        *,
        columns: Mapping[str, Sequence[np.ndarray]] | None = None,
        environment_id: str | None = None,
        fps: float | None = None,
        action_choices: int | None = None,
        task_texts: Sequence[str | None] | None = None,
    ) -> "Episodes":
        """Join separate trajectories: the way in for your own recordings. Copies every frame once.

        Args:
            pixels: One (frame, height, width, channel) array an episode; None if no camera has this name.
            actions: One (frame - 1, action) array an episode, the action of row t leading from frame t to t +
                1; or (frame, action) if the action that leaves the last frame is known or already NaN. With
                `action_choices`, numbers of choices (frame - 1,) or (frame,) will do and become one-hot.
            columns: Further columns by name, each a list with one (frame, ...) array an episode.
            environment_id: Where the data comes from.
            fps: Frames a second, if known.
            action_choices: Number of choices where the action is a choice.
            task_texts: What was to be done in each episode, in words.

        Raises:
            ShapeError: The lists differ in length, or an episode's arrays do not fit together.

        Example:
            ```python
            import numpy as np
            from leworld.data import Episodes

            films = [np.zeros((4, 8, 8, 3), np.uint8), np.zeros((3, 8, 8, 3), np.uint8)]
            commands = [np.ones((3, 2), np.float32), np.ones((2, 2), np.float32)]
            episodes = Episodes.from_trajectories(films, commands)
            assert episodes.lengths.tolist() == [4, 3] and np.isnan(episodes.actions[3]).all()
            ```
        """
        joined = join(pixels, actions, {} if columns is None else columns, action_choices)
        facts = {"environment_id": environment_id, "fps": fps, "task_texts": task_texts}
        return Episodes._of_own(**joined, action_choices=action_choices, **facts)


def _held(column: Any) -> Any:
    return column if isinstance(column, LazyColumn) else held(column)


def _checked_indices(episodes: Episodes, chosen: Any) -> np.ndarray:
    count = episodes.num_episodes
    numbers = chosen_numbers(chosen, count)
    if numbers is None:
        raise ConfigError(
            f"Episodes needs one or more episode numbers between {-count} and {count - 1}",
            f"the choice is {describe(chosen.tolist() if isinstance(chosen, np.ndarray) else chosen)}",
            f"Choose among the {count} episodes",
        )
    return np.where(numbers < 0, numbers + count, numbers)


def check_episodes(owner: str, name: str, value: object) -> None:
    """Raise `ConfigError` unless `value` is an `Episodes`."""
    if not isinstance(value, Episodes):
        raise ConfigError(
            f"{owner} needs `{name}` to be an Episodes",
            f"`{name}` is {describe(value)}",
            "Join separate trajectories with Episodes.from_trajectories, or read a file with read_hdf5",
        )
