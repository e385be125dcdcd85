"""Intervals of probe scores by resampling whole episodes."""

import torch
from torch import Tensor

from ...metrics import Interval

_TINY = 1e-300


def bootstrap_scores(
    predicted: Tensor,
    targets: Tensor,
    episode: Tensor,
    *,
    target_std: Tensor,
    seed: int,
    num_resamples: int = 2000,
    confidence: float = 0.95,
) -> dict[str, Interval | None]:
    """Return intervals of the mean over dimensions of R2, r and standardised MSE.

    Episodes are drawn with replacement, all samples of one together, since its frames are near copies. For R2
    the interval spans the percentiles and their reflection (the basic bootstrap, of log(1 - R2)): under
    resampling R2 is biased downward, at most 0 for a constant guess, and the reflection alone can miss 0 on
    the other side, so that only both together make no claim for an embedding without knowledge. An
    interval is None with fewer than 2 episodes, or where the score is not defined.
    """
    centre = targets.mean(dim=0)
    y, p = targets - centre, predicted - centre
    known, index = episode.unique(return_inverse=True)
    terms = torch.stack([torch.ones_like(y), y, p, y * y, p * p, y * p], dim=1)
    sums = terms.new_zeros((len(known), *terms.shape[1:])).index_add_(0, index, terms)
    drawn = _drawn(len(known), num_resamples, seed)
    counts = terms.new_zeros((num_resamples, len(known)))
    counts.scatter_add_(1, drawn, torch.ones_like(counts))
    whole = _scores(sums.sum(dim=0, keepdim=True), target_std)
    resampled = _scores(torch.einsum("be,ekd->bkd", counts, sums), target_std)
    edges = terms.new_tensor([(1 - confidence) / 2, (1 + confidence) / 2])
    intervals: dict[str, Interval | None] = {}
    for name, values in resampled.items():
        usable = values[values.isfinite()]
        point = whole[name][0]
        if len(known) < 2 or len(usable) < num_resamples / 2 or not bool(point.isfinite()):
            intervals[name] = None
            continue
        low, high = usable.quantile(edges).tolist()
        if name == "r2":
            left = (1 - usable).clamp(min=_TINY).log()
            reflected = 1 - (2 * (1 - point).clamp(min=_TINY).log() - left).exp()
            other_low, other_high = reflected.quantile(edges).tolist()
            low, high = min(low, other_low), max(high, other_high)
        intervals[name] = Interval(low=low, high=high)
    return intervals


def bootstrap_mean(
    values: Tensor, episode: Tensor, *, seed: int, num_resamples: int = 2000, confidence: float = 0.95
) -> Interval | None:
    """Return the percentile interval of a mean over samples, whole episodes drawn with replacement."""
    known, index = episode.unique(return_inverse=True)
    if len(known) < 2:
        return None
    count, total = (torch.zeros(len(known), dtype=torch.float64, device="cpu") for _ in range(2))
    count.index_add_(0, index, torch.ones_like(values, dtype=torch.float64))
    total.index_add_(0, index, values.double())
    drawn = _drawn(len(known), num_resamples, seed)
    means = total[drawn].sum(dim=1) / count[drawn].sum(dim=1)
    edges = means.new_tensor([(1 - confidence) / 2, (1 + confidence) / 2])
    low, high = means.quantile(edges).tolist()
    return Interval(low=low, high=high)


def _scores(sums: Tensor, target_std: Tensor) -> dict[str, Tensor]:
    """Turn sums "resample 6 dim" into scores, averaged over dimensions."""
    count, y, p, yy, pp, yp = sums.unbind(dim=1)
    error = (yy - 2 * yp + pp).clamp(min=0)
    spread, guess = yy - y * y / count, pp - p * p / count
    eps = 64 * torch.finfo(sums.dtype).eps
    nan = torch.full_like(error, torch.nan)
    varied, guessed = spread > eps * yy, guess > eps * pp
    r2 = (1 - error / spread).where(varied, nan)
    cross = yp - y * p / count
    pearson = (cross / (spread * guess).sqrt()).clamp(-1, 1).where(varied & guessed, nan)
    mse = error / count / target_std.square()
    return {"r2": r2.mean(dim=1), "pearson": pearson.mean(dim=1), "mse": mse.mean(dim=1)}


def _drawn(num_episodes: int, num_resamples: int, seed: int) -> Tensor:
    """Return the episodes of each resample, (resample, draw)."""
    size, source = (num_resamples, num_episodes), torch.Generator().manual_seed(seed)
    return torch.randint(num_episodes, size, generator=source, dtype=torch.int64, device="cpu")
