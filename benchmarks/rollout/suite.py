"""Rollouts and CEM plans of the released architecture, beside the plain rollout and one that re-encodes.

A plan is the released algorithm's: 300 samples, 30 iterations, horizon 5, with what it encodes. On a CPU that
is some four minutes for all cases, one plan each way; its many iterations even out a machine's moods. On a
GPU many environments are planned for as well, side by side and one after the other.
"""

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

SAMPLES, HORIZON, ITERATIONS, ENVIRONMENTS = 300, 5, 30, 50
ROUNDS, PLAN_ROUNDS = 5, {"cpu": 1, "cuda": 5}
PLAIN, OURS = "plain rollout", "LeWM.rollout"
AGAIN = "plain rollout, frames and action prefixes encoded again at every call"
SINGLY = "plain rollout, one environment after the other"


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
    """Planning problems, one an environment, seen through each way to compute their costs."""

    def __init__(self, model: LeWM, history: int, device: str, *, environments: int = 1) -> None:
        generator = torch.Generator().manual_seed(history)

        def draw(*shape: int) -> Tensor:
            return torch.randn(environments, *shape, generator=generator).to(device)

        self.model = model
        self.frames, self.goal = draw(history, 3, 224, 224), draw(1, 3, 224, 224)
        self.past = draw(history - 1, model.action_dim)
        self.actions = draw(SAMPLES, 7, model.action_dim)

    def cost(self, name: str, rows: slice = slice(None)) -> Callable[[Tensor], Tensor]:
        """Build the cost of some environments; it encodes their frames here, once, or at every call."""
        frames, goal, past = self.frames[rows], self.goal[rows], self.past[rows]
        if name == AGAIN:
            return EncodingAgain(self.model, frames, goal, past)
        model: Any = self.model if name == OURS else Plain(self.model)
        context, target = self.model.encode(frames), self.model.encode(goal)[:, 0]
        return GoalCost(model, target, context=context, past_actions=past)

    def error(self) -> float:
        """Return the largest relative difference from the plain costs, over horizons."""
        worst = 0.0
        costs = [self.cost(name) for name in (PLAIN, AGAIN, OURS)]
        for horizon in (1, 2, 5, 7):
            actions = self.actions[:, :30, :horizon]
            expected = costs[0](actions)
            for cost in costs[1:]:
                worst = max(worst, ((cost(actions) - expected).abs() / expected).max().item())
        return worst

    def plan(self, name: str, rows: slice = slice(None)) -> Callable[[], object]:
        """Return a whole search as one call, encoding included; every one draws the same noise."""
        planner = CEMPlanner(HORIZON, SAMPLES, num_iterations=ITERATIONS)
        batch, dim = len(self.frames[rows]), self.actions.shape[-1]
        return lambda: planner.plan(self.cost(name, rows), batch=batch, action_dim=dim)

    def plan_singly(self) -> Callable[[], object]:
        """Return the searches of all environments, one after the other, as one call."""
        singly = [self.plan(PLAIN, slice(row, row + 1)) for row in range(len(self.frames))]
        return lambda: [plan() for plan in singly]


def measure(model: LeWM, history: int, threads: int, device: str) -> list[dict[str, Any]]:
    """Check one case, then time its cost, and with one thread whole plans."""
    torch.set_num_threads(threads)
    case = Case(model, history, device)
    error = case.error()
    if error > 1e-5:
        raise SystemExit(f"costs differ by {error:.2g} at history {history}; nothing was timed")
    actions = case.actions[:, :, :HORIZON]
    costs = {name: case.cost(name) for name in (PLAIN, OURS)}
    timed = {
        "rollout and cost": paired(
            {name: lambda cost=cost: cost(actions) for name, cost in costs.items()},
            repeats=ROUNDS,
            device=device,
        )
    }
    if threads == 1:
        plans = {name: case.plan(name) for name in (AGAIN, PLAIN, OURS)}
        timed[f"CEM plan, {ITERATIONS} iterations"] = _plans(plans, device)
    if device == "cuda":
        many = Case(model, history, device, environments=ENVIRONMENTS)
        side_by_side = {SINGLY: many.plan_singly()} | {name: many.plan(name) for name in (PLAIN, OURS)}
        timed[f"CEM plans for {ENVIRONMENTS} environments"] = _plans(side_by_side, device)
    facts = {"history": history, "threads": threads, "cost_error": error}
    return [
        {"what": what, "how": how, **facts, **row}
        for what, rows in timed.items()
        for how, row in rows.items()
    ]


def _plans(plans: dict[str, Callable[[], object]], device: str) -> dict[str, dict[str, float]]:
    return paired(plans, repeats=PLAN_ROUNDS[device], warmup=int(device == "cuda"), device=device)


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
        "iterations": ITERATIONS,
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
