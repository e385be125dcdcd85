"""The policy that gathers Push-T's data: errands that push, turn and go round the block."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..._random import fold_seed
from ...envs import PushTArena

_OUTLINE = np.array(PushTArena.outline, dtype=np.float64)  # of the block in its own frame
_CENTRE = np.array(PushTArena.centre_of_gravity)
_RADIUS = PushTArena.agent_radius
_CORNER = 16.0  # no contact nearer than this to the end of an edge that meets an inner corner
_INNER = ((2, 1), (3, 0), (5, 1), (6, 0))  # edges and their ends that lie in the two inner corners
_ROUND = 100.0  # from the block's centre of gravity, the agent passes it freely
_STANDOFF = 12.0
_STEADY = 40.8  # pixels a step that an action of 1 moves, once under way
_LOW, _HIGH = 24.0, 488.0  # where approaches may start
_PLACES = (216.0, 296.0)  # of the block's centre that errands head for
_CONTACTS, _PUSHES = 64, 8
_TRAVEL, _PUSH, _VISIT, _DRIFT = range(4)
_CARE = 0.8  # share of pushes that are the best of their contacts
_PATIENCE = 40
_FAR = 100.0  # pixels of travel that weigh as much as 40 of the block's
_JUMP = 70.0  # more than a step: the episode is another


def _contacts() -> tuple[np.ndarray, np.ndarray]:
    """Points all along the outline, two pixels apart, and the normals that point out of the block."""
    points, normals = [], []
    for edge, start in enumerate(_OUTLINE):
        along = _OUTLINE[(edge + 1) % len(_OUTLINE)] - start
        length = float(np.hypot(*along))
        low = _CORNER if (edge, 0) in _INNER else 2.0
        high = length - (_CORNER if (edge, 1) in _INNER else 2.0)
        places = np.arange(low, high + 1e-9, 2.0)
        points.append(start + places[:, None] * along / length)
        normals.append(np.tile(np.array([along[1], -along[0]]) / length, (len(places), 1)))
    return np.concatenate(points), np.concatenate(normals)


_POINTS, _NORMALS = _contacts()


def _turned(vectors: np.ndarray, angle: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = vectors[..., 0], vectors[..., 1]
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)


def _wrapped(angle: np.ndarray) -> np.ndarray:
    return (angle + np.pi) % (2 * np.pi) - np.pi


class Pusher:
    """Runs errands: most push the block toward a pose drawn for it, the others visit places or drift.

    A push goes round the block to a point on its outline, then through it along the inward normal. Of some
    contacts drawn at random it takes the one that brings the block nearest to the errand's pose, as a disc
    without friction would move it; now and then any. Speeds and noise are drawn for each errand, so actions
    are small and slow as often as they are quick. The task's own goals are ignored.
    """

    def __init__(self, *, push_share: float = 0.85, visit_share: float = 0.1) -> None:
        self.push_share = push_share
        self.visit_share = visit_share
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Start over: a fresh generator and no errands."""
        self._generator = np.random.default_rng(fold_seed(seed))
        self._before: np.ndarray | None = None

    def __call__(self, info: Mapping[str, Any]) -> np.ndarray:
        """Return actions for the states `info["state"]` of a vectorised environment."""
        state = np.asarray(info["state"], dtype=np.float64)
        if self._before is None or len(self._before) != len(state):
            self._start(len(state))
            done = np.ones(len(state), bool)
        else:
            moved = np.abs(state[:, :4] - self._before[:, :4]).max(axis=1)
            done = (self._left <= 0) | (moved > _JUMP)
            self._pushes_left[moved > _JUMP] = 0
        self._before = state.copy()
        for index in np.flatnonzero(done).tolist():
            self._renew(index, state[index])
        self._left -= 1
        heading = np.zeros((len(state), 2))
        travelling = self._kind == _TRAVEL
        if travelling.any():
            heading[travelling] = self._travel(state, np.flatnonzero(travelling))
        visiting = self._kind == _VISIT
        heading[visiting] = (self._place - state[:, :2])[visiting]
        pushing = self._kind == _PUSH
        heading[pushing] = (_turned(self._direction, state[:, 4]) * 1e3)[pushing]
        drifting = self._kind == _DRIFT
        fresh = self._generator.normal(size=heading.shape)
        self._drift = 0.9 * self._drift + np.sqrt(1 - 0.9**2) * fresh
        heading[drifting] = (self._drift * self._speed[:, None] * _STEADY)[drifting]
        length = np.linalg.norm(heading, axis=1, keepdims=True)
        reach = np.minimum(length / _STEADY, self._speed[:, None])
        actions = heading / np.maximum(length, 1e-9) * reach
        actions += self._generator.normal(size=actions.shape) * self._noise[:, None]
        arrived = (length[:, 0] < 6.0) & (visiting | travelling)
        self._left[arrived & visiting] = 0
        self._push(np.flatnonzero(arrived & travelling).tolist())
        return np.clip(actions, -1.0, 1.0).astype(np.float32)

    def _start(self, count: int) -> None:
        self._kind = np.full(count, _DRIFT)
        self._left, self._pushes_left = np.zeros(count, int), np.zeros(count, int)
        self._pose, self._drift = np.zeros((count, 3)), np.zeros((count, 2))
        self._place, self._contact = np.zeros((count, 2)), np.zeros(count, int)
        self._direction, self._length = np.zeros((count, 2)), np.zeros(count)
        self._speed, self._noise = np.ones(count), np.zeros(count)

    def _renew(self, index: int, state: np.ndarray) -> None:
        """Give one copy another errand."""
        draws = self._generator
        self._speed[index] = draws.uniform(0.1, 0.6)
        self._noise[index] = draws.choice([0.0, 0.05, 0.15])
        kind = draws.random()
        if kind < self.push_share:
            if self._pushes_left[index] <= 0:
                self._pose[index] = (*draws.uniform(*_PLACES, 2), draws.uniform(-np.pi, np.pi))
                self._pushes_left[index] = draws.integers(1, _PUSHES)
            self._pushes_left[index] -= 1
            self._kind[index], self._left[index] = _TRAVEL, _PATIENCE
            self._speed[index] = draws.uniform(0.2, 0.8)
            self._choose(index, state)
        elif kind < self.push_share + self.visit_share:
            self._kind[index], self._left[index] = _VISIT, _PATIENCE
            self._place[index] = draws.uniform(_LOW, _HIGH, 2)
        else:
            self._kind[index], self._left[index] = _DRIFT, draws.integers(5, 20)

    def _choose(self, index: int, state: np.ndarray) -> None:
        """Choose where to push: the contact whose push brings the block nearest to the errand's pose."""
        draws = self._generator
        found = draws.integers(len(_POINTS), size=_CONTACTS)
        points, normals = _POINTS[found], _NORMALS[found]
        arm = points - _CENTRE
        lever = arm[:, 1] * normals[:, 0] - arm[:, 0] * normals[:, 1]  # of the inward push
        distance = draws.uniform(20.0, 120.0, len(found))
        moved = distance / (1 + lever**2 / PushTArena.moment)
        turn = lever / PushTArena.moment * moved
        centre = state[2:4] + _turned(_CENTRE, state[4])
        ends = centre - _turned(normals, state[4]) * moved[:, None]
        pose = self._pose[index]
        apart = np.linalg.norm(ends - pose[:2], axis=1) / 40 + np.abs(_wrapped(state[4] + turn - pose[2]))
        starts = state[2:4] + _turned(points + normals * (_RADIUS + _STANDOFF), state[4])
        apart += np.linalg.norm(starts - state[:2], axis=1) / _FAR
        inside = ((starts > _LOW) & (starts < _HIGH)).all(axis=1)
        apart = np.where(inside, apart, np.inf)
        chosen = apart.argmin() if draws.random() < _CARE else inside.argmax()
        self._contact[index], self._length[index] = found[chosen], distance[chosen]

    def _push(self, indices: list[int]) -> None:
        """Turn travels that have arrived into pushes."""
        for index in indices:
            normal = _NORMALS[self._contact[index]]
            tilt = self._generator.normal() * 0.1
            self._direction[index] = _turned(-normal, np.array(tilt))
            self._kind[index] = _PUSH
            self._speed[index] = self._generator.uniform(0.08, 0.4)
            steps = float(self._length[index] + _STANDOFF) / (_STEADY * float(self._speed[index]))
            self._left[index] = max(1, round(steps))

    def _travel(self, state: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Return the way to the next waypoint of agents that go to where their push begins."""
        state, contact = state[indices], self._contact[indices]
        start = _POINTS[contact] + _NORMALS[contact] * (_RADIUS + _STANDOFF)
        agent = _turned(state[:, :2] - state[:, 2:4], -state[:, 4])
        away, goal = agent - _CENTRE, start - _CENTRE
        clear = ~_blocked(agent, start)
        radius = np.linalg.norm(away, axis=1)
        angle, end = np.arctan2(away[:, 1], away[:, 0]), np.arctan2(goal[:, 1], goal[:, 0])
        turn = np.clip(_wrapped(end - angle), -0.7, 0.7)
        turn = np.where(radius < _ROUND - 15, 0.0, turn)  # out first
        waypoint = _CENTRE + _ROUND * np.stack([np.cos(angle + turn), np.sin(angle + turn)], axis=-1)
        target = np.where(clear[:, None], start, waypoint)
        return _turned(target - agent, state[:, 4])


def _blocked(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Say whether the disc would touch the block on its straight way, both in the block's frame."""
    along = np.linspace(0.0, 1.0, 12)[:, None, None]
    points = start + along * (end - start)
    reach = _RADIUS + 3.0
    inside = np.zeros(points.shape[:2], bool)
    for low, high in (((-60, 0), (60, 30)), ((-15, 30), (15, 120))):
        beyond = np.maximum(np.maximum(np.array(low) - points, points - np.array(high)), 0.0)
        inside |= np.linalg.norm(beyond, axis=-1) < reach
    return inside[1:].any(axis=0)
