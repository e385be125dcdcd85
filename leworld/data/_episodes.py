"""Whole trajectories in memory: pixels, actions and further columns, row after row, episode after episode."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import final

import numpy as np
from jaxtyping import Float, Int, UInt8

from .._checks import check_number, describe
from ..errors import ConfigError, DataError, ShapeError
from ._actions import describe_bad_action

_RGB_FIX = "Store RGB images as uint8 in 0..255 with the channel last; repeat a grey channel three times"


@final
@dataclass(frozen=True, eq=False, repr=False)
class Episodes:
    """Trajectories of different lengths, stored one after another along the row axis.

    Row t of an episode holds frame t and the action that leaves it; no action leaves the last frame, so the
    last row's action is NaN. Reach for it whenever trajectories are in memory: it is what `Windows` cuts,
    what `fit_processor` measures and what `write_hdf5` stores. Construction checks the arrays and copies none
    of them (actions of another float type are converted to float32).

    Shapes:
        pixels: (row, height, width, channel) with channel = 3.
        actions: (row, action).
        lengths: (episode,), adding up to row.
        columns: each (row, ...).

    Args:
        pixels: RGB frames, uint8.
        actions: Raw actions in the environment's units, floating point. NaN in an episode's last row only.
        lengths: Number of rows of every episode, each at least 1.
        columns: Further columns by name, for example "state" or "proprio", with one entry a row.
        environment_id: Where the data comes from, by the id that `leworld.tasks` finds its task by.

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

    pixels: UInt8[np.ndarray, "row height width channel"]
    actions: Float[np.ndarray, "row action"]
    _: KW_ONLY
    lengths: Int[np.ndarray, " episode"]
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    environment_id: str | None = None

    def __post_init__(self) -> None:
        _check_pixels(self.pixels)
        _check_float_rows("actions", self.actions)
        lengths = np.asarray(self.lengths)
        if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or lengths.size == 0:
            raise ShapeError(
                "Episodes needs `lengths` to hold one integer an episode, for at least one episode",
                f"`lengths` is {describe(lengths)}",
                "Pass the number of rows of every episode as a one-axis integer array",
            )
        if lengths.min() < 1 or lengths.sum() != len(self.pixels):
            raise DataError(
                "Episodes needs `lengths` of at least 1 that add up to the number of rows",
                f"the smallest is {lengths.min()} and they add up to {lengths.sum()}, "
                f"while `pixels` has {len(self.pixels)} rows",
                "Give the rows of every episode, its last frame included",
            )
        for name, column in {"actions": self.actions, **self.columns}.items():
            if not isinstance(column, np.ndarray) or column.ndim < 1 or len(column) != len(self.pixels):
                raise ShapeError(
                    f"Episodes needs `{name}` to be an array with one entry for each of the "
                    f"{len(self.pixels)} rows of `pixels`",
                    f"`{name}` is {describe(column)}",
                    "Pad or cut it so that every frame has its entry",
                )
        object.__setattr__(self, "lengths", lengths.astype(np.int64, copy=False))
        object.__setattr__(self, "actions", self.actions.astype(np.float32, copy=False))
        object.__setattr__(self, "columns", dict(self.columns))
        problem = describe_bad_action(self.actions, self.lengths)
        if problem is not None:
            raise DataError(
                "Episodes needs finite `actions` in every row but an episode's last",
                problem,
                "Cut the episode there, or fill in the action that was executed",
            )

    @property
    def num_episodes(self) -> int:
        """Number of episodes."""
        return len(self.lengths)

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
        row, height, width, _ = self.pixels.shape
        return (
            f"Episodes({self.num_episodes} episodes, {row} rows, pixels {height}x{width}, "
            f"action_dim={self.action_dim}, columns={sorted(self.columns)}, "
            f"environment_id={self.environment_id!r}, {self.pixels.nbytes / 1e6:.1f} MB of pixels)"
        )

    def rows(self, index: int) -> slice:
        """Return the rows of episode `index` as a slice, so `pixels[rows(i)]` is its film.

        Args:
            index: Episode number; negative ones count from the end.

        Raises:
            ConfigError: There is no such episode.
        """
        number = int(_checked_indices(self, np.array([index]))[0])
        end = int(self.lengths[: number + 1].sum())
        return slice(end - int(self.lengths[number]), end)

    def select(self, indices: Sequence[int] | Int[np.ndarray, " episode"] | slice) -> "Episodes":
        """Return the chosen episodes in the given order.

        A run of neighbouring episodes shares this object's memory; any other choice copies its rows once.

        Args:
            indices: Episode numbers (negative ones count from the end) or a slice over episodes.

        Raises:
            ConfigError: A number is no episode, or none is chosen.
        """
        numbers = np.arange(self.num_episodes)[indices] if isinstance(indices, slice) else np.asarray(indices)
        numbers = _checked_indices(self, numbers)
        offsets, lengths = self.offsets[numbers], self.lengths[numbers]
        rows: slice | np.ndarray
        if np.array_equal(np.diff(numbers), np.ones(len(numbers) - 1, numbers.dtype)):
            rows = slice(int(offsets[0]), int(offsets[-1] + lengths[-1]))
        else:
            within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            rows = np.repeat(offsets, lengths) + within
        return Episodes(
            self.pixels[rows],
            self.actions[rows],
            lengths=lengths,
            columns={name: column[rows] for name, column in self.columns.items()},
            environment_id=self.environment_id,
        )

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
    def from_trajectories(
        pixels: Sequence[UInt8[np.ndarray, "_ height width channel"]],
        actions: Sequence[Float[np.ndarray, "_ action"]],
        *,
        columns: Mapping[str, Sequence[np.ndarray]] | None = None,
        environment_id: str | None = None,
    ) -> "Episodes":
        """Join separate trajectories: the way in for your own recordings. Copies every frame once.

        Args:
            pixels: One (frame, height, width, channel) array an episode.
            actions: One (frame - 1, action) array an episode, the action of row t leading from frame t to t +
                1; or (frame, action) if the action that leaves the last frame is known or already NaN.
            columns: Further columns by name, each a list with one (frame, ...) array an episode.
            environment_id: Where the data comes from.

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
        columns = columns or {}
        owner = "Episodes.from_trajectories"
        for name, items in {"actions": actions, **columns}.items():
            if len(items) != len(pixels) or len(pixels) == 0:
                raise ShapeError(
                    f"{owner} needs `{name}` and `pixels` to hold one array for every episode",
                    f"`{name}` has {len(items)} and `pixels` has {len(pixels)}",
                    "Pass lists of equal, non-zero length",
                )
        padded = []
        for index, (film, commands) in enumerate(zip(pixels, actions, strict=True)):
            _check_pixels(film)
            _check_float_rows("actions", commands)
            if len(commands) not in (len(film) - 1, len(film)) or film.shape[1:] != pixels[0].shape[1:]:
                raise ShapeError(
                    f"{owner} needs frames of one size and one action fewer than frames (or as many)",
                    f"episode {index} has pixels {film.shape} and actions {commands.shape}, "
                    f"and episode 0 has pixels {pixels[0].shape}",
                    "Give frame t and the action that was executed after seeing it",
                )
            missing = np.full((len(film) - len(commands), commands.shape[1]), np.nan, np.float32)
            padded.append(np.concatenate([commands.astype(np.float32, copy=False), missing]))
            for name, items in columns.items():
                if len(items[index]) != len(film):
                    raise ShapeError(
                        f"{owner} needs `{name}` to have an entry for every frame",
                        f"episode {index} has {len(film)} frames and {len(items[index])} entries",
                        "Give one entry a frame, the last frame included",
                    )
        if len({commands.shape[1] for commands in padded}) > 1:
            raise ShapeError(
                f"{owner} needs the same number of action components in every episode",
                f"they have {sorted({commands.shape[1] for commands in padded})}",
                "Pad or drop components so that they agree",
            )
        return Episodes(
            np.concatenate(list(pixels)),
            np.concatenate(padded),
            lengths=np.array([len(film) for film in pixels]),
            columns={name: np.concatenate(list(items)) for name, items in columns.items()},
            environment_id=environment_id,
        )


def _check_pixels(pixels: object) -> None:
    if (
        not isinstance(pixels, np.ndarray)
        or pixels.dtype != np.uint8
        or pixels.ndim != 4
        or pixels.shape[3] != 3
        or 0 in pixels.shape
    ):
        raise ShapeError(
            "Episodes needs `pixels` to be a non-empty uint8 array (row, height, width, 3)",
            f"`pixels` is {describe(pixels)}",
            _RGB_FIX,
        )


def _check_float_rows(name: str, rows: object) -> None:
    if not isinstance(rows, np.ndarray) or rows.dtype.kind != "f" or rows.ndim != 2 or rows.shape[1] == 0:
        raise ShapeError(
            f"Episodes needs `{name}` to be a floating-point array (row, action) with at least one component",
            f"`{name}` is {describe(rows)}",
            f"Convert `{name}` with `.astype(np.float32)` and put its components on the last axis",
        )


def _checked_indices(episodes: Episodes, numbers: np.ndarray) -> np.ndarray:
    count = episodes.num_episodes
    valid = numbers.ndim == 1 and numbers.size > 0 and numbers.dtype.kind in "iu"
    if not valid or numbers.min() < -count or numbers.max() >= count:
        raise ConfigError(
            f"Episodes needs one or more episode numbers between {-count} and {count - 1}",
            f"the choice is {numbers.tolist()}"[:200],
            f"Choose among the {count} episodes",
        )
    return np.where(numbers < 0, numbers + count, numbers).astype(np.int64)


def check_episodes(owner: str, name: str, value: object) -> None:
    """Raise `ConfigError` unless `value` is an `Episodes`."""
    if not isinstance(value, Episodes):
        raise ConfigError(
            f"{owner} needs `{name}` to be an Episodes",
            f"`{name}` is {describe(value)}",
            "Join separate trajectories with Episodes.from_trajectories, or read a file with read_hdf5",
        )
