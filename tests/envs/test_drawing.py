import numpy as np
import pytest

from leworld.envs import TwoRoomArena
from tests.envs import reference, wrong
from tests.envs.checks import check_drawing


def test_pictures_are_exact_means():
    check_drawing(lambda doors, positions, image_size: TwoRoomArena(doors).render(positions, image_size))


@pytest.mark.parametrize("draw", wrong.DRAWINGS, ids=lambda f: f.__name__)
def test_wrong_drawing_is_rejected(draw):
    with pytest.raises(AssertionError):
        check_drawing(draw)


@pytest.mark.parametrize("image_size", [1, 2, 3, 5, 16, 50, 224, 300])
def test_any_size_and_any_leading_axes(image_size):
    arena = TwoRoomArena()
    positions = reference.start_positions(arena.doors, np.random.default_rng(0), 6)
    pictures = arena.render(positions.reshape(2, 3, 2), image_size)
    assert pictures.shape == (2, 3, image_size, image_size, 3)
    for picture, position in zip(pictures.reshape(6, *pictures.shape[2:]), positions, strict=True):
        assert np.array_equal(arena.render(position, image_size), picture)


def test_the_mean_colour_is_that_of_the_areas_at_any_size():
    position = np.array([60.0, 150.0])
    line = 203**2 - 196**2
    wall = 10 * (196 - 28)
    disc = np.pi * 7**2
    green = 255 * (1 - (line + wall + disc) / 224**2)
    for image_size in (1, 2, 9, 64, 150):
        got = TwoRoomArena().render(position, image_size)[..., 1].mean()
        assert abs(got - green) <= 0.5  # each pixel is rounded to a whole level


def test_a_goal_is_drawn_under_the_agent():
    arena = TwoRoomArena()
    here, there = np.array([60.0, 60.0]), np.array([150.0, 150.0])
    both = arena.render(here, 64, goals=there)
    assert both[150 * 64 // 224, 150 * 64 // 224].tolist() == [0, 160, 0]
    assert both[60 * 64 // 224, 60 * 64 // 224].tolist() == [255, 0, 0]
    assert np.abs(arena.render(here, 64, goals=here).astype(int) - arena.render(here, 64)).max() <= 1


def test_many_pictures_equal_single_ones():
    arena = TwoRoomArena()
    positions = reference.start_positions(arena.doors, np.random.default_rng(1), 2100)  # more than one pass
    pictures = arena.render(positions, 8)
    for index in (0, 2047, 2048, 2099):
        assert np.array_equal(pictures[index], arena.render(positions[index], 8))


def test_pictures_are_the_callers_own():
    arena = TwoRoomArena()
    first = arena.render(np.array([60.0, 60.0]))
    kept = first.copy()
    first[:] = 0
    assert np.array_equal(arena.render(np.array([60.0, 60.0])), kept)
