"""Every candidate for a figure that foretells success and needs no environment."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leworld.costs import GoalCost
from leworld.data import Episodes
from leworld.evaluation import diagnose
from leworld.evaluation._latent_paths import LatentPath, distance, imagined_paths, latent_paths
from leworld.metrics import effective_rank, plan_rank
from leworld.models import WorldModel, processor_of
from leworld.planners import CEMPlanner
from leworld.probes import KNNProbe, MLPProbe, RidgeProbe, split_by_episode

NUM_PROBLEMS, NUM_PLANS = 300, 32
BETTER = {  # 1 where more should be better, -1 where less should
    "rank_h1": -1,
    "rank_h5": -1,
    "rank_h10": -1,
    "half_rank_h1": -1,
    "half_rank_h5": -1,
    "half_rank_h10": -1,
    "worst_component_rank_h1": -1,
    "worst_component_rank_h5": -1,
    "worst_component_rank_h10": -1,
    "contrast_h1": 1,
    "contrast_h5": 1,
    "contrast_h10": 1,
    "agreement_h5": 1,
    "agreement_mean_h5": 1,
    "correlation_h5": 1,
    "inverse_h1": 1,
    "inverse_h5": 1,
    "time_order": 1,
    "error_over_move_h1": -1,
    "error_over_move_h5": -1,
    "error_over_random_h1": -1,
    "error_over_random_h5": -1,
    "pixels_ridge": 1,
    "pixels_knn": 1,
    "effective_rank": 1,
    "worst_r2": 1,
    "num_lost": -1,
    "within_share": 1,
}
PLANNER: dict[str, Any] = {"num_samples": 100, "num_elites": 10, "num_iterations": 10}


def starts_of(paths: Sequence[LatentPath], reach: int, horizon: int, drawn: np.random.Generator):
    """Draw starts (episode, first frame of a window)."""
    found = [(e, s) for e, path in enumerate(paths) for s in range(len(path) - reach - horizon + 1)]
    return [found[i] for i in drawn.permutation(len(found))[:NUM_PROBLEMS]]


def r2(truth: Tensor, guess: Tensor) -> list[float]:
    """R2 of each column."""
    wrong = (truth - guess).square().sum(0)
    return (1 - wrong / (truth - truth.mean(0)).square().sum(0)).tolist()


def ranks(model: WorldModel, paths: Sequence[LatentPath], horizon: int, components: int) -> dict[str, float]:
    """Rank and contrast among whole plans, halfway plans, and plans that differ in a component."""
    drawn, reach = np.random.default_rng(0), model.history_size
    starts = starts_of(paths, reach, horizon, drawn)
    first = reach - 1
    actions = torch.stack([paths[e].blocks[s + first : s + first + horizon] for e, s in starts])
    goal = torch.stack([paths[e].latents[s + first + horizon] for e, s in starts])
    raw = actions.unflatten(-1, (-1, components))

    def cost(plans: Tensor) -> Tensor:
        imagined = imagined_paths(model, list(paths), starts, plans.flatten(-2), owner="figures")
        return distance(model, imagined[:, -1], goal).clone()

    best = cost(raw)
    orders = [torch.from_numpy(drawn.permutation(len(starts))) for _ in range(NUM_PLANS)]
    whole = plan_rank(best, torch.stack([cost(raw[o]) for o in orders], 1))
    half = plan_rank(best, torch.stack([cost(raw + 0.5 * (raw[o] - raw)) for o in orders], 1))
    by_component = []
    for c in range(components):
        costs = []
        for o in orders:
            other = raw.clone()
            other[..., c] = raw[o][..., c]
            costs.append(cost(other))
        by_component.append(plan_rank(best, torch.stack(costs, 1)).rank)
    key = f"h{horizon}"
    return {
        f"rank_{key}": whole.rank,
        f"contrast_{key}": whole.contrast,
        f"half_rank_{key}": half.rank,
        f"worst_component_rank_{key}": max(by_component),
    }


def agreement(
    model: WorldModel, paths: Sequence[LatentPath], horizon: int, components: int
) -> dict[str, float]:
    """Whether a search from recorded starts to recorded goals finds what was done: R2 of summed actions."""
    drawn, reach = np.random.default_rng(1), model.history_size
    starts = starts_of(paths, reach, horizon, drawn)[:150]
    first = reach - 1
    actions = torch.stack([paths[e].blocks[s + first : s + first + horizon] for e, s in starts])
    context = torch.stack([paths[e].latents[s : s + reach] for e, s in starts])
    past = torch.stack([paths[e].blocks[s : s + first] for e, s in starts])
    goal = torch.stack([paths[e].latents[s + first + horizon] for e, s in starts])
    low, high = processor_of(model, owner="figures").block_bounds(
        np.full(components, -1, np.float32), np.full(components, 1, np.float32)
    )
    with torch.no_grad():
        cost = GoalCost(model, goal, context=context, past_actions=past)
        plan = CEMPlanner(horizon, **PLANNER).plan(
            cost,
            batch=len(goal),
            action_dim=model.action_dim,
            bounds=(low, high),
            generator=torch.Generator().manual_seed(0),
        )
    done = actions.unflatten(-1, (-1, components)).sum((1, 2))
    planned = plan.actions.unflatten(-1, (-1, components)).sum((1, 2))
    found = r2(done, planned)
    correlation = [
        float(torch.corrcoef(torch.stack([done[:, c], planned[:, c]]))[0, 1]) for c in range(components)
    ]
    return {
        f"agreement_h{horizon}": min(found),
        f"agreement_mean_h{horizon}": float(np.mean(found)),
        f"correlation_h{horizon}": min(correlation),
    }


def inverse(model: WorldModel, paths: Sequence[LatentPath], steps: int, components: int) -> dict[str, float]:
    """R2 of the summed actions between two frames, read off their latents by an MLP: worst component."""
    pairs, done, episode = [], [], []
    for e, path in enumerate(paths):
        z = path.latents.flatten(1)
        for s in range(0, len(path) - steps):
            pairs.append(torch.cat([z[s], z[s + steps]]))
            done.append(path.blocks[s : s + steps].unflatten(-1, (-1, components)).sum((0, 1)))
            episode.append(e)
    x, y, number = torch.stack(pairs), torch.stack(done), torch.tensor(episode)
    split = split_by_episode(number, validation=0.1, test=0.3, seed=0)
    probe = MLPProbe(x.shape[1], y.shape[1])
    probe.fit(
        x[split.train],
        y[split.train],
        validation_embeddings=x[split.validation],
        validation_targets=y[split.validation],
        generator=torch.Generator().manual_seed(0),
    )
    score = probe.score(x[split.test], y[split.test]).r2
    return {f"inverse_h{steps}": float(min(score))}


def time_order(model: WorldModel, paths: Sequence[LatentPath], farthest: int = 10) -> dict[str, float]:
    """Spearman's correlation of distance and steps apart within an episode, mean over starts."""
    found = []
    for path in paths:
        for s in range(0, len(path) - farthest, 3):
            d = distance(model, path.latents[s : s + 1], path.latents[s + 1 : s + farthest + 1])
            order = d.argsort().argsort().double()
            t = torch.arange(farthest).double()
            found.append(float(torch.corrcoef(torch.stack([order, t]))[0, 1]))
    return {"time_order": float(np.mean(found)) if found else float("nan")}


def imagination(model: WorldModel, paths: Sequence[LatentPath], horizon: int) -> dict[str, float]:
    """Error of the imagined end over the distance of the end from the start, and from other frames."""
    drawn, reach = np.random.default_rng(2), model.history_size
    starts = starts_of(paths, reach, horizon, drawn)
    first = reach - 1
    actions = torch.stack([paths[e].blocks[s + first : s + first + horizon] for e, s in starts])
    end = torch.stack([paths[e].latents[s + first + horizon] for e, s in starts])
    now = torch.stack([paths[e].latents[s + first] for e, s in starts])
    imagined = imagined_paths(model, list(paths), starts, actions, owner="figures")[:, -1]
    error = float(distance(model, imagined, end).mean())
    return {
        f"error_over_move_h{horizon}": error / float(distance(model, now, end).mean()),
        f"error_over_random_h{horizon}": error / float(distance(model, end.roll(7, 0), end).mean()),
    }


def pixels(model: WorldModel, episodes: Episodes, paths: Sequence[LatentPath], skip: int) -> dict[str, float]:
    """Share of the variance of the pictures' 16 first principal components that a probe reads."""
    rows = np.concatenate(
        [np.arange(f, f + n, skip) for f, n in zip(episodes.offsets, episodes.lengths, strict=True)]
    )
    pictures = torch.from_numpy(np.asarray(episodes.pixels)[rows]).movedim(-1, 1).float() / 255
    small = torch.nn.functional.adaptive_avg_pool2d(pictures, 16).flatten(1).double()
    small = small - small.mean(0)
    v = torch.linalg.eigh(small.T @ small).eigenvectors[:, -16:].flip(1)
    y = small @ v
    x = torch.cat([p.latents.flatten(1) for p in paths]).double()
    number = torch.from_numpy(np.repeat(np.arange(len(paths)), [len(p) for p in paths]))
    split = split_by_episode(number, validation=0.1, test=0.3, seed=0)
    found = {}
    for name, make in (("ridge", RidgeProbe), ("knn", KNNProbe)):
        probe = make(x.shape[1], 16).fit(
            x[split.train],
            y[split.train],
            validation_embeddings=x[split.validation],
            validation_targets=y[split.validation],
        )
        score = torch.tensor(probe.score(x[split.test], y[split.test]).r2)
        found[f"pixels_{name}"] = float(score.mean())
    return found


def figures(model: WorldModel, episodes: Episodes, quantities: Any) -> dict[str, float]:
    """Return all candidates."""
    paths = latent_paths(model, episodes, owner="figures")
    processor = processor_of(model, owner="figures")
    components, skip = processor.action_dim, processor.frameskip
    latents = torch.cat([p.latents for p in paths]).flatten(1)
    work: dict[str, Callable[[], dict[str, float]]] = {
        "ranks1": lambda: ranks(model, paths, 1, components),
        "ranks5": lambda: ranks(model, paths, 5, components),
        "ranks10": lambda: ranks(model, paths, 10, components),
        "agreement5": lambda: agreement(model, paths, 5, components),
        "inverse1": lambda: inverse(model, paths, 1, components),
        "inverse5": lambda: inverse(model, paths, 5, components),
        "order": lambda: time_order(model, paths),
        "imagination1": lambda: imagination(model, paths, 1),
        "imagination5": lambda: imagination(model, paths, 5),
        "pixels": lambda: pixels(model, episodes, paths, skip),
        "rank": lambda: {"effective_rank": float(effective_rank(latents[:1024], center=True))},
    }
    found: dict[str, float] = {}
    for name, do in work.items():
        began = time.process_time()
        found |= do()
        found[f"seconds_{name}"] = round(time.process_time() - began, 2)
    began = time.process_time()
    told = diagnose(model, episodes, quantities=quantities)
    found["worst_r2"] = min(told.r2.values())
    found["num_lost"] = float(len(told.lost))
    found["within_share"] = told.within_share
    found["seconds_diagnose"] = round(time.process_time() - began, 2)
    return found
