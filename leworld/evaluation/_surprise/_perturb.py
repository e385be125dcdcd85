"""Recorded episodes in which, from some moment on, the impossible happens."""

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from jaxtyping import Int

from ..._checks import check_choice, check_number, describe, plain_numbers
from ..._lending import owned
from ...data import Episodes
from ...errors import ConfigError, DataError
from .._changed_rows import Change, changed_rows, differ, everywhere
from .._columns import check_episodes, state_column
from .._state_world import StateWorld

KINDS = ("teleport", "colour", "freeze", "reversal", "vanish")
_FEWEST_FRAMES = 4


@final
@dataclass(frozen=True, eq=False)
class Perturbed:
    """Episodes with one impossible event each.

    Attributes:
        episodes: The disturbed episodes.
        event: For each, the first row that shows the event; a multiple of the frameskip.
        source: For each, which of the given episodes it was made from.
        kind: What happens.

    Example:
        ```python
        import numpy as np
        from leworld.data import Episodes
        from leworld.evaluation import Perturbed

        one = Episodes(np.zeros((3, 4, 4, 3), np.uint8), np.zeros((3, 1), np.float32), lengths=np.array([3]))
        made = Perturbed(one, event=np.array([1]), source=np.array([0]), kind="freeze")
        assert len(made.episodes) == len(made.event)
        ```
    """

    episodes: Episodes
    event: Int[np.ndarray, " episode"]
    source: Int[np.ndarray, " episode"]
    kind: str


@plain_numbers
def perturb(
    episodes: Episodes,
    kind: str,
    *,
    frameskip: int = 1,
    world: StateWorld | None = None,
    column: str = "state",
    part: str = "pixels",
    event: int | None = None,
    seed: int = 0,
) -> Perturbed:
    """Disturb every episode once, at a moment drawn from its middle third, or at one that you name.

    | kind | what the frames show from the event on |
    |---|---|
    | `teleport` | another place, see below |
    | `colour` | red and blue change places |
    | `freeze` | the last frame before the event, again and again, while the actions go on |
    | `reversal` | the frames before the event, backwards, while the actions go on |
    | `vanish` | the background alone: at every pixel the median over frames, so the camera must stand still |

    A teleport in a `world` puts the state where it was recorded elsewhere, farther off than two recorded
    states usually are, and the world goes on from there with the same actions. Without a world it goes on
    with the frames and actions of another episode, so that only the cut itself is impossible.

    Except in a teleport, which changes all that was sensed, other parts than `part` (further cameras,
    proprioception) stay as recorded: a frozen camera does not freeze the joints. In a `world` a method
    `sense(states)`, as `StateTask` has it, tells the further parts after a teleport; without it they stay.

    Everything before the event is left as it was. Episodes of fewer than 4 frames, `frameskip` apart, are
    left out; `source` tells which remain.

    Args:
        episodes: Normal episodes.
        kind: What happens, one of the table.
        frameskip: Distance of the frames that the model looks at, in rows; the event falls on one of them.
        world: Exact dynamics and pictures, for `teleport`.
        column: Column of the states, for `teleport` with a `world`.
        part: The camera that is disturbed, `pixels` or a column of pictures.
        event: The row of the event in every episode, a multiple of `frameskip` above 0; episodes without such
            a row are left out. Drawn for each episode when None.
        seed: Decides moments and targets.

    Raises:
        ConfigError: An unknown kind, an option out of range, or a world that cannot draw.
        DataError: No episode is long enough, no such column, or frames in which the event cannot be seen.

    Randomness:
        From `seed` only; the same seed gives the same moments for every kind.

    Source:
        Teleport and colour change: Maes et al., LeWorldModel, 2026, arXiv 2603.19312, appendix F.3. The other
        three are additions.

    Example:
        ```python
        import numpy as np
        from leworld.data import Episodes
        from leworld.evaluation import perturb

        frames = np.arange(12, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
        episodes = Episodes(frames, np.zeros((12, 1), np.float32), lengths=np.array([12]))
        made = perturb(episodes, "freeze")
        event = int(made.event[0])
        assert (made.episodes.pixels[event:] == event - 1).all()
        ```
    """
    check_choice("perturb", "kind", kind, KINDS)
    check_number("perturb", "frameskip", frameskip, low=1, integer=True)
    check_number("perturb", "seed", seed, low=0, integer=True)
    check_episodes("perturb", episodes)
    _film(episodes, part)
    if world is not None and not isinstance(world, StateWorld):
        raise ConfigError(
            "perturb needs a `world` that can step and render states",
            f"`world` is {describe(world)}",
            "Pass for example the `world` of a task, or none",
        )
    if event is not None:
        check_number("perturb", "event", event, low=1, integer=True)
        if event % frameskip:
            raise ConfigError(
                f"perturb needs `event` to be a multiple of `frameskip`, which is {frameskip}",
                f"it is {event}",
                "Name a row that the model looks at",
            )
    kept = (episodes.lengths - 1) // frameskip + 1
    fewest = _FEWEST_FRAMES if event is None else max(_FEWEST_FRAMES, event // frameskip + 1)
    source = np.flatnonzero(kept >= fewest)
    if len(source) == 0:
        raise DataError(
            f"perturb needs episodes of at least {fewest} frames, {frameskip} rows apart",
            f"the longest of {len(kept)} has {kept.max()}",
            "Pass longer episodes",
        )
    chosen = episodes.select(source)
    low = np.maximum(2, kept[source] // 3)
    high = np.maximum(low + 1, -(-2 * kept[source] // 3))
    drawn = np.random.default_rng(seed).integers(low, np.minimum(high, kept[source])) * frameskip
    moments = drawn if event is None else np.full_like(drawn, event)
    generator = np.random.default_rng((seed, 1))
    film = _film(chosen, part)
    if kind != "teleport":
        made = _redraw(chosen, moments, kind, frameskip, part)
    elif world is None:
        made = _splice(chosen, moments, film, generator)
    else:
        made = _jump(chosen, moments, world, column, generator)
    return Perturbed(episodes=made, event=moments, source=source, kind=kind)


def _film(episodes: Episodes, part: str) -> Any:
    """Return the pictures of a camera, or say that it is none."""
    film = episodes.part(part)
    if film.ndim != 4:
        raise ConfigError(
            "perturb needs `part` to name pictures",
            f"`{part}` is {describe(film)}",
            "Name a camera, for example `pixels`",
        )
    return film


def _redraw(episodes: Episodes, event: np.ndarray, kind: str, frameskip: int, part: str) -> Episodes:
    """Change one camera; everything else stays as recorded."""
    film = _film(episodes, part)
    row = np.arange(len(film))
    first = np.repeat(episodes.offsets, episodes.lengths)
    moment = first + np.repeat(event, episodes.lengths)
    late = row >= moment
    shown = row
    change: Change | None = None
    if kind == "freeze":
        shown = np.where(late, moment - frameskip, row)
    elif kind == "reversal":
        shown = np.where(late, np.maximum(first, 2 * (moment - frameskip) - row), row)
    elif kind == "colour":
        change = _other_colours
    elif kind == "vanish":
        some = np.linspace(0, len(row) - 1, min(len(row), 301)).astype(np.int64)
        change = everywhere(np.median(film[some], axis=0).astype(np.uint8))
    pictures = changed_rows(film, shown, late=late, change=change)
    if not differ(pictures, film, np.flatnonzero(late)):
        raise DataError(
            f"perturb needs frames in which `{kind}` can be seen",
            "no pixel changes",
            "Choose another kind: grey pictures have no colours, and a still picture cannot freeze",
        )
    if part == "pixels":
        return replace(episodes, pixels=pictures)
    return replace(episodes, columns={**episodes.columns, part: pictures})


def _other_colours(_: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    return pictures[..., ::-1]


def _splice(episodes: Episodes, event: np.ndarray, film: Any, generator: np.random.Generator) -> Episodes:
    """Go on with all that another episode holds, from its most different row of eight."""
    if len(episodes) < 2:
        raise DataError(
            "perturb needs at least 2 episodes to splice, or a `world` to teleport in",
            f"there is {len(episodes)}",
            "Pass more episodes, or the world",
        )
    shown, lengths = [], []
    for index, (first, length) in enumerate(zip(episodes.offsets, episodes.lengths, strict=True)):
        before = film[first + event[index] - 1].astype(np.int16)
        wanted = int(length - event[index])
        best: tuple[int, np.ndarray] | None = None
        for _ in range(8):
            donor = int(generator.integers(len(episodes) - 1))
            donor += donor >= index
            last = int(episodes.lengths[donor])
            start = int(generator.integers(max(1, last - wanted + 1)))
            rows = episodes.offsets[donor] + np.arange(start, min(last, start + wanted))
            change = int(np.abs(film[rows[0]].astype(np.int16) - before).sum())
            if best is None or change > best[0]:
                best = (change, rows)
        if best is None:
            raise RuntimeError("unreachable: eight rows are drawn")
        shown.append(np.concatenate([first + np.arange(event[index]), best[1]]))
        lengths.append(len(shown[-1]))
    rows = np.concatenate(shown)
    return replace(
        episodes,
        pixels=None if episodes.pixels is None else changed_rows(episodes.pixels, rows),
        actions=episodes.actions[rows],
        lengths=np.array(lengths),
        columns={name: changed_rows(values, rows) for name, values in episodes.columns.items()},
    )


def _jump(
    episodes: Episodes, event: np.ndarray, world: StateWorld, column: str, generator: np.random.Generator
) -> Episodes:
    """Put the state elsewhere at the event and let the world go on with the recorded actions."""
    pool = state_column("perturb", episodes, column)
    states = pool.copy()
    pairs = generator.integers(len(pool), size=(2, 1024))
    typical = np.median(np.linalg.norm(pool[pairs[0]] - pool[pairs[1]], axis=1))
    recorded = episodes.pixels
    pixels = recorded.copy() if isinstance(recorded, np.ndarray) else None
    late = np.zeros(episodes.num_rows, bool)
    sense = getattr(world, "sense", None)
    sensed: dict[str, np.ndarray] = {}
    for index, (first, length) in enumerate(zip(episodes.offsets, episodes.lengths, strict=True)):
        now = first + int(event[index])
        candidates = pool[generator.integers(len(pool), size=256)]
        apart = np.linalg.norm(candidates - states[now - 1], axis=1)
        far = apart > typical
        states[now] = candidates[int(far.argmax() if far.any() else apart.argmax())]
        for row in range(now + 1, first + length):
            states[row] = world.step(states[row - 1].copy(), episodes.actions[row - 1].copy())
        after = slice(now, first + length)
        late[after] = True
        if pixels is not None:
            pixels[after] = world.render(states[after].copy(), pixels.shape[1])
        for name, values in ({} if sense is None else sense(states[after].copy())).items():
            if name in episodes.columns:
                sensed.setdefault(name, np.array(episodes.columns[name]))[after] = values
    if pixels is not None:
        pixels = owned(pixels)
    elif recorded is not None:  # drawn when they are asked for
        size = recorded.shape[1]
        pixels = changed_rows(
            recorded,
            np.arange(len(recorded)),
            late=late,
            change=lambda rows, _: world.render(states[rows].copy(), size),
        )
    return replace(episodes, pixels=pixels, columns={**episodes.columns, **sensed, column: states})
