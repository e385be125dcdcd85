"""What the metrics say where they have nothing to say."""

import math

import pytest
import torch

from leworld.metrics import GoalMonotonicity, effective_rank, goal_monotonicity, temporal_straightness


@pytest.mark.parametrize("value", [3.3, -1e-6, 1e6])
def test_rank_of_constant_embeddings(value):
    constant = torch.full((50, 8), value)
    assert math.isclose(float(effective_rank(constant)), 1.0, abs_tol=1e-6)
    assert float(effective_rank(constant, center=True)) == 0.0
    assert float(effective_rank(torch.zeros(50, 8))) == 0.0


def test_rank_centred_ignores_the_offset(generator):
    spread = torch.randn(100, 5, generator=generator, dtype=torch.float64)
    plain = float(effective_rank(spread - spread.mean(0)))
    assert math.isclose(float(effective_rank(spread + 50.0, center=True)), plain, rel_tol=1e-6)


def test_rank_falls_as_directions_die(generator):
    spread = torch.randn(500, 16, generator=generator)
    shares = [1.0, 0.3, 0.1, 0.01]
    ranks = [float(effective_rank(spread * torch.tensor([1.0] * 2 + [share] * 14))) for share in shares]
    assert ranks == sorted(ranks, reverse=True)
    assert ranks[0] > 15
    assert ranks[-1] < 3


def test_rank_in_half_precision(generator):
    spread = torch.randn(64, 8, generator=generator)
    rank = effective_rank(spread.bfloat16())
    assert rank.dtype == torch.float64
    assert math.isclose(float(rank), float(effective_rank(spread)), rel_tol=0.01)


def test_metrics_carry_no_gradient(generator):
    embeddings = torch.randn(6, 4, generator=generator, requires_grad=True)
    assert not effective_rank(embeddings).requires_grad
    assert not temporal_straightness(embeddings).requires_grad


def test_straightness_without_motion_is_undefined():
    assert math.isnan(float(temporal_straightness(torch.full((2, 5, 3), 0.7))))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_straightness_leaves_out_steps_that_do_not_move(dtype):
    pause = torch.tensor(
        [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [2.0, 2.0], [2.0, 3.0], [2.0, 4.0]], dtype=dtype
    )
    assert math.isclose(float(temporal_straightness(pause)), 1.0, abs_tol=1e-6)
    jitter = pause.clone()
    jitter[3] += 4 * torch.finfo(dtype).eps  # what rounding alone can do
    assert math.isclose(float(temporal_straightness(jitter)), 1.0, abs_tol=1e-6)


def test_empty_bins_are_undefined_and_shown_as_such():
    result = goal_monotonicity(
        torch.ones(1, 1), torch.zeros(1, 1), goal=torch.zeros(1, 1), distance=torch.ones(1), edges=(0, 2, 4)
    )
    assert result.count == (1, 0)
    assert result.share[0] == 1.0
    assert math.isnan(result.share[1])
    assert result.overall == 1.0
    lines = str(result).splitlines()
    assert lines[2].split() == ["2", "to", "4", "0", "-"]
    assert math.isnan(GoalMonotonicity(edges=(0.0, 1.0), share=(math.nan,), count=(0,)).overall)
