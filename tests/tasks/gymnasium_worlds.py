"""Small gymnasium environments for tests, drawn in numpy: no package beside gymnasium is needed."""

from typing import Any

import gymnasium
import numpy as np


class Slider(gymnasium.Env[np.ndarray, np.ndarray]):
    """A bright bar on a line that an action pushes; its episodes end by themselves at the right end."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012 -- as gymnasium has it

    def __init__(self, *, ends: bool = False, render_mode: str | None = "rgb_array") -> None:
        self.render_mode, self.ends = render_mode, ends
        self.action_space = gymnasium.spaces.Box(-2.0, 2.0, (1,), np.float32)
        self.observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float64)
        self.state = np.zeros(1)
        self.over = False

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state, self.over = self.np_random.uniform(-1, 0.5, 1), False
        return self.state.copy(), {}

    def step(self, action: Any):
        assert not self.over, "an episode that ended is stepped"
        self.state = np.clip(self.state + 0.05 * np.asarray(action, np.float64), -1, 1)
        self.over = bool(self.ends and self.state[0] >= 0.99)
        return self.state.copy(), float(self.state[0]), self.over, False, {}

    def render(self):
        place = np.linspace(-1, 1, 60)
        level = (255 * np.exp(-20 * (self.state - place) ** 2)).astype(np.uint8)
        return None if self.render_mode is None else np.broadcast_to(level[:, None], (40, 60, 3)).copy()


class Stepper(Slider):
    """The bar moved by three choices that are counted from -1."""

    def __init__(self, *, render_mode: str | None = "rgb_array") -> None:
        super().__init__(render_mode=render_mode)
        self.action_space = gymnasium.spaces.Discrete(3, start=-1)  # type: ignore[assignment]

    def step(self, action: Any):
        assert int(action) in (-1, 0, 1)
        return super().step(2.0 * int(action))


class Hidden(Slider):
    """The bar with its place where nobody looks for it."""

    def __init__(self) -> None:
        super().__init__()
        del self.state
        self.place = np.zeros(1)

    def reset(self, *, seed=None, options=None):
        gymnasium.Env.reset(self, seed=seed)
        self.place = self.np_random.uniform(-1, 1, 1)
        return self.place.copy(), {}

    def step(self, action: Any):
        self.place = np.clip(self.place + 0.05 * np.asarray(action, np.float64), -1, 1)
        return self.place.copy(), 0.0, False, False, {}

    def render(self):
        return np.full((20, 20, 3), 127 * (1 + self.place[0]), np.uint8)


class _Data:
    def __init__(self) -> None:
        self.qpos, self.qvel = np.zeros(2), np.zeros(1)


class Bodies(Slider):
    """The bar with its state where gymnasium's MuJoCo environments have it."""

    def __init__(self) -> None:
        super().__init__()
        del self.state
        self.data = _Data()

    def set_state(self, qpos: np.ndarray, qvel: np.ndarray) -> None:
        assert qpos.shape == (2,)
        assert qvel.shape == (1,)
        self.data.qpos, self.data.qvel = qpos.copy(), qvel.copy()

    def reset(self, *, seed=None, options=None):
        gymnasium.Env.reset(self, seed=seed)
        self.set_state(self.np_random.uniform(-1, 1, 2), self.np_random.uniform(-1, 1, 1))
        return self.data.qpos.copy(), {}

    def step(self, action: Any):
        self.data.qpos = self.data.qpos + 0.05 * self.data.qvel
        self.data.qvel = np.clip(self.data.qvel + 0.1 * np.asarray(action, np.float64), -1, 1)
        return self.data.qpos.copy(), 0.0, False, False, {}

    def render(self):
        rows = 60 * (2 + np.array([*self.data.qpos, self.data.qvel[0]]))
        return np.broadcast_to(np.clip(rows, 0, 255).astype(np.uint8)[:, None, None], (3, 4, 3)).copy()
