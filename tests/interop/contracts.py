"""What stable-worldmodel does with a cost and a solver, written anew from its two contracts.

`RELEASED` is 0.1.1 and `MAIN` the branch of August 2026, of galilai-group/stable-worldmodel: how its policy
prepares what an environment tells (policy.py), how its solvers expand it and ask the cost (solver/cem.py,
solver/gd.py, planning/solver), what its models' own cost does in 0.1.1 (wm/lewm), and its cost evaluator of
main (planning/evaluator.py, objective.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

Info = dict[str, Any]


@dataclass(frozen=True)
class PlanConfig:
    horizon: int
    receding_horizon: int
    history_len: int = 1
    action_block: int = 1
    warm_start: bool = True


@dataclass(frozen=True)
class Space:
    """A batched Box."""

    low: np.ndarray
    high: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.low.shape


@runtime_checkable
class Solver(Protocol):
    def configure(self, *, action_space: Any, n_envs: int, config: Any) -> None: ...
    @property
    def action_dim(self) -> int: ...
    @property
    def n_envs(self) -> int: ...
    @property
    def horizon(self) -> int: ...
    def solve(self, info_dict: dict, init_action: Tensor | None = None) -> dict: ...


@runtime_checkable
class Costable(Protocol):
    def criterion(self, info_dict: dict, action_candidates: Tensor) -> Tensor: ...
    def get_cost(self, info_dict: dict, action_candidates: Tensor) -> Tensor: ...


@runtime_checkable
class Actionable(Protocol):
    def get_action(self, info: dict, horizon: int = 1, prefix_actions: Tensor | None = None) -> Tensor: ...


def expand(info: Mapping[str, Any], rows: slice, samples: int, dtype: torch.dtype) -> Info:
    """Views without memory of their own for tensors, repeats for arrays, lists as they are."""
    expanded: Info = {}
    for key, value in info.items():
        part = value[rows]
        if isinstance(part, Tensor):
            part = part.to(dtype=dtype) if part.is_floating_point() else part
            part = part.unsqueeze(1).expand(len(part), samples, *part.shape[1:])
        elif isinstance(part, np.ndarray):
            part = np.repeat(part[:, None], samples, axis=1)
        expanded[key] = part
    return expanded


def checked(costs: Any, rows: int, samples: int) -> Tensor:
    assert isinstance(costs, Tensor)
    assert costs.ndim == 2
    assert tuple(costs.shape) == (rows, samples)
    return costs


class SamplingSolver:
    """CEM as they write it: one dict for all rounds of a sub-batch, under `inference_mode`.

    It notes every (rows, candidates, costs).
    """

    def __init__(self, cost: Any, *, batch_size: int = 1, num_samples: int = 8, topk: int = 3) -> None:
        self.cost, self.batch_size, self.num_samples, self.topk = cost, batch_size, num_samples, topk
        self.generator = torch.Generator().manual_seed(1234)
        try:
            self.dtype = next(cost.parameters()).dtype
        except (AttributeError, StopIteration):
            self.dtype = torch.float32
        self.noted: list[tuple[slice, Tensor, Tensor]] = []
        self.keys: list[set[str]] = []

    def configure(self, *, action_space: Any, n_envs: int, config: Any) -> None:
        self.n_envs, self.config = n_envs, config
        self.action_dim = int(np.prod(action_space.shape[1:])) * config.action_block
        self.horizon = config.horizon

    @torch.inference_mode()
    def solve(self, info_dict: dict, init_action: Tensor | None = None) -> dict:
        total = len(next(iter(info_dict.values())))
        mean = torch.zeros(total, self.horizon, self.action_dim, dtype=self.dtype)
        if init_action is not None:
            mean[:, : init_action.shape[1]] = init_action
        assert not isinstance(self.cost, Actionable)  # whose actor would fill the rest of the former plan
        costs: list[float] = []
        for first in range(0, total, self.batch_size):
            rows = slice(first, min(first + self.batch_size, total))
            expanded = expand(info_dict, rows, self.num_samples, self.dtype)
            count = rows.stop - rows.start
            for _ in range(3):
                shape = (count, self.num_samples, self.horizon, self.action_dim)
                candidates = torch.randn(shape, generator=self.generator).to(self.dtype)
                candidates = candidates + mean[rows].unsqueeze(1)
                candidates[:, 0] = mean[rows]
                found = checked(self.cost.get_cost(expanded, candidates), count, self.num_samples)
                self.noted.append((rows, candidates, found))
                best = found.topk(self.topk, dim=1, largest=False)
                chosen = candidates[torch.arange(count)[:, None], best.indices]
                mean[rows] = chosen.mean(1)
            self.keys.append(set(expanded))
            costs += best.values.mean(1).tolist()
        return {"actions": mean.detach().cpu(), "costs": costs, "mean": [mean]}

    def __call__(self, *args: Any, **kwargs: Any) -> dict:
        return self.solve(*args, **kwargs)


class GradientSolver(SamplingSolver):
    """Gradient descent as they write it: `backward` on the sum; main hands each step a copy of the dict."""

    copies = False

    def solve(self, info_dict: dict, init_action: Tensor | None = None) -> dict:
        total = len(next(iter(info_dict.values())))
        expanded = expand(info_dict, slice(0, total), self.num_samples, self.dtype)
        start = torch.randn(total, self.num_samples, self.horizon, self.action_dim, generator=self.generator)
        actions = start.to(self.dtype).requires_grad_()
        optimiser = torch.optim.SGD([actions], lr=0.1)
        for _ in range(3):
            info = dict(expanded) if self.copies else expanded
            costs = checked(self.cost.get_cost(info, actions), total, self.num_samples)
            assert costs.requires_grad
            self.noted.append((slice(0, total), actions.detach().clone(), costs.detach()))
            costs.sum().backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return {"actions": actions.detach()[:, 0], "costs": costs.detach()[:, 0].tolist()}


class MainGradientSolver(GradientSolver):
    copies = True


class LagrangianSolver(GradientSolver):
    """Asks for constraints where the cost has them, on copies of the dict."""

    def solve(self, info_dict: dict, init_action: Tensor | None = None) -> dict:
        total = len(next(iter(info_dict.values())))
        expanded = expand(info_dict, slice(0, total), self.num_samples, self.dtype)
        shape = (total, self.num_samples, self.horizon, self.action_dim)
        actions = torch.randn(shape, generator=self.generator).to(self.dtype).requires_grad_()
        costs = checked(self.cost.get_cost(dict(expanded), actions), total, self.num_samples)
        assert hasattr(self.cost, "get_constraints")
        limits = self.cost.get_constraints(dict(expanded), actions)
        assert limits.ndim == 3
        assert limits.shape[:2] == (total, self.num_samples)
        (costs + limits.relu().square().sum(-1)).sum().backward()
        assert actions.grad is not None
        self.limits = limits.detach()
        return {"actions": actions.detach()[:, 0]}


class Policy:
    """`WorldModelPolicy`: normalises what it is told to, replans where the queue is empty, warm-starts.

    Main keeps `history_len` frames, one a block, and sends the blocks between them as `action_history`;
    0.1.1 takes the option and ignores it.
    """

    sends_history = False

    def __init__(
        self,
        solver: Any,
        config: PlanConfig,
        process: Mapping[str, Any] | None = None,
        transform: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
    ) -> None:
        self.solver, self.cfg = solver, config
        self.process, self.transform = dict(process or {}), dict(transform or {})

    def set_env(self, env: Any) -> None:
        self.env = env
        self.solver.configure(action_space=env.action_space, n_envs=env.num_envs, config=self.cfg)
        assert isinstance(self.solver, Solver)
        assert callable(self.solver)
        self.queues: list[list[Tensor]] = [[] for _ in range(env.num_envs)]
        self.next_init: Tensor | None = None
        self.frames: list[Tensor] = []
        self.blocks: list[Tensor] = []

    def prepared(self, info: Mapping[str, Any]) -> Info:
        made: Info = {}
        for key, value in info.items():
            if key in self.process:
                if not isinstance(value, np.ndarray):
                    raise ValueError(key)
                shape = value.shape
                flat = value.reshape(-1, *shape[2:]) if value.ndim > 2 else value
                value = self.process[key].transform(flat).reshape(shape)
            if key in self.transform:
                pictures = torch.from_numpy(value).flatten(0, 1).permute(0, 3, 1, 2)
                value = torch.stack([self.transform[key](one) for one in pictures])
                value = value.unflatten(0, (-1, 1))
            if isinstance(value, np.ndarray) and value.dtype.kind not in "USO":
                value = torch.from_numpy(value)
            made[key] = value
        return made

    def get_action(self, infos: Mapping[str, Any]) -> np.ndarray:
        info, count = self.prepared(infos), self.env.num_envs
        terminated = np.asarray(info.get("terminated", torch.zeros(count, 1)), dtype=bool).reshape(count)
        due = [i for i in range(count) if not self.queues[i] and not terminated[i]]
        if due and self.sends_history:  # every block is planned anew in the tests of histories
            info = self.with_history(info)
        if due:
            index = torch.tensor(due)
            some = {
                key: value[index] if isinstance(value, Tensor) else [value[i] for i in due]
                for key, value in info.items()
            }
            init = None if self.next_init is None else self.next_init[index]
            actions = self.solver(some, init_action=init)["actions"]
            assert tuple(actions.shape) == (len(due), self.cfg.horizon, self.solver.action_dim)
            kept = self.cfg.receding_horizon
            rest = actions[:, kept:]
            if self.cfg.warm_start and rest.shape[1]:
                if self.next_init is None:
                    self.next_init = torch.zeros(count, *rest.shape[1:], dtype=rest.dtype)
                self.next_init[index] = rest
            steps = actions[:, :kept].reshape(len(due), kept * self.cfg.action_block, -1)
            for row, i in enumerate(due):
                self.queues[i] = list(steps[row])
            self.blocks.append(actions[:, 0] if len(due) == count else actions.new_zeros(count, 1))
        action = torch.full((count, self.env.action_space.shape[-1]), torch.nan)
        for i in range(count):
            if not terminated[i]:
                action[i] = self.queues[i].pop(0)
        made = action.float().numpy()
        return self.process["action"].inverse_transform(made) if "action" in self.process else made

    def with_history(self, info: Info) -> Info:
        self.frames.append(info["pixels"])
        frames = self.frames[-self.cfg.history_len :]
        if len(frames) < 2:
            return info
        blocks = torch.stack(self.blocks[-(len(frames) - 1) :], dim=1)
        return {**info, "pixels": torch.cat(frames, dim=1), "action_history": blocks}


class MainPolicy(Policy):
    sends_history = True


class GoalMSE:
    """The objective of main."""

    def __call__(self, info: Info) -> Tensor:
        ahead = info["predicted_emb"][:, :, -1:]
        goal = info["goal_emb"][:, None, -1:].detach()
        return (ahead - goal).square().flatten(2).sum(-1)


class ShootingCostEvaluator(torch.nn.Module):
    """The evaluator of main: encodes the goal once a dict, rolls out, asks the objective."""

    def __init__(self, model: Any, objective: Callable[[Info], Tensor]) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def get_cost(self, info_dict: Info, action_candidates: Tensor) -> Tensor:
        if "goal_emb" not in info_dict:
            goal = {key: value[:, 0] for key, value in info_dict.items() if isinstance(value, Tensor)}
            goal["pixels"] = goal["goal"]
            for key in info_dict:
                if key.startswith("goal_"):
                    goal[key.removeprefix("goal_")] = goal.pop(key)
            goal.pop("action")
            goal.pop("action_history", None)
            info_dict["goal_emb"] = self.model.encode(goal)["emb"]
        info_dict = self.model.rollout(info_dict, action_candidates)
        info_dict["action_candidates"] = action_candidates
        return self.objective(info_dict)

    def criterion(self, info_dict: Info, action_candidates: Tensor | None = None) -> Tensor:
        return self.objective(info_dict)


class ReleasedModel(torch.nn.Module):
    """A model of 0.1.1 with the cost inside: it writes into the info, and its goal lacks an axis.

    A frame's mean colour is the latent, and an action adds to it. For several environments the goal is
    broadcast along the candidates: an error, or where there are as many of both, silently another number.
    """

    def __init__(self, size: int = 2) -> None:
        super().__init__()
        self.size = size
        self.scale = torch.nn.Parameter(torch.tensor(0.5))
        self.dropout = torch.nn.Dropout(0.5)
        self.encoded = 0

    def encode(self, info: Info) -> Info:
        self.encoded += 1
        pixels = info["pixels"].to(self.scale.dtype)
        info["emb"] = self.dropout(pixels[:, :, : self.size].mean((-2, -1)))
        return info

    def rollout(self, info: Info, action_sequence: Tensor) -> Info:
        batch, samples = action_sequence.shape[:2]
        info["action"] = action_sequence[:, :, : info["pixels"].shape[2]]
        if "emb" not in info:
            first = {key: value[:, 0] for key, value in info.items() if isinstance(value, Tensor)}
            latents = self.encode(first)["emb"].detach()
            info["emb"] = latents.unsqueeze(1).expand(batch, samples, -1, -1)
        steps = self.scale * action_sequence.unflatten(-1, (-1, self.size)).sum(-2)
        info["predicted_emb"] = torch.cat((info["emb"], info["emb"][:, :, -1:] + steps.cumsum(2)), dim=2)
        return info

    def criterion(self, info_dict: Info) -> Tensor:
        ahead = info_dict["predicted_emb"]
        goal = info_dict["goal_emb"][..., -1:, :].expand_as(ahead)
        return (ahead[..., -1:, :] - goal[..., -1:, :].detach()).square().sum((2, 3))

    def get_cost(self, info_dict: Info, action_candidates: Tensor) -> Tensor:
        if "goal_emb" not in info_dict:
            goal = {key: value[:, 0] for key, value in info_dict.items() if isinstance(value, Tensor)}
            goal["pixels"] = goal["goal"]
            goal.pop("action")
            info_dict["goal_emb"] = self.encode(goal)["emb"]
        return self.criterion(self.rollout(info_dict, action_candidates))


class RememberingModel(ReleasedModel):
    """As PreJEPA does, it keeps latents by itself, for as long as episode and step are the same.

    It encodes only into infos that nobody has encoded into.
    """

    def get_cost(self, info_dict: Info, action_candidates: Tensor) -> Tensor:
        kept = getattr(self, "_init_cached_info", None)
        if kept is not None and torch.equal(kept["id"], info_dict["id"][:, 0]):
            info_dict |= {key: kept[key] for key in ("emb", "goal_emb")}
        else:
            assert "goal_emb" not in info_dict
        costs = super().get_cost(info_dict, action_candidates)
        self._init_cached_info = {"id": info_dict["id"][:, 0]} | {
            key: info_dict[key].detach() for key in ("emb", "goal_emb")
        }
        return costs


RELEASED: dict[str, Any] = {"policy": Policy, "gradient": GradientSolver}
MAIN: dict[str, Any] = {"policy": MainPolicy, "gradient": MainGradientSolver}
VERSIONS = {"0.1.1": RELEASED, "main": MAIN}
