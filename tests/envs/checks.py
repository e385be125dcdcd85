"""What any motion and any drawing of TwoRoom must satisfy; wrong ones must fail here."""

from collections.abc import Callable, Sequence

import numpy as np

from tests.envs import reference

Doors = Sequence[tuple[float, float]]
Step = Callable[[np.ndarray, np.ndarray], np.ndarray]
DOORS: tuple[Doors, ...] = (
    ((49, 14),),
    ((28.5, 14.5), (120, 7.01)),
    ((60, 20), (80, 10), (180.3, 12.7)),
    ((112, 98),),
)
# Their edges lie on the grid of the supersampled picture.
DRAWN: tuple[Doors, ...] = (((49, 14),), ((28.5, 14.5), (120, 8)), ((60, 20), (80, 10), (180.5, 12.5)))


def check_motion(make_step: Callable[[Doors], Step], *, seed: int = 0) -> None:
    """Compare with crawling in tiny pieces, and see that no state ever lies in a wall."""
    rng = np.random.default_rng(seed)
    for doors in DOORS:
        step = make_step(doors)
        start = reference.start_positions(doors, rng, 800)
        actions = reference.adversarial_actions(rng, (800,))
        got = step(start, actions)
        assert got.shape == start.shape
        assert reference.free(doors, *got.T.astype(np.float64)).all(), "inside a wall"
        # Crawling is off by a few pieces of 5 / 2000. Where a hair's breadth decides whether an agent enters
        # a passage the two may part, but a start moved by that breadth must then agree.
        expected = [
            reference.crawl(doors, start.astype(np.float64) + np.array([0.0, nudge]), actions)
            for nudge in (0.0, 6e-3, -6e-3)
        ]
        error = np.min([np.abs(got - other).max(axis=-1) for other in expected], axis=0)
        assert error.max() < 0.02, (doors, start[error.argmax()], actions[error.argmax()])
    exact = make_step(((49, 14),))
    for state, action, end in EXACT:
        got = exact(np.array([state], np.float64), np.array([action], np.float64))[0]
        assert got.tolist() == list(end), (state, action, end, got)


EXACT = [
    ((60, 60), (1, -1), (65, 55)),  # free
    ((60, 60), (9, -0.5), (65, 57.5)),  # clipped per component
    ((23, 60), (-1, 1), (21, 65)),  # slides along the border
    ((202, 202), (1, 1), (203, 203)),  # stops in a corner
    ((98, 100), (1, 1), (100, 105)),  # slides along the wall
    ((126, 100), (-1, -1), (124, 95)),
    ((98, 56), (1, 0), (103, 56)),  # just into the passage, 56 = 49 + 14 - 7
    ((98, 56.5), (1, 0), (100, 56.5)),  # just not
    ((100, 58), (1, -1), (103, 53)),  # slides for 2 of 5 units, then the passage opens
    ((97.5, 59), (1, -1), (102, 54)),  # meets the face half-way, slides to 56, enters with 2 units left
    ((103, 54), (1, 1), (108, 56)),  # the passage's side holds it
    ((122, 54), (1, 1), (127, 59)),  # leaves after 2 units at 56, then is free to go on
    ((122, 55), (1, 1), (127, 59)),  # held at 56 first, then 3 units free
    ((103, 44), (-1, -1), (98, 40)),  # the same on the way back: 42 when out, then 2 free
    ((124, 39), (-1, 1), (122, 44)),  # slides up to 42 with 3 units, enters with 2 units left
]


def check_drawing(paint: Callable[[Doors, np.ndarray, int], np.ndarray]) -> None:
    """Compare with supersampling; weigh the disc; find its centre."""
    rng = np.random.default_rng(0)
    for doors in DRAWN:
        for image_size in (7, 32, 64, 96):
            position = reference.start_positions(doors, rng, 1)[0]
            got = paint(doors, position[None], image_size)[0]
            assert got.shape == (image_size, image_size, 3)
            assert got.dtype == np.uint8
            expected = reference.supersample(doors, position, image_size)
            assert np.abs(got - expected).max() < 5, (doors, position, image_size)
    inside = rng.uniform(30, 90, (50, 2))
    pictures = paint(DOORS[0], inside, 64).astype(np.float64)
    missing_green = (255 - pictures[:, 4:60, 4:30, 1]) / 255  # this window holds floor and disc only
    covered = missing_green.sum(axis=(1, 2))
    # Rounding to whole levels is off by half a level a pixel at most, on at most 36 pixels.
    assert np.abs(covered - np.pi * 2**2).max() < 36 * 0.5 / 255
    x = missing_green.sum(axis=1) @ (np.arange(4, 30) + 0.5) / covered * 3.5
    y = missing_green.sum(axis=2) @ (np.arange(4, 60) + 0.5) / covered * 3.5
    # Of a disc's exact means, rows and columns balance at the centre up to a small fraction of a pixel.
    assert np.abs(np.stack([x, y], -1) - inside).max() < 0.1
