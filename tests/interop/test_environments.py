"""Environments as stable-worldmodel writes them, as tasks: known by what they can do, told their goals."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from leworld.evaluation import StateRadius
from leworld.tasks import from_gymnasium


class Room(gymnasium.Env[Any, Any]):
    """A point with a target of its own, at which its episode ends: what they have beside gymnasium's."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 -- as gymnasium has it

    def __init__(self, render_mode: str = "rgb_array") -> None:
        self.render_mode = render_mode
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = gymnasium.spaces.Box(0, 224, (4,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.agent_position, self.target_position = (
            torch.from_numpy(self.np_random.uniform(20, 200, 2)).float() for _ in range(2)
        )
        return self._get_obs(), self._get_info()

    def step(self, action: Any) -> Any:
        self.agent_position = (self.agent_position + 5 * torch.as_tensor(action)).clamp(0, 224)
        apart = float((self.agent_position - self.target_position).norm())
        return self._get_obs(), -apart, apart < 16.0, False, self._get_info()

    def render(self) -> np.ndarray:
        picture = np.zeros((28, 28, 3), np.uint8)
        x, y = (self.agent_position.numpy() / 8).astype(int).clip(0, 27)
        picture[y, x] = 255
        return picture

    def _get_obs(self) -> Any:
        return torch.cat((self.agent_position, self.target_position))

    def _get_info(self) -> dict[str, Any]:
        return {"state": self.agent_position.numpy(), "goal_state": self.target_position.numpy()}

    def _set_state(self, state: np.ndarray) -> None:
        self.agent_position = torch.tensor(state, dtype=torch.float32)

    def _set_goal_state(self, state: np.ndarray) -> None:
        self.target_position = torch.tensor(state, dtype=torch.float32)


class Senses(Room):
    """Tells its state among what it senses, not in its info."""

    def _get_obs(self) -> Any:
        return {"proprio": self.agent_position.numpy(), "state": self.agent_position.numpy()}

    def _get_info(self) -> dict[str, Any]:
        return {"goal_state": self.target_position.numpy()}


class Vector(Room):
    """What it senses is its state, as in Push-T."""

    def _get_obs(self) -> Any:
        return self.agent_position.numpy()

    def _get_info(self) -> dict[str, Any]:
        return {"goal_state": self.target_position.numpy()}


@pytest.mark.parametrize("kind", [Room, Senses, Vector])
def test_an_environment_is_a_task(kind: type[Room]) -> None:
    task = from_gymnasium(kind, StateRadius(16.0), image_size=14)
    env = task.make(2)
    start, goal = np.array([[50.0, 50.0], [150.0, 20.0]]), np.array([[70.0, 50.0], [20.0, 150.0]])
    pixels, info = env.reset(seed=0, options={"state": start, "goal": goal})
    assert pixels.shape == (2, 14, 14, 3)
    assert np.allclose(info["state"], start)
    assert np.allclose(info["goal"], goal)
    assert (info["goal_pixels"] != pixels).any()
    right = np.array([[1.0, 0.0], [1.0, 0.0]], np.float32)
    _, reward, terminated, truncated, info = env.step(right)
    assert np.allclose(info["state"], start + np.array([5.0, 0.0]))
    assert terminated.tolist() == [True, False]  # within 16 of the goal that it was given
    assert not truncated.any()
    assert np.allclose(reward, -np.linalg.norm(info["state"] - goal, axis=1), atol=1e-4)


def test_the_target_that_an_environment_drew_ends_nothing() -> None:
    task = from_gymnasium(Room, StateRadius(16.0), image_size=14)
    env = task.make(1)
    env.reset(seed=0)
    drawn = env.copies.envs[0].unwrapped.target_position.numpy()[None].astype(np.float64)
    far = (drawn + 100) % 200
    env.reset(seed=0, options={"state": drawn, "goal": far})
    assert env.step(np.zeros((1, 2), np.float32))[2].tolist() == [False]


def test_episodes_and_pairs() -> None:
    task = from_gymnasium(Room, StateRadius(16.0), image_size=14, episode_steps=30)
    episodes = task.held_out(3)
    assert episodes.columns["state"].shape[1] == 2
    pairs = task.pairs("trajectory-25", 2)
    assert pairs.start.shape == (2, 2)
