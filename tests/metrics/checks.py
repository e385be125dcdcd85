"""What every implementation of this room's metrics must satisfy, told by independent oracles."""

import math

import numpy as np
import torch
from scipy.stats import binomtest


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
