"""DINO-WM of the published size beside LeWM: operations and time of a rollout and its cost, cached or not.

A candidate of DINO-WM takes seconds on one thread, so few are rolled out; LeWM's 300 are those of a search.
Times are given a candidate. Weights are random: they change neither operations nor time.
"""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.harness import paired, write_result
from benchmarks.rollout.suite import Plain, released
from leworld.costs import GoalCost
from leworld.models import DINOWM, WorldModel, dinowm_settings, rollout_flops

HORIZON, ROUNDS, LONG = 5, 3, 6
SEARCH = 300 * 30  # candidates of the published CEM
CANDIDATES = {"LeWM": 300, "DINO-WM": 2}
PLAIN, CACHED = "plain rollout", "cached frames"
PUBLISHED, HELD = "published history of 3", f"history of {LONG}, which holds the horizon"


def dinowm(history_size: int = 3) -> DINOWM:
    """Build the published size with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return dinowm_settings("dino-wm").model(10, 4, history_size=history_size).eval()


def published_flops(windows: list[int], *, tokens: int = 196, dim: int = 404) -> float:
    """Operations of DINO-WM's predictor by formula, with the pairs that its mask hides."""
    layer = 2 * (dim * 3 * 1024 + 1024 * dim + 2 * dim * 2048)
    return sum(6 * (n * tokens * layer + 4 * 1024 * (n * tokens) ** 2) for n in windows)


def lewm_flops(windows: list[int]) -> float:
    """Operations of LeWM's predictor, head and action encoder by formula, likewise."""
    layer = 2 * (192 * 3 * 1024 + 1024 * 192 + 2 * 192 * 2048 + 192 * 6 * 192)
    token = 6 * layer + 2 * 2 * 192 * 2048 + 2 * (10 * 10 + 10 * 768 + 768 * 192)
    return sum(n * token + 6 * 4 * 1024 * n**2 for n in windows)


def encoding_flops(model: WorldModel, size: int) -> int:
    """Count the operations of encoding one picture."""
    encoder: Any = model.encoder
    pixels = torch.empty(1, 3, size, size, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        encoder.to("meta")(pixels)
    return counter.get_total_flops()


class Case:
    """One model's candidates from one known frame, rolled out in both ways."""

    def __init__(self, model: WorldModel, candidates: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.model = model
        self.context = torch.randn(1, 1, *model.latent_shape, generator=generator)
        self.goal = torch.randn(1, *model.latent_shape, generator=generator)
        self.actions = torch.randn(1, candidates, HORIZON, model.action_dim, generator=generator)

    def cost(self, way: str) -> Callable[[], Tensor]:
        """Return rollout and cost of all candidates as one call."""
        model: Any = self.model if way == CACHED else Plain(self.model)  # type: ignore[arg-type]
        cost = GoalCost(model, self.goal, context=self.context)
        if way == PLAIN:
            distance = self.model.latent_distance
            return lambda: distance(cost.rollout(self.actions)[:, :, -1:], self.goal[:, None, None])
        return lambda: cost(self.actions)

    def error(self) -> float:
        """Return the largest difference of the two ways' latents, by the largest entry."""
        rolled = [
            GoalCost(model, self.goal, context=self.context).rollout(self.actions[:, :2])
            for model in (self.model, Plain(self.model))  # type: ignore[list-item]
        ]
        return ((rolled[0] - rolled[1]).abs().max() / rolled[1].abs().max()).item()


def rows_of(name: str, history: str, model: WorldModel) -> list[dict[str, Any]]:
    """Check one model, then time and count both ways."""
    candidates = CANDIDATES[name]
    case = Case(model, candidates)
    error = case.error()
    if error > 1e-5:
        raise SystemExit(f"rollouts of {name} differ by {error:.2g}; nothing was timed")
    timed = paired({way: case.cost(way) for way in (PLAIN, CACHED)}, repeats=ROUNDS)
    windows = [min(step + 1, model.history_size) for step in range(HORIZON)]
    formula = published_flops(windows) if name == "DINO-WM" else lewm_flops(windows)
    rows = []
    for way, row in timed.items():
        flops = rollout_flops(model, horizon=HORIZON, cached=way == CACHED)
        rows.append(
            {
                "model": name,
                "history": history,
                "how": way,
                "candidates": candidates,
                "latent_error": error,
                "gflop_candidate": flops / 1e9,
                "gflop_formula": formula / 1e9 if way == PLAIN else None,
                "tflop_search": SEARCH * flops / 1e12,
                "ms_candidate": row["median_ms"] / candidates,
                "low_ms": row["low_ms"] / candidates,
                "high_ms": row["high_ms"] / candidates,
                "speed_up": row["ratio"],
            }
        )
    return rows


@torch.no_grad()
def run(device: str) -> None:
    """Measure every case and write benchmarks/results/dinowm_cpu.json."""
    if device != "cpu":
        raise SystemExit("this suite measures on a CPU")
    torch.set_num_threads(1)
    lewm, ours = released(), dinowm()
    rows = rows_of("LeWM", PUBLISHED, lewm)
    rows += rows_of("DINO-WM", PUBLISHED, ours)
    rows += rows_of("DINO-WM", HELD, dinowm(LONG))
    for row in rows:
        print(
            f"{row['model']:8} {row['history']:40} {row['how']:14} {row['gflop_candidate']:9.4f} GFLOP "
            f"{row['ms_candidate']:9.2f} ms {row['speed_up']:6.2f}x"
        )
    first = {(row["model"], row["how"]): row for row in rows if row["history"] == PUBLISHED}
    ratios = {
        f"{what}, {way}": first["DINO-WM", way][what] / first["LeWM", way][what]
        for what in ("gflop_candidate", "ms_candidate")
        for way in (PLAIN, CACHED)
    }
    formula = first["DINO-WM", PLAIN]["gflop_formula"] / first["LeWM", PLAIN]["gflop_formula"]
    settings = {
        "horizon": HORIZON,
        "context": 1,
        "rounds": ROUNDS,
        "dtype": "float32",
        "weights": "random, published sizes",
        "candidates of a search": SEARCH,
        "DINO-WM to LeWM": {"gflop by formula": formula, **ratios},
        "parameters": {
            name: sum(p.numel() for p in model.predictor.parameters())  # type: ignore[union-attr]
            for name, model in (("LeWM", lewm), ("DINO-WM", ours))
        },
        "gflop of encoding one picture": {
            "LeWM": encoding_flops(lewm, 224) / 1e9,
            "DINO-WM": encoding_flops(ours, 196) / 1e9,
        },
        "waiting threads": os.environ.get("OMP_WAIT_POLICY", "default"),
    }
    for name, value in settings["DINO-WM to LeWM"].items():
        print(f"DINO-WM to LeWM: {name} {value:.1f}")
    path = write_result(
        "dinowm_cpu",
        command="python benchmarks/run.py dinowm --device cpu",
        settings=settings,
        rows=rows,
    )
    print(f"wrote {path.name}")
