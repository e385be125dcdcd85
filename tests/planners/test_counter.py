import math

import numpy as np
import pytest
import torch
from scipy import stats

from leworld._counter import (
    fixed_sum,
    normal_rows,
    philox,
    philox_normal,
    philox_uniform,
    row_seeds,
    uniform_rows,
    weighted_sum,
    words,
)

# The known-answer vectors of Random123 (kat_vectors, philox4x32 with 10 rounds): counter, key, result.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def _words(text: str) -> tuple[torch.Tensor, ...]:
    return tuple(torch.tensor([int(word, 16)]) for word in text.split())


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN_ANSWERS)
def test_known_answers(counter, key, result):
    assert philox(_words(counter), _words(key))[0].tolist() == [int(word) for word in _words(result)]


def test_against_plain_integers():
    """The same cipher in Python's unbounded integers, on random words."""

    def plain(counter, key):
        c, k = list(counter), list(key)
        for _ in range(10):
            p, q = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
            c = [(q >> 32) ^ c[1] ^ k[0], q & 0xFFFFFFFF, (p >> 32) ^ c[3] ^ k[1], p & 0xFFFFFFFF]
            k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
        return c

    drawn = np.random.default_rng(0).integers(0, 2**32, (50, 6))
    columns = [torch.tensor(column) for column in drawn.T]
    mine = philox(tuple(columns[:4]), tuple(columns[4:]))
    for row, got in zip(drawn.tolist(), mine.tolist(), strict=True):
        assert got == plain(row[:4], row[4:])


def by_philox(seeds, shape, **options):
    return philox_normal(seeds, math.prod(shape), **options).unflatten(-1, shape)


@pytest.mark.parametrize("draw", [normal_rows, uniform_rows, by_philox])
def test_a_row_depends_on_its_seed_iteration_and_stream_alone(draw):
    seeds = torch.tensor([5, 2**62 + 7, 5])
    drawn = draw(seeds, (13, 3), iteration=2)
    assert torch.equal(drawn[0], drawn[2])
    assert torch.equal(drawn[1:2], draw(seeds[1:2], (13, 3), iteration=2))
    assert torch.equal(drawn[:1].expand(4, -1, -1), draw(seeds[[0, 0, 2, 2]], (13, 3), iteration=2))
    for other in (
        draw(seeds, (13, 3), iteration=3),
        draw(seeds, (13, 3), iteration=2, stream=1),
        draw(seeds, (13, 3), iteration=1, stream=2),
        draw(seeds + 1, (13, 3), iteration=2),
        draw(seeds + 2**40, (13, 3), iteration=2),
    ):
        assert not (drawn == other).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("alike", [True, False])
def test_several_iterations_at_once_are_those_of_single_calls(dtype, alike):
    seeds = torch.tensor([5, 5 if alike else 2**62 + 7])
    for draw in (normal_rows, by_philox):
        together = draw(seeds, (13, 3), iteration=range(4, 9), stream=2, dtype=dtype)
        assert together.shape == (2, 5, 13, 3)
        for place, iteration in enumerate(range(4, 9)):
            assert torch.equal(
                together[:, place], draw(seeds, (13, 3), iteration=iteration, stream=2, dtype=dtype)
            )


def test_philox_begins_a_longer_draw_with_a_shorter_one():
    seeds = torch.tensor([5, 2**62 + 7])
    assert torch.equal(by_philox(seeds, (13, 3), iteration=2)[:, :5], by_philox(seeds, (5, 3), iteration=2))


def test_bits_do_not_depend_on_threads_or_position():
    seeds = torch.arange(7) * 12345
    whole = normal_rows(seeds, (1001, 11), iteration=0)
    single = torch.cat([normal_rows(seeds[row : row + 1], (1001, 11), iteration=0) for row in range(7)])
    assert torch.equal(whole, single)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if before > 1 else 2)
        assert torch.equal(whole, normal_rows(seeds, (1001, 11), iteration=0))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("kind", ["of the device", "philox"])
def test_distributions(kind):
    """Kolmogorov-Smirnov over 8 x 50000 draws; each passes by chance with probability 1 - 1e-6."""
    seeds = torch.tensor([0, 1, 2, 2**63 - 2])
    if kind == "philox":
        normal = philox_normal(seeds, 50_000, iteration=1, dtype=torch.float64)
        uniform = philox_uniform(seeds, 50_000, iteration=1)
    else:
        normal = normal_rows(seeds, (50_000,), iteration=1, dtype=torch.float64)
        uniform = uniform_rows(seeds, (50_000,), iteration=1)
    for row in normal:
        assert stats.kstest(row.numpy(), "norm").pvalue > 1.2e-7
    for row in uniform:
        assert row.min() >= 0
        assert row.max() < 1
        assert stats.kstest(row.double().numpy(), "uniform").pvalue > 1.2e-7
    rows = np.abs(np.corrcoef(normal.numpy()) - np.eye(4)).max()
    steps = max(abs(np.corrcoef(row[:-1], row[1:])[0, 1]) for row in normal.numpy())
    assert max(rows, steps) < 5.5 / np.sqrt(50_000)  # 5.5 standard errors, 10 correlations: below 1e-6
    assert words(seeds, 3, iteration=0).shape == (4, 3)


def test_draws_of_one_row_over_iterations_are_independent():
    """One number from each of 5000 iterations and streams: normal, and without correlation in time."""
    drawn = torch.cat(
        [
            normal_rows(torch.tensor([9]), (1,), iteration=iteration, stream=iteration % 2)[0]
            for iteration in range(5_000)
        ]
    ).double()
    assert stats.kstest(drawn.numpy(), "norm").pvalue > 1e-6
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 5.5 / np.sqrt(5_000)


def test_seeds_are_drawn_in_sequence():
    def source():
        return torch.Generator().manual_seed(9)

    whole = row_seeds(source(), 20)
    parts = source()
    assert torch.equal(whole, torch.cat([row_seeds(parts, count) for count in (1, 16, 0, 3)]))
    assert len(set(whole.tolist())) == 20
    assert whole.min() >= 0
    assert torch.equal(row_seeds([source(), source()], 2), whole[[0, 0]])
    assert row_seeds(None, 3).tolist() == [0, 0, 0]


@pytest.mark.parametrize("shape", [(3, 29, 5), (3, 301, 50)])
def test_fixed_sum(shape):
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(fixed_sum(values, 1), values.sum(1))
    assert torch.equal(fixed_sum(values[:, :0], 1), torch.zeros(3, shape[2], dtype=torch.float64))
    many = torch.randn(50, *shape[1:], generator=torch.Generator().manual_seed(1))
    for row in (0, 7, 49):
        assert torch.equal(fixed_sum(many, 1)[row], fixed_sum(many[row : row + 1], 1)[0])
    unchanged = many.clone()
    fixed_sum(many, 1)
    assert torch.equal(many, unchanged)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("inner", [(1,), (2,), (5,), (8,), (10,), (33,), (50,), (7, 3)])
@pytest.mark.parametrize("count", [1, 3, 29, 30, 300])
def test_sums_by_row_do_not_depend_on_the_batch_or_on_threads(threads, inner, count):
    """Rows alone, beside others and under any number of threads; weighted sums as well."""
    values = torch.randn(65, count, *inner, generator=torch.Generator().manual_seed(0))
    weights = torch.rand(65, count, generator=torch.Generator().manual_seed(1))
    before = torch.get_num_threads()
    alone = torch.cat([fixed_sum(values[row : row + 1], 1) for row in range(65)])
    weighted = torch.cat([weighted_sum(weights[row : row + 1], values[row : row + 1]) for row in range(65)])
    try:
        torch.set_num_threads(threads)
        assert torch.equal(fixed_sum(values, 1), alone)
        assert torch.equal(fixed_sum(values[3:10], 1), alone[3:10])
        assert torch.equal(fixed_sum(values.flatten(2), 1).view_as(alone), alone)
        assert torch.equal(weighted_sum(weights, values), weighted)
        assert torch.equal(weighted_sum(weights[3:10], values[3:10]), weighted[3:10])
    finally:
        torch.set_num_threads(before)
    wide = (weights.double().reshape(65, count, *(1,) * len(inner)) * values.double()).sum(1)
    torch.testing.assert_close(weighted.double(), wide, atol=1e-4, rtol=1e-4)
    exact = weighted_sum(weights.double(), values.double())
    torch.testing.assert_close(exact, wide)
