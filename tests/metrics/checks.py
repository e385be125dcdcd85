"""What every implementation of this room's metrics must satisfy, told by independent oracles."""

import math

import numpy as np
import torch
from scipy.stats import binomtest, ttest_rel
from sklearn.metrics import roc_auc_score


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _rotation(dim: int, seed: int = 1) -> torch.Tensor:
    return torch.linalg.qr(_random(dim, dim, seed=seed))[0]


def check_effective_rank(rank) -> None:
    # Orthogonal rows of equal length: all singular values equal.
    for dim in (2, 5):
        assert math.isclose(float(rank(3.0 * torch.eye(dim))), dim, rel_tol=1e-9)
    # Singular values 3 and 1, by hand: p = (3/4, 1/4).
    by_hand = math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert math.isclose(
        float(rank(torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))), by_hand, rel_tol=1e-9
    )
    # numpy's singular values as an independent oracle, and every leading index on its own.
    batch = _random(3, 40, 6) * torch.tensor([1.0, 2.0, 0.5, 0.1, 3.0, 1.0])
    values = rank(batch)
    assert values.shape == (3,)
    for index in range(3):
        sigma = np.linalg.svd(batch[index].numpy(), compute_uv=False)
        share = sigma / sigma.sum()
        oracle = math.exp(-(share * np.log(share)).sum())
        assert math.isclose(float(values[index]), oracle, rel_tol=1e-9)
    # Rotation and scale change nothing; a common offset counts.
    one = batch[0]
    assert math.isclose(float(rank(one @ _rotation(6) * 7.0)), float(values[0]), rel_tol=1e-9)
    assert float(rank(one + 1000.0)) < 1.1
    # One line through the origin is one direction, however long the samples are.
    assert math.isclose(float(rank(_random(20, 1) @ torch.ones(1, 4).double())), 1.0, abs_tol=1e-6)


def check_straightness(straightness) -> None:
    line = torch.arange(6.0)[:, None] * torch.tensor([1.0, -2.0, 0.5]) + 4.0
    assert math.isclose(float(straightness(line)), 1.0, abs_tol=1e-6)
    back_and_forth = torch.tensor([[0.0], [1.0]]).repeat(4, 1)
    assert math.isclose(float(straightness(back_and_forth)), -1.0, abs_tol=1e-6)
    # A circle in n steps turns by the same angle at every step.
    angle = 2 * math.pi / 12
    turns = torch.arange(30.0, dtype=torch.float64) * angle
    circle = torch.stack([turns.cos(), turns.sin()], dim=-1)
    assert math.isclose(float(straightness(circle)), math.cos(angle), abs_tol=1e-9)
    # Uneven speed on a line is still straight; paths are averaged, time is the second-to-last axis.
    uneven = torch.tensor([0.0, 1.0, 5.0, 5.5])[:, None].double()
    assert math.isclose(float(straightness(uneven)), 1.0, abs_tol=1e-9)
    both = torch.stack([uneven, torch.tensor([0.0, 1.0, 0.0, 1.0])[:, None].double()])
    assert math.isclose(float(straightness(both)), 0.0, abs_tol=1e-9)
    # By hand: right angle, then straight on: mean of 0 and 1.
    corner = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0], [1.0, 3.0]]).double()
    assert math.isclose(float(straightness(corner)), 0.5, abs_tol=1e-9)
    # A random walk: cosines of independent directions average to 0, standard error 1 / sqrt(dim * pairs).
    walk = _random(200, 52, 8).cumsum(dim=1)
    assert abs(float(straightness(walk))) < 5 / math.sqrt(8 * 200 * 50)
    # Rotation, shift and scale change nothing.
    path = _random(3, 9, 5)
    moved = path @ _rotation(5) * 0.01 + 3.0
    assert math.isclose(float(straightness(path)), float(straightness(moved)), abs_tol=1e-9)


def check_goal_monotonicity(measure) -> None:
    # On a line with the goal at 0: two steps in bin [0, 10), three in [10, 20), one outside all bins.
    before = torch.tensor([[4.0], [9.0], [10.0], [12.0], [-15.0], [25.0]])
    after = torch.tensor([[3.0], [9.5], [9.0], [13.0], [-14.0], [24.0]])
    goal = torch.zeros(6, 1)
    result = measure(before, after, goal=goal, distance=before[:, 0].abs(), edges=(0, 10, 20))
    assert result.count == (2, 3)
    assert np.allclose(result.share, (1 / 2, 2 / 3))
    assert math.isclose(result.overall, 3 / 5)
    # It is the distance to the goal that counts, not the length of the embedding or of the step.
    shifted = measure(
        before + 100, after + 100, goal=goal + 100, distance=before[:, 0].abs(), edges=(0, 10, 20)
    )
    assert shifted.share == result.share
    # Equal distances are no progress: a collapsed embedding scores 0.
    same = torch.ones(4, 3)
    assert measure(same, same, goal=same, distance=torch.ones(4), edges=(0, 2)).share == (0.0,)
    # Pythagoras: a step that gains in one component and loses more in another moves away.
    sideways = measure(
        torch.tensor([[3.0, 0.0]]),
        torch.tensor([[2.9, 2.0]]),
        goal=torch.zeros(1, 2),
        distance=torch.ones(1),
        edges=(0, 2),
    )
    assert sideways.share == (0.0,)


def check_wilson(interval) -> None:
    for successes, trials in ((0, 1), (1, 1), (0, 20), (20, 20), (7, 20), (95, 100), (499, 1000)):
        for confidence in (0.8, 0.95, 0.99):
            ours = interval(successes, trials, confidence=confidence)
            oracle = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
            assert math.isclose(ours.low, oracle.low, abs_tol=1e-9)
            assert math.isclose(ours.high, oracle.high, abs_tol=1e-9)


def check_participation_ratio(ratio) -> None:
    # Variances 4 and 1 by hand: (4 + 1)^2 / (16 + 1); an offset does not count.
    cross = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]) + 50.0
    assert math.isclose(float(ratio(cross)), 25 / 17, rel_tol=1e-6)
    batch = _random(3, 40, 6) * torch.tensor([1.0, 2.0, 0.5, 0.1, 3.0, 1.0])
    values = ratio(batch)
    for index in range(3):
        spectrum = np.linalg.eigvalsh(np.cov(batch[index].numpy().T))
        assert math.isclose(float(values[index]), spectrum.sum() ** 2 / (spectrum**2).sum(), rel_tol=1e-9)
    assert math.isclose(float(ratio(batch[0] @ _rotation(6) * 7.0 - 3.0)), float(values[0]), rel_tol=1e-9)
    assert math.isclose(float(ratio(batch[0][:4])), float(ratio(batch[0][:4] @ _rotation(6))), rel_tol=1e-9)
    assert float(ratio(torch.full((5, 3), 0.1))) == 0.0


def check_lidar(lidar) -> None:
    # Objects at distance 3 and 1 along the axes, noise 1 in both: eigenvalues proportional to 9 and 1.
    means = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]]).double()
    noise = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]).double()
    views = means[:, None] + noise
    by_hand = math.exp(-(0.9 * math.log(0.9) + 0.1 * math.log(0.1)))
    assert math.isclose(float(lidar(views)), by_hand, rel_tol=1e-9)
    # Ten times the noise along the first axis: 9 / 100 and 1, so the second direction dominates.
    loud = means[:, None] + noise * torch.tensor([10.0, 1.0]).double()
    share = np.array([9 / 50.0001, 1 / 0.5001])
    share /= share.sum()
    assert math.isclose(float(lidar(loud)), math.exp(-(share * np.log(share)).sum()), rel_tol=1e-9)
    # Rotation and shift change nothing; objects that differ along one line use one direction.
    many = _random(30, 4, 5)
    assert math.isclose(float(lidar(many)), float(lidar(many @ _rotation(5) + 9.0)), rel_tol=1e-9)
    line = torch.arange(6.0)[:, None, None] * torch.ones(1, 1, 3) + 0.1 * noise[:3, :1]
    assert math.isclose(float(lidar(line.double())), 1.0, abs_tol=1e-6)


def check_auroc(auroc) -> None:
    for seed in range(4):
        usual, unusual = _random(60, seed=seed), _random(25, seed=seed + 9) + 0.7
        usual, unusual = (values.mul(4).round() for values in (usual, unusual))  # with ties
        truth = np.r_[np.zeros(60), np.ones(25)]
        oracle = roc_auc_score(truth, torch.cat([usual, unusual]).numpy())
        assert math.isclose(float(auroc(unusual, usual)), oracle, rel_tol=1e-12)
    assert float(auroc(torch.tensor([2.0]), torch.tensor([1.0]))) == 1.0


def check_conformal(p_values) -> None:
    calibration = torch.tensor([3.0, 1.0, 2.0, 2.0])
    scores = torch.tensor([0.0, 1.0, 2.0, 2.5, 3.0, 9.0])
    assert np.allclose(p_values(scores, calibration), [1.0, 1.0, 0.8, 0.4, 0.4, 0.2])
    # Exchangeable scores: P(p <= a) <= a, here exactly uniform on {1/20, ..., 1} over fresh calibrations.
    source = torch.Generator().manual_seed(0)
    drawn = torch.rand(4000, 20, generator=source)
    found = torch.stack([p_values(row[:1], row[1:])[0] for row in drawn])
    for level in (0.05, 0.5, 0.95):
        assert (
            abs(float((found <= level + 1e-9).double().mean()) - level)
            < 5 * (level * (1 - level) / 4000) ** 0.5
        )


def check_paired_test(test) -> None:
    for count in (2, 3, 10, 200):
        for shift in (0.0, 0.3, -2.0):
            first, second = _random(count, seed=count) + shift, _random(count, seed=count + 1)
            ours, theirs = test(first, second), ttest_rel(first.numpy(), second.numpy())
            assert math.isclose(ours.t, theirs.statistic, rel_tol=1e-9)
            assert math.isclose(ours.p_value, theirs.pvalue, rel_tol=1e-8)
            gap = (first - second).numpy()
            assert math.isclose(ours.effect_size, gap.mean() / gap.std(ddof=1), rel_tol=1e-9)
            assert math.isclose(ours.mean_difference, gap.mean(), rel_tol=1e-9)
            assert ours.num_pairs == count


def check_horizon_error(error) -> None:
    truth = torch.zeros(2, 3, 2)
    imagined = torch.tensor([[[3.0, 4.0], [0.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]])
    assert error(imagined, truth).tolist() == [12.5, 1.0, 2.0]
    assert error(imagined + 5.0, truth + 5.0).tolist() == [12.5, 1.0, 2.0]


def check_within_share(share) -> None:
    # By hand: within 4 times 1, between 4 times 25.
    by_hand = torch.tensor([[0.0, 7.0], [2.0, 7.0], [10.0, 7.0], [12.0, 7.0]]).double()
    episode = torch.tensor([5, 5, 2, 2])
    assert math.isclose(float(share(by_hand, episode)), 4 / 104, rel_tol=1e-12)
    # numpy's variances as the oracle, with episodes of unequal length, in any order.
    found, index = _random(60, 5) * torch.tensor([1.0, 2.0, 0.5, 0.1, 3.0]), _random(60, seed=3)
    episode = torch.bucketize(index, torch.tensor([-1.0, 0.2, 0.9]).double())
    found = found + 2.0 * _random(4, 5, seed=4)[episode]
    groups = [found[episode == number].numpy() for number in range(4)]
    within = sum(len(group) * group.var(axis=0).sum() for group in groups)
    oracle = within / (60 * found.numpy().var(axis=0).sum())
    assert math.isclose(float(share(found, episode)), oracle, rel_tol=1e-9)
    order = _random(60, seed=5).argsort()
    assert math.isclose(float(share(found[order], episode[order])), oracle, rel_tol=1e-9)
    # Rotation, shift and scale change nothing.
    moved = found @ _rotation(5) * 0.01 + 3.0
    assert math.isclose(float(share(moved, episode)), oracle, rel_tol=1e-9)
    # Nothing happens: 0. Equal means: 1. One episode: 1.
    assert float(share(_random(4, 5)[episode], episode)) < 1e-24
    balanced = torch.cat([found, -found])
    alike = torch.arange(60).repeat(2)
    assert math.isclose(float(share(balanced, alike)), 1.0, rel_tol=1e-12)
    assert math.isclose(float(share(found, torch.zeros(60, dtype=torch.int64))), 1.0, rel_tol=1e-12)
    # Independent samples, 3 in each of 500 episodes: (1500 - 500) / (1500 - 1), spread below 0.004.
    many = _random(1500, 40, seed=7)
    assert abs(float(share(many, torch.arange(500).repeat_interleave(3))) - 1000 / 1499) < 0.02
    assert math.isnan(float(share(torch.full((4, 2), 0.1), torch.tensor([0, 0, 1, 1]))))


def check_plan_rank(rank) -> None:
    # By hand, a tie counting half; problems are averaged, not pooled.
    found = rank(torch.tensor([2.0, 0.0]), torch.tensor([[1.0, 2.0, 3.0, 6.0], [5.0, 5.0, 5.0, 5.0]]))
    assert (found.rank, found.num_problems) == (1.5 / 4 / 2, 2)
    assert math.isclose(found.contrast, math.sqrt(3.5) / 3 / 2, rel_tol=1e-9)
    # One minus sklearn's area under the curve, and numpy's coefficient of variation, problem by problem.
    expert, others = _random(9).mul(4).round() + 20, _random(9, 30, seed=2).mul(4).round() + 20
    found = rank(expert, others)
    truth = np.r_[np.zeros(1), np.ones(30)]
    areas = [roc_auc_score(truth, np.r_[e, o]) for e, o in zip(expert.numpy(), others.numpy(), strict=True)]
    assert math.isclose(found.rank, 1 - np.mean(areas), rel_tol=1e-9)
    spread = others.numpy().std(axis=1) / others.numpy().mean(axis=1)
    assert math.isclose(found.contrast, spread.mean(), rel_tol=1e-9)
    # A cost in other units ranks and contrasts alike; one that is the same for all plans has no contrast.
    assert math.isclose(rank(7 * expert, 7 * others).contrast, found.contrast, rel_tol=1e-9)
    flat = rank(torch.zeros(2), torch.zeros(2, 5))
    assert (flat.rank, flat.contrast) == (0.5, 0.0)
