from functools import partial

import numpy as np
import pytest

from leworld.envs import PushTDrawing
from tests.envs.pusht_checks import GOLDEN, STATES, check_published, check_smooth
from tests.envs.pusht_wrong import WRONG


def drawn(states, size, style, *, goal):
    return PushTDrawing(size, style=style, show_goal=goal).render(states)


def test_the_published_style_draws_what_pygame_and_opencv_draw():
    check_published(partial(drawn, style="published", goal=True))


def test_the_smooth_style_draws_means_over_pixels():
    check_smooth(partial(drawn, style="smooth", goal=False))


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
@pytest.mark.parametrize("style", ["published", "smooth"])
def test_the_checks_reject(wrong, style):
    check = check_published if style == "published" else check_smooth
    with pytest.raises(AssertionError):
        check(partial(wrong, style=style, goal=style == "published"))


def test_the_size_decides_the_style_and_a_name_overrules_it():
    styles = [PushTDrawing(size).style for size in (1, 64, 223, 224, 512)]
    assert styles == ["smooth"] * 3 + ["published"] * 2
    assert PushTDrawing(64, style="published").style == "published"


@pytest.mark.parametrize("style", ["published", "smooth"])
def test_the_goal_is_decoration(style):
    states = GOLDEN[None]
    shown, hidden = (PushTDrawing(64, style=style, show_goal=flag).render(states) for flag in (True, False))
    green = (shown != hidden).any(axis=-1)[0]
    assert green.sum() > 80
    assert np.abs(np.argwhere(green).mean(axis=0) - 32).max() < 6
    elsewhere = PushTDrawing(64, style=style, goal_pose=(400, 120, 0)).render(states)
    moved = np.argwhere((elsewhere != hidden).any(axis=-1)[0]).mean(axis=0) * 8 + 4
    assert np.abs(moved - (120 + 41, 400)).max() < 8  # row and column of the figure's middle
    covered = np.array([256, 400, 256, 256, np.pi / 4, 0, 0.0])
    assert not (PushTDrawing(512).render(covered) == (144, 238, 144)).all(axis=-1).any()


@pytest.mark.parametrize("style", ["published", "smooth"])
@pytest.mark.parametrize("size", [1, 7, 50, 64])
def test_pictures_do_not_depend_on_their_batch(style, size):
    drawing = PushTDrawing(size, style=style)
    together = drawing.render(STATES.reshape(4, -1, 7))
    assert together.shape == (4, len(STATES) // 4, size, size, 3)
    assert together.dtype == np.uint8
    flat = together.reshape(-1, size, size, 3)
    for index in (0, 9, len(STATES) - 1):
        assert np.array_equal(drawing.render(STATES[index]), flat[index])
    assert drawing.render(np.zeros((0, 7))).shape == (0, size, size, 3)


@pytest.mark.parametrize("style", ["published", "smooth"])
def test_what_is_far_away_is_not_seen(style):
    drawing = PushTDrawing(64, style=style)
    empty = drawing.render(np.array([-100, -100, 2000, 2000, 0, 0, 0.0]))
    for place in (600, -5e3, 1e9, -1e300):
        states = np.array([place, 256, 256, place * 2, 0.4, 0, 0])
        assert np.array_equal(drawing.render(states), empty)


def test_a_picture_is_the_callers_own():
    drawing = PushTDrawing(16)
    first = drawing.render(GOLDEN)
    kept = first.copy()
    first[:] = 0
    assert np.array_equal(drawing.render(GOLDEN), kept)
