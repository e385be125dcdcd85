"""Small data whose every frame says where it belongs, and an environment that leaves such frames behind."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from hypothesis import HealthCheck, settings

from leworld.data import Episodes

# Timing is no property to test on a shared machine, and a database would litter the repository.
QUICK = settings(deadline=None, database=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])


def tagged_episodes(lengths: Sequence[int], *, action_dim: int = 2, size: int = 2) -> Episodes:
    """Episodes with pixel (0, 0) = (episode, step // 256, step % 256) and action = 1000 * episode + step."""
    total = sum(lengths)
    pixels = np.zeros((total, size, size, 3), np.uint8)
    actions = np.zeros((total, action_dim), np.float32)
    row = 0
    for episode, length in enumerate(lengths):
        for step in range(length):
            pixels[row, 0, 0] = episode, step // 256, step % 256
            actions[row] = 1000 * episode + step + 0.1 * np.arange(action_dim)
            row += 1
        actions[row - 1] = np.nan
    state = np.arange(total, dtype=np.float32)[:, None]
    return Episodes(pixels, actions, lengths=np.array(lengths), columns={"state": state})


def random_episodes(lengths: Sequence[int], *, seed: int = 0, size: int = 6, action_dim: int = 2) -> Episodes:
    rng = np.random.default_rng(seed)
    films = [rng.integers(0, 256, (length, size, size, 3), dtype=np.uint8) for length in lengths]
    scale = np.linspace(0.5, 3.0, action_dim)
    commands = [rng.normal(2.0, scale, (length - 1, action_dim)) for length in lengths]
    return Episodes.from_trajectories(films, commands, environment_id="fake/Random-v0")


class CountingEnv(gymnasium.Env):
    """Episodes of random length; frames tell step, episode and copy, the state sums up the actions."""

    observation_space = gymnasium.spaces.Box(0, 255, (4, 4, 3), np.uint8)
    action_space = gymnasium.spaces.Box(-10.0, 10.0, (1,), np.float32)

    def __init__(self, copy: int = 0, *, longest: int = 9) -> None:
        self.copy = copy
        self.longest = longest
        self.episode = -1
        self.frame = np.zeros((4, 4, 3), np.uint8)  # reused, as simulators do

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        if seed is not None:
            self.episode = -1
        self.episode += 1
        self.steps = 0
        self.length = int(self.np_random.integers(1, self.longest + 1))
        self.position = float(self.np_random.uniform(-1, 1))
        return self._show()

    def step(self, action):
        self.steps += 1
        self.position += float(action[0])
        ended = self.steps == self.length
        return (
            self._show()[0],
            0.0,
            ended and self.length % 2 == 0,
            ended and self.length % 2 == 1,
            self._show()[1],
        )

    def _show(self) -> tuple[np.ndarray, dict[str, Any]]:
        self.frame[0, 0] = self.steps, self.episode, self.copy
        return self.frame.copy(), {"state": np.array([self.position]), "goal": np.array([float(self.length)])}


def steady_policy(info: Mapping[str, Any]) -> np.ndarray:
    """An action that follows from what is seen, so that data do not depend on who else is stepped."""
    return np.sin(12.9898 * np.asarray(info["state"]) + np.asarray(info["goal"])).astype(np.float32)


def counting_vector(num_envs: int, mode: str, *, longest: int = 9) -> gymnasium.vector.SyncVectorEnv:
    return gymnasium.vector.SyncVectorEnv(
        [lambda copy=copy: CountingEnv(copy, longest=longest) for copy in range(num_envs)],
        autoreset_mode=mode,
    )


def sensing_episodes(lengths: Sequence[int]) -> Episodes:
    """Tagged episodes with a second camera, proprioception, rewards and ends, each told from its row.

    In row t: wrist pixel (0, 0) = (episode, t // 256, t % 256), proprio = (t, -t, 7), reward = 2 ** -step.
    Every other episode terminates, the others are truncated.
    """
    base = tagged_episodes(lengths)
    rows = np.arange(base.num_rows)
    last = np.cumsum(lengths) - 1
    steps = rows - np.repeat(base.offsets, base.lengths)
    reward = (2.0**-steps).astype(np.float32)
    reward[last] = np.nan
    ended = np.zeros((2, base.num_rows), bool)
    ended[np.arange(len(lengths)) % 2, last] = True
    wrist = np.zeros((base.num_rows, 4, 6, 3), np.uint8)
    wrist[:, 0, 0] = np.stack([base.pixels[:, 0, 0, 0], rows // 256, rows % 256], axis=1)
    columns = {
        "wrist": wrist,
        "proprio": np.stack([rows, -rows, np.full_like(rows, 7)], axis=1).astype(np.float64),
        "clock": rows.astype(np.int32),
        "reward": reward,
        "terminated": ended[0],
        "truncated": ended[1],
    }
    return Episodes(base.pixels, base.actions, lengths=base.lengths, columns=columns, fps=20.0)


class TwoCameraEnv(gymnasium.Env):
    """A point on a line: two cameras, proprioception, rewards, and both ways for an episode to end.

    With `reuse`, everything that it shows lies in arrays that it overwrites in place. It scales the action in
    place, as simulators do. With `choices`, the action is a number: the lowest moves left, the others right.
    """

    metadata = {"render_fps": 25}  # noqa: RUF012 -- as gymnasium has it

    def __init__(
        self, *, choices: int | None = None, start: int = 0, length: int = 5, reuse: bool = True
    ) -> None:
        box = gymnasium.spaces.Box
        self.observation_space = gymnasium.spaces.Dict(
            {
                "pixels": box(0, 255, (8, 8, 3), np.uint8),
                "wrist": box(0, 255, (4, 4, 3), np.uint8),
                "proprio": box(-np.inf, np.inf, (3,), np.float64),
            }
        )
        discrete = choices is not None
        self.action_space = (
            gymnasium.spaces.Discrete(choices, start=start) if discrete else box(-1, 1, (2,), np.float32)
        )
        self.start, self.discrete, self.length, self.reuse = start, discrete, length, reuse
        self.shown = {
            "pixels": np.zeros((8, 8, 3), np.uint8),
            "wrist": np.zeros((4, 4, 3), np.uint8),
            "proprio": np.zeros(3),
        }
        self.episode = -1

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.episode = 0 if seed is not None else self.episode + 1
        self.steps, self.position = 0, float(self.np_random.uniform(-1, 1))
        return self._show()

    def step(self, action):
        if self.discrete:
            amount = -1.0 if action == self.start else 1.0
        else:
            action *= 0.5
            amount = float(action[0])
        self.position += amount
        self.steps += 1
        over = self.steps == self.length
        terminated = over and self.episode % 2 == 0
        return self._show()[0], amount, terminated, over and not terminated, self._show()[1]

    def _show(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        self.shown["pixels"][:] = self.steps
        self.shown["wrist"][:] = 100 + self.steps
        self.shown["proprio"][:] = self.position, self.steps, self.episode
        shown = self.shown if self.reuse else {name: part.copy() for name, part in self.shown.items()}
        return shown, {"mission": "left or right", "position": np.array([self.position])}
