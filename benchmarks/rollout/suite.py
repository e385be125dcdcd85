"""Rollouts and CEM plans of the released architecture, beside the plain rollout and one that re-encodes."""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness import paired, write_result
from leworld.costs import GoalCost
from leworld.encoders import ActionEncoder, ViTEncoder
from leworld.models import LeWM, WorldModel
from leworld.nn import Projector
from leworld.planners import CEMPlanner
from leworld.predictors import TransformerPredictor

SAMPLES, HORIZON, ITERATIONS = 300, 5, 2
ROUNDS, PLAN_ROUNDS = 5, 3
PLAIN, OURS = "plain rollout", "LeWM.rollout"
AGAIN = "plain rollout, frames and action prefixes encoded again at every call"


class Plain:
    """The model with the rollout that defines all others."""

    def __init__(self, model: LeWM) -> None:
        self.model = model

    def rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        """Predict by `WorldModel`'s definition."""
        return WorldModel._rollout(self.model, context, past_actions, actions)


class EncodingAgain:
    """The cost as the released planning code arranges it, on the same layers.

    Every call encodes the context's frames and the goal's, and every step embeds all actions so far.
    """

    def __init__(self, model: LeWM, frames: Tensor, goal: Tensor, past_actions: Tensor) -> None:
        self.model = model
        self.frames = frames
        self.goal = goal
        self.past_actions = past_actions
        self.device = frames.device
        self.dtype = frames.dtype

    def __call__(self, actions: Tensor) -> Tensor:
        """Return the squared distance to the goal at the last step."""
        model, size = self.model, self.model.history_size
        embeddings = model.encode(self.frames).repeat_interleave(actions.shape[1], dim=0)
        past = self.past_actions.repeat_interleave(actions.shape[1], dim=0)
        blocks = torch.cat([past, actions.flatten(0, 1)], dim=1)
        for now in range(past.shape[1] + 1, blocks.shape[1] + 1):
            conditions = model.action_encoder(blocks[:, :now])[:, -size:]
            output = model.prediction_projector(model.predictor(embeddings[:, -size:], conditions))
            embeddings = torch.cat([embeddings, output[:, -1:]], dim=1)
        last = embeddings[:, -1].unflatten(0, actions.shape[:2])
        return (last - model.encode(self.goal)[:, -1:]).square().sum(-1)


def released() -> LeWM:
    """Build the released architecture with random weights, no gate at zero and no BatchNorm at its start."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LeWM(
            ViTEncoder(224, 14, size="tiny"),
            TransformerPredictor(192, 3),
            action_encoder=ActionEncoder(10, 192),
            projector=Projector(192),
            prediction_projector=Projector(192),
        )
    for block in model.predictor.blocks:
        for parameter in block.modulation.parameters():
            parameter.data.normal_(std=0.05, generator=generator)
    for part in (model.projector, model.prediction_projector):
        part.norm.running_mean.normal_(std=0.1, generator=generator)
        part.norm.running_var.uniform_(0.5, 2, generator=generator)
    return model.eval()


class Case:
    """One planning problem, seen through each way to compute its cost."""

    def __init__(self, model: LeWM, history: int, device: str) -> None:
        generator = torch.Generator().manual_seed(history)
        frames = torch.randn(1, history, 3, 224, 224, generator=generator).to(device)
        goal = torch.randn(1, 1, 3, 224, 224, generator=generator).to(device)
        self.past = torch.randn(1, history - 1, model.action_dim, generator=generator).to(device)
        self.context, self.goal = model.encode(frames), model.encode(goal)[:, 0]
        self.actions = torch.randn(1, SAMPLES, 7, model.action_dim, generator=generator).to(device)
        self.costs: dict[str, Callable[[Tensor], Tensor]] = {
            PLAIN: self._cost(Plain(model)),
            AGAIN: EncodingAgain(model, frames, goal, self.past),
            OURS: self._cost(model),
        }

    def _cost(self, model: Any) -> GoalCost:
        return GoalCost(model, self.goal, context=self.context, past_actions=self.past)

    def error(self) -> float:
        """Return the largest relative difference from the plain costs, over horizons."""
        worst = 0.0
        for horizon in (1, 2, 5, 7):
            actions = self.actions[:, :30, :horizon]
            expected = self.costs[PLAIN](actions)
            for cost in self.costs.values():
                worst = max(worst, ((cost(actions) - expected).abs() / expected).max().item())
        return worst

    def plan(self, name: str) -> Callable[[], object]:
        """Return a whole search as one call; every one draws the same noise."""
        planner = CEMPlanner(HORIZON, SAMPLES, num_iterations=ITERATIONS)
        dim = self.actions.shape[-1]
        return lambda: planner.plan(self.costs[name], batch=1, action_dim=dim)


def measure(model: LeWM, history: int, threads: int, device: str) -> list[dict[str, Any]]:
    """Check one case, then time its cost, and with all threads whole plans."""
    torch.set_num_threads(threads)
    case = Case(model, history, device)
    error = case.error()
    if error > 1e-5:
        raise SystemExit(f"costs differ by {error:.2g} at history {history}; nothing was timed")
    actions = case.actions[:, :, :HORIZON]
    timed = {
        "rollout and cost": paired(
            {name: lambda name=name: case.costs[name](actions) for name in (PLAIN, OURS)},
            repeats=ROUNDS,
            device=device,
        )
    }
    if threads == 1:
        plans = {name: case.plan(name) for name in (AGAIN, PLAIN, OURS)}
        timed[f"CEM plan, {ITERATIONS} iterations"] = paired(
            plans, repeats=PLAN_ROUNDS, warmup=0, device=device
        )
    facts = {"history": history, "threads": threads, "cost_error": error}
    return [
        {"what": what, "how": how, **facts, **row}
        for what, rows in timed.items()
        for how, row in rows.items()
    ]


@torch.no_grad()
def run(device: str) -> None:
    """Measure every case and write benchmarks/results/rollout_<device>.json."""
    model = released().to(device)
    cases = [(history, threads) for history in (1, 3) for threads in ((1, 2) if device == "cpu" else (1,))]
    rows = [row for history, threads in cases for row in measure(model, history, threads, device)]
    torch.set_num_threads(1)
    for row in rows:
        print(
            f"history {row['history']}, {row['threads']} threads  {row['what']:24} {row['how'][:40]:40} "
            f"{row['median_ms']:9.1f} ms {row['ratio']:6.2f}x"
        )
    settings = {
        "samples": SAMPLES,
        "horizon": HORIZON,
        "dtype": "float32",
        "weights": "random, released sizes",
        "baseline": "first row of each group",
        "threads": "as each row says",
        "waiting threads": os.environ.get("OMP_WAIT_POLICY", "default"),
    }
    path = write_result(
        f"rollout_{device}",
        command=f"python benchmarks/run.py rollout --device {device}",
        settings=settings,
        rows=rows,
    )
    print(f"wrote {path.name}")
