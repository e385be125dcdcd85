"""One copy of a world that MuJoCo simulates."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ..._checks import require
from .._environments._state_access import StateAccess
from ._drawing import EXTRA, Drawing

PICTURE_SIZE = 224  # what the published weights were trained on


class Simulation(ABC):
    """Data of its own in a model that all copies share. Its state is positions, then velocities."""

    def __init__(self, model: Any, drawing: Drawing, purpose: str) -> None:
        self.mujoco = require("mujoco", extra=EXTRA, purpose=purpose)
        self.model, self.drawing = model, drawing
        self.data = self.mujoco.MjData(model)

    @abstractmethod
    def reset(self, *, seed: int | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode."""

    @abstractmethod
    def act(self, action: np.ndarray) -> None:
        """Simulate one action."""

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Act once. No episode ends by itself, and nothing is earned."""
        self.act(np.asarray(action, np.float64))
        self.mujoco.mj_forward(self.model, self.data)  # what is seen is where things are now
        return self.get_state(), 0.0, False, False, {}

    def render(self) -> np.ndarray:
        """Return the picture."""
        return self.drawing.draw(self.data)

    def get_state(self) -> np.ndarray:
        """Return positions and velocities."""
        return np.concatenate([self.data.qpos, self.data.qvel])

    def set_state(self, state: np.ndarray) -> None:
        """Set positions and velocities, and forget what the solver remembers of other ones."""
        self.data.qpos[:], self.data.qvel[:] = np.split(state, [self.model.nq])
        self.data.qacc_warmstart[:] = 0.0
        self.mujoco.mj_forward(self.model, self.data)


def _get(env: Simulation) -> np.ndarray:
    return env.get_state()


def _set(env: Simulation, state: np.ndarray) -> None:
    env.set_state(state)


def _show(env: Simulation) -> None:
    pass


ACCESS = StateAccess(_get, _set, _show)
