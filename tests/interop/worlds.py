"""Environments and infos as stable-worldmodel shows them."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leworld.costs import GoalCost
from leworld.data import Observation
from leworld.models import WorldModel, model_input, to_weights
from tests.control.fakes import move, paint
from tests.interop.contracts import Space

JUNK = (
    "env_name",
    "id",
    "step_idx",
    "reward",
    "terminated",
    "truncated",
    "state",
    "goal_state",
    "n_contacts",
)


def raw_info(batch: int, *, frames: int = 1, seed: int = 0, size: int = 4, action: int = 2) -> dict[str, Any]:
    """What a policy hands to a solver at reset: what a model reads, and everything else beside it."""
    draw = np.random.default_rng(seed)
    pixels = draw.integers(0, 256, (batch, frames, size, size, 3), dtype=np.uint8)
    goal = draw.integers(0, 256, (batch, 1, size, size, 3), dtype=np.uint8)
    return {
        "env_name": [["PushT"]] * batch,
        "pixels": torch.from_numpy(pixels),
        "goal": torch.from_numpy(goal),
        "action": torch.full((batch, 1, action), torch.nan),
        "id": torch.from_numpy(draw.integers(0, 2**60, (batch, 1))),
        "step_idx": torch.zeros(batch, 1, dtype=torch.int64),
        "reward": torch.full((batch, 1), torch.nan, dtype=torch.float64),
        "terminated": torch.zeros(batch, 1, dtype=torch.bool),
        "truncated": torch.zeros(batch, 1, dtype=torch.bool),
        "state": torch.from_numpy(draw.normal(size=(batch, 1, 7))),
        "goal_state": torch.from_numpy(draw.normal(size=(batch, 1, 7))),
        "n_contacts": torch.zeros(batch, 1, dtype=torch.int64),
        "note": np.array([["a"]] * batch),
    }


def ours(model: WorldModel, info: dict[str, Any], past: Tensor | None = None) -> GoalCost:
    """The cost that leworld's own policy would plan with, from the same frames and goals."""
    raw = {name: part for name, part in info.items() if name in ("pixels", "proprio")}
    goals = {"pixels": info["goal"]} | ({"proprio": info["goal_proprio"]} if "proprio" in raw else {})
    with torch.no_grad():
        context = model.encode(model_input(model, Observation(parts=raw)))
        goal = model.encode(model_input(model, Observation(parts=goals)))[:, -1]
    blocks = None if past is None else to_weights(model, past)
    return GoalCost(model, goal, context=context[:, -model.history_size :], past_actions=blocks)


@dataclass
class Points:
    """Points that are drawn as colours, as an `EnvPool`: infos (env, 1, ...), changed in place."""

    num_envs: int = 3
    ends: tuple[int, ...] = ()
    sent: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.action_space = Space(-np.ones((self.num_envs, 2)), np.ones((self.num_envs, 2)))
        self.positions = np.linspace(-0.5, 0.5, 2 * self.num_envs).reshape(-1, 2)
        self.goals = -self.positions
        self.infos = {
            "pixels": paint(self.positions).pixels[:, None],
            "goal": paint(self.goals).pixels[:, None],
            "action": np.full((self.num_envs, 1, 2), np.nan),
            "terminated": np.zeros((self.num_envs, 1), bool),
            "id": np.arange(self.num_envs)[:, None],
            "env_name": [["Points"]] * self.num_envs,
        }

    def step(self, actions: np.ndarray) -> None:
        self.sent.append(actions)
        self.positions = move(self.positions, np.nan_to_num(np.clip(actions, -1, 1)))
        self.infos["pixels"][:, 0] = paint(self.positions).pixels
        self.infos["action"][:, 0] = actions
        for index in self.ends:
            self.infos["terminated"][index] = True
