"""Drawings of Push-T that look right at first sight; the checks must reject each of them."""

import numpy as np

from leworld.envs import PushTDrawing


def _draw(states, size, style, *, goal):
    return PushTDrawing(size, style=style, show_goal=goal).render(states)


def _turned_backward(states, size, style, *, goal):
    """The angle's sign is flipped, as with y upward."""
    return _draw(states * np.array([1, 1, 1, 1, -1, 1, 1]), size, style, goal=goal)


def _about_the_centre_of_gravity(states, size, style, *, goal):
    """The block's place is taken for its centre of gravity."""
    moved = states.copy()
    moved[:, 2] += 45 * np.sin(states[:, 4])
    moved[:, 3] -= 45 * np.cos(states[:, 4])
    return _draw(moved, size, style, goal=goal)


def _columns_first(states, size, style, *, goal):
    return _draw(states, size, style, goal=goal).swapaxes(1, 2)


def _blue_first(states, size, style, *, goal):
    """OpenCV's order of channels."""
    return _draw(states, size, style, goal=goal)[..., ::-1]


def _agent_under_the_block(states, size, style, *, goal):
    away = states.copy()
    away[:, :2] = -100
    without = _draw(away, size, style, goal=goal)
    agent = _draw(np.concatenate([states[:, :2], states[:, 2:] + 5000], axis=1), size, style, goal=goal)
    empty = _draw(np.full_like(states, 3000.0), size, style, goal=goal)
    return np.where((without == empty).all(axis=-1, keepdims=True), agent, without)


def _half_a_pixel_off(states, size, style, *, goal):
    moved = states.copy()
    moved[:, :4] += 0.6 if style == "published" else 256 / size
    return _draw(moved, size, style, goal=goal)


def _other_style(states, size, style, *, goal):
    return _draw(states, size, "smooth" if style == "published" else "published", goal=goal)


def _goal_toggled(states, size, style, *, goal):
    return _draw(states, size, style, goal=not goal)


WRONG = [
    _turned_backward,
    _about_the_centre_of_gravity,
    _columns_first,
    _blue_first,
    _agent_under_the_block,
    _half_a_pixel_off,
    _other_style,
    _goal_toggled,
]
