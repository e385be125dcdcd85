"""Mistakes that the checks of this room must notice."""

import dataclasses
import math

import torch
from torch.nn import functional as F

from leworld.metrics import (
    GoalMonotonicity,
    Interval,
    auroc,
    conformal_p_values,
    effective_rank,
    goal_monotonicity,
    horizon_error,
    lidar,
    paired_t_test,
    participation_ratio,
    plan_rank,
    wilson_interval,
    within_episode_share,
)


def _shares(values: torch.Tensor) -> torch.Tensor:
    return values / values.sum(-1, keepdim=True)


def _entropy(shares: torch.Tensor) -> torch.Tensor:
    return -torch.special.xlogy(shares, shares).sum(-1)


RANKS = {
    "entropy without exp": lambda z: _entropy(_shares(torch.linalg.svdvals(z.double()))),
    "squared singular values": lambda z: _entropy(_shares(torch.linalg.svdvals(z.double()) ** 2)).exp(),
    "bits instead of nats": lambda z: (
        _entropy(_shares(torch.linalg.svdvals(z.double()))) / math.log(2)
    ).exp(),
    "plain matrix rank": lambda z: torch.linalg.matrix_rank(z.double()).double(),
    "leading axes flattened": lambda z: _entropy(
        _shares(torch.linalg.svdvals(z.double().reshape(-1, z.shape[-1])))
    ).exp(),
    "always centred": lambda z: _entropy(
        _shares(torch.linalg.svdvals(z.double() - z.double().mean(-2, keepdim=True)))
    ).exp(),
}


def _cosines(z: torch.Tensor, time: int = -2) -> torch.Tensor:
    v = z.double().diff(dim=time)
    count = v.shape[time] - 1
    return F.cosine_similarity(v.narrow(time, 0, count), v.narrow(time, 1, count), dim=-1)


STRAIGHTNESS = {
    "positions instead of velocities": lambda z: F.cosine_similarity(
        z.double()[..., :-1, :], z.double()[..., 1:, :], dim=-1
    ).mean(),
    "unnormalised": lambda z: (z.diff(dim=-2)[..., :-1, :] * z.diff(dim=-2)[..., 1:, :]).sum(-1).mean(),
    "absolute cosine": lambda z: _cosines(z).abs().mean(),
    "skips every second pair": lambda z: _cosines(z)[..., ::2].mean(),
    "angle": lambda z: _cosines(z).clamp(-1, 1).acos().mean(),
    "sum over time": lambda z: _cosines(z).sum(-1).mean(),
}


def _ours_on(change):
    def measure(before, after, *, goal, distance, edges) -> GoalMonotonicity:
        return goal_monotonicity(**change(before, after, goal, distance), edges=edges)

    return measure


def _upper_edge_in(before, after, *, goal, distance, edges):
    return goal_monotonicity(before, after, goal=goal, distance=distance.ceil() - 1e-3, edges=edges)


MONOTONICITY = {
    "norm instead of distance": _ours_on(
        lambda b, a, g, d: {"before": b, "after": a, "goal": torch.zeros_like(g), "distance": d}
    ),
    "sign flipped": _ours_on(lambda b, a, g, d: {"before": a, "after": b, "goal": g, "distance": d}),
    "first component only": _ours_on(
        lambda b, a, g, d: {"before": b[:, :1], "after": a[:, :1], "goal": g[:, :1], "distance": d}
    ),
    "ties count as progress": lambda before, after, *, goal, distance, edges: (
        goal_monotonicity(before, goal + (after - goal) * 0.999999, goal=goal, distance=distance, edges=edges)
        if not torch.equal(before, after)
        else GoalMonotonicity(edges=tuple(edges), share=(1.0,), count=(len(before),))
    ),
    "upper edge belongs to the bin": _upper_edge_in,
}


def _wald(successes: int, trials: int, *, confidence: float) -> Interval:
    share = successes / trials
    z = 1.959963984540054
    margin = z * math.sqrt(share * (1 - share) / trials)
    return Interval(low=share - margin, high=share + margin)


WILSON = {
    "Wald": _wald,
    "one-sided quantile": lambda s, n, *, confidence: wilson_interval(s, n, confidence=2 * confidence - 1),
    "confidence ignored": lambda s, n, *, confidence: wilson_interval(s, n),
    "failures for successes": lambda s, n, *, confidence: wilson_interval(n - s, n, confidence=confidence),
}


def _spectrum_ratio(values: torch.Tensor) -> torch.Tensor:
    return values.sum(-1) ** 2 / (values**2).sum(-1)


def _centred(z: torch.Tensor) -> torch.Tensor:
    return z.double() - z.double().mean(-2, keepdim=True)


PARTICIPATION = {
    "not centred": lambda z: _spectrum_ratio(torch.linalg.svdvals(z.double()) ** 2),
    "singular values for variances": lambda z: _spectrum_ratio(torch.linalg.svdvals(_centred(z))),
    "leading axes flattened": lambda z: participation_ratio(z.reshape(-1, z.shape[-1])).expand(z.shape[:-2]),
    "entropy": lambda z: effective_rank(z, center=True),
}
LIDARS = {
    "means only": lambda z: effective_rank(z.mean(1), center=True),
    "views as objects": lambda z: lidar(z.flatten(0, 1)[:, None].repeat(1, 2, 1)),
    "views and objects swapped": lambda z: lidar(z.transpose(0, 1)),
    "singular values for eigenvalues": lambda z: lidar(z) ** 0.9,
    "huge ridge": lambda z: lidar(z, ridge=1e6),
}
AUROCS = {
    "sides swapped": lambda a, b: auroc(b, a),
    "ties count fully": lambda a, b: (a[:, None] >= b).double().mean(),
    "ties do not count": lambda a, b: (a[:, None] > b).double().mean(),
    "means compared": lambda a, b: (a.mean() > b.mean()).double(),
}
CONFORMALS = {
    "strictly above": lambda s, c: ((c > s[:, None]).sum(1) + 1).double() / (len(c) + 1),
    "without the new score": lambda s, c: (c >= s[:, None]).double().mean(1),
    "lower tail": lambda s, c: conformal_p_values(-s, -c),
}
PAIRED = {
    "unpaired": lambda a, b: paired_t_test(a, b[torch.arange(len(b)).roll(1)]),
    "one-sided": lambda a, b: dataclasses.replace(r := paired_t_test(a, b), p_value=r.p_value / 2),
    "sides swapped": lambda a, b: paired_t_test(b, a),
    "biased spread": lambda a, b: dataclasses.replace(
        r := paired_t_test(a, b), effect_size=r.effect_size * (len(a) / (len(a) - 1)) ** 0.5
    ),
    "normal for Student": lambda a, b: dataclasses.replace(
        r := paired_t_test(a, b), p_value=math.erfc(abs(r.t) / 2**0.5)
    ),
}
HORIZONS = {
    "mean over components": lambda p, t: (p - t).square().mean(-1).mean(0),
    "not squared": lambda p, t: (p - t).norm(dim=-1).mean(0),
    "cumulated": lambda p, t: horizon_error(p, t).cumsum(0),
    "norm of the prediction": lambda p, t: horizon_error(p, 0 * t),
}


def _of_deviations(z, episode):
    within, total = (
        sum(part.var(dim=0, correction=0).sqrt().sum() for part in parts)
        for parts in ([z[episode == number] for number in episode.unique()], [z])
    )
    return within / total


def _mean_over_episodes(z, episode):
    parts = [z[episode == number] for number in episode.unique()]
    return (
        sum(part.var(dim=0, correction=0).sum() for part in parts)
        / len(parts)
        / z.var(dim=0, correction=0).sum()
    )


WITHIN = {
    "the share between episodes": lambda z, e: 1 - within_episode_share(z, e),
    "not centred": lambda z, e: (
        within_episode_share(z, e) * (z - z.mean(0)).square().sum() / z.square().sum()
    ),
    "deviations for variances": _of_deviations,
    "episodes count alike": _mean_over_episodes,
    "episodes that follow each other only": lambda z, e: within_episode_share(
        z, torch.cat([e.new_zeros(1), (e[1:] != e[:-1]).cumsum(0)])
    ),
    "first component only": lambda z, e: within_episode_share(z[:, :1], e),
    "a constant embedding is healthy": lambda z, e: within_episode_share(z, e).nan_to_num(1.0),
}
PLAN_RANKS = {
    "high is good": lambda e, o: dataclasses.replace(r := plan_rank(e, o), rank=1 - r.rank),
    "ties do not count": lambda e, o: dataclasses.replace(
        plan_rank(e, o), rank=float((o < e[:, None]).double().mean())
    ),
    "pooled over problems": lambda e, o: dataclasses.replace(
        plan_rank(e, o), rank=float((o.flatten() < e.mean()).double().mean())
    ),
    "spread not over the mean": lambda e, o: dataclasses.replace(
        plan_rank(e, o), contrast=float(o.double().std(dim=1, correction=0).mean())
    ),
    "contrast over problems": lambda e, o: dataclasses.replace(
        plan_rank(e, o), contrast=float(o.mean(1).std(correction=0) / o.mean())
    ),
    "unbiased spread": lambda e, o: dataclasses.replace(
        r := plan_rank(e, o), contrast=r.contrast * (o.shape[1] / (o.shape[1] - 1)) ** 0.5
    ),
}
