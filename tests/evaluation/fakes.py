"""A world without walls, policies with known outcomes, and world models that know the truth."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from leworld.control import Policy
from leworld.data import Observation, Processor
from leworld.models import WorldModel


class Plane:
    """A plane without walls: an action is a displacement. The picture shows the coordinates as numbers."""

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs
        self.metadata: dict[str, Any] = {}
        self.resets: list[dict[str, Any]] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        assert options is not None
        self.resets.append({"seed": seed, **options})
        self.state = np.array(options["state"], dtype=np.float32)
        self.goal = np.array(options["goal"], dtype=np.float32)
        return self._pixels(self.state), {"state": self.state, "goal_pixels": self._pixels(self.goal)}

    def step(self, actions: np.ndarray, /):
        # In place on purpose: an evaluation that keeps references instead of copies sees only the last state.
        self.state += actions
        over = np.zeros(self.num_envs, dtype=bool)
        return self._pixels(self.state), over.astype(float), over, over, {"state": self.state}

    def _pixels(self, state: np.ndarray) -> np.ndarray:
        picture = np.zeros((self.num_envs, 4, 4, 3), dtype=np.uint8)
        picture[:, 0, 0, :2] = np.abs(state).astype(np.int64) % 256
        return picture


class Script(Policy):
    """Jumps to places noted beforehand for every goal, one a step."""

    def __init__(self, places: Mapping[tuple[float, float], list[tuple[float, float]]]) -> None:
        self.places = places

    def reset(self, goal: Observation) -> None:
        assert goal.state is not None
        self.paths = [self.places[tuple(row)] for row in goal.state.tolist()]
        self.step = 0

    def act(self, observation: Observation) -> np.ndarray:
        assert observation.state is not None
        target = np.array([path[self.step] for path in self.paths], dtype=np.float32)
        self.step += 1
        return target - observation.state


class Still(Policy):
    def reset(self, goal: Observation) -> None:
        self.num = len(goal)

    def act(self, observation: Observation) -> np.ndarray:
        return np.zeros((self.num, 2), dtype=np.float32)


class Expert(Policy):
    """The noiseless expert of TwoRoom, who knows the walls."""

    def __init__(self) -> None:
        from leworld.tasks import ExpertPolicy

        self.expert = ExpertPolicy(noise_std=0.0, repeat_probability=0.0)

    def reset(self, goal: Observation) -> None:
        self.goal = goal.state

    def act(self, observation: Observation) -> np.ndarray:
        return self.expert({"state": observation.state, "goal": self.goal})


class Sighted(WorldModel):
    """Reads the agent's place off the picture and knows how actions move it, but no walls."""

    def __init__(self, processor: Processor, *, distort=lambda place: place) -> None:
        super().__init__()
        self.history_size, self.embedding_dim, self.action_dim = 1, 2, processor.block_dim
        self.processor = processor
        self.distort = distort

    def _encode(self, observations: torch.Tensor) -> torch.Tensor:
        redness = (observations[:, :, 0] - observations[:, :, 1]).double()
        size = redness.shape[-1]
        centres = (torch.arange(size, dtype=torch.float64) + 0.5) * 224 / size
        total = redness.sum((-2, -1))
        x = (redness.sum(-2) * centres).sum(-1) / total
        y = (redness.sum(-1) * centres).sum(-1) / total
        return self.distort(torch.stack([x, y], dim=-1).float())

    def _predict(self, embeddings: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        return embeddings + 5.0 * actions.unflatten(-1, (-1, 2)).sum(-2)

    def _loss(self, batch, generator):
        raise NotImplementedError


def plain_processor(image_size: int = 32) -> Processor:
    return Processor(
        image_size,
        frameskip=5,
        action_dim=2,
        image_mean=(0.0, 0.0, 0.0),
        image_std=(1.0, 1.0, 1.0),
        action_mean=(0.0, 0.0),
        action_std=(1.0, 1.0),
        environment_id="leworld/TwoRoom-v0",
    )
