"""Motions and drawings that look right at first sight; the checks must reject each of them."""

import numpy as np

from leworld.envs import TwoRoomArena
from tests.envs import reference


def _endpoint_only(doors):
    """Moves if the end is free and stays put otherwise: no sliding."""

    def step(positions, actions):
        end = positions + 5 * np.clip(actions, -1, 1)
        return np.where(reference.free(doors, *end.T)[:, None], end, positions).astype(positions.dtype)

    return step


def _x_then_y(doors):
    """Each axis on its own, x first: turns the segment into a corner."""

    def step(positions, actions):
        arena = TwoRoomArena(doors)
        along_x = arena.step(positions, actions * np.array([1, 0], positions.dtype))
        return arena.step(along_x, actions * np.array([0, 1], positions.dtype))

    return step


def _point_agent(doors):
    """Forgets the agent's radius."""

    def step(positions, actions):
        end = np.clip(positions + 5 * np.clip(actions, -1, 1), 14, 210)
        in_door = np.zeros(len(end), bool)
        for low, high in reference.openings(doors):
            in_door |= (end[:, 1] >= low) & (end[:, 1] <= high)
        in_wall = (end[:, 0] > 107) & (end[:, 0] < 117) & ~in_door
        end[in_wall, 0] = np.where(positions[in_wall, 0] < 112, 107, 117)
        return end.astype(positions.dtype)

    return step


def _clipped_by_norm(doors):
    """Limits the length of the action instead of its components."""

    def step(positions, actions):
        length = np.maximum(np.linalg.norm(actions.astype(np.float64), axis=-1, keepdims=True), 1.0)
        return TwoRoomArena(doors).step(positions, (actions / length).astype(positions.dtype))

    return step


def _held_by_the_face(doors):
    """Slides, but does not enter a passage that opens during the step."""

    def step(positions, actions):
        end = TwoRoomArena(doors).step(positions, actions)
        was_left = positions[:, 0] <= 100
        was_outside = was_left | (positions[:, 0] >= 124)
        met_shut = np.ones(len(end), bool)
        for low, high in reference.openings(doors):
            met_shut &= (positions[:, 1] < low + 7) | (positions[:, 1] > high - 7)
        stuck = was_outside & met_shut & (end[:, 0] > 100) & (end[:, 0] < 124)
        end[stuck, 0] = np.where(was_left[stuck], 100, 124)
        return end

    return step


def _hard_edges(doors, positions, image_size):
    """Draws whole pixels only."""
    pictures = TwoRoomArena(doors).render(positions, image_size)
    return np.where(pictures > 127, 255, 0).astype(np.uint8)


def _half_a_pixel_off(doors, positions, image_size):
    return TwoRoomArena(doors).render(positions + 112 / image_size / 2, image_size)


def _transposed(doors, positions, image_size):
    return TwoRoomArena(doors).render(positions, image_size).swapaxes(1, 2)


def _no_agent(doors, positions, image_size):
    painter = TwoRoomArena(doors).painter(image_size)
    return np.repeat(painter.background[None], len(positions), axis=0)


MOTIONS = (_endpoint_only, _x_then_y, _point_agent, _clipped_by_norm, _held_by_the_face)
DRAWINGS = (_hard_edges, _half_a_pixel_off, _transposed, _no_agent)
