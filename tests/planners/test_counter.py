import numpy as np
import pytest
import torch
from scipy import stats

from leworld._counter import normal_rows, philox, row_seeds, tree_sum, uniform_rows, words

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


def test_a_row_depends_on_its_seed_iteration_and_stream_alone():
    seeds = torch.tensor([5, 2**62 + 7, 5])
    drawn = normal_rows(seeds, (13, 3), iteration=2)
    assert torch.equal(drawn[0], drawn[2])
    assert torch.equal(drawn[1:2], normal_rows(seeds[1:2], (13, 3), iteration=2))
    assert torch.equal(drawn[:, :5], normal_rows(seeds, (5, 3), iteration=2)), (
        "a longer draw starts elsewhere"
    )
    for other in (
        normal_rows(seeds, (13, 3), iteration=3),
        normal_rows(seeds, (13, 3), iteration=2, stream=1),
        normal_rows(seeds + 2**40, (13, 3), iteration=2),
    ):
        assert not (drawn == other).any()


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


def test_distributions():
    """Kolmogorov-Smirnov over 4 x 50000 draws; each passes by chance with probability 1 - 1e-6."""
    seeds = torch.tensor([0, 1, 2, 2**63 - 2])
    for row in normal_rows(seeds, (50_000,), iteration=1, dtype=torch.float64):
        assert stats.kstest(row.numpy(), "norm").pvalue > 2.5e-7
    for row in uniform_rows(seeds, (50_000,), iteration=1):
        assert row.min() >= 0
        assert row.max() < 1
        assert stats.kstest(row.double().numpy(), "uniform").pvalue > 2.5e-7
    normal = normal_rows(seeds, (50_000,), iteration=1).double().numpy()
    rows = np.abs(np.corrcoef(normal) - np.eye(4)).max()
    steps = max(abs(np.corrcoef(row[:-1], row[1:])[0, 1]) for row in normal)
    assert max(rows, steps) < 5.5 / np.sqrt(50_000)  # 5.5 standard errors, 10 correlations: below 1e-6
    assert words(seeds, 3, iteration=0).shape == (4, 3)


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


def test_tree_sum():
    values = torch.randn(3, 29, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(tree_sum(values, 1), values.sum(1))
    assert torch.equal(tree_sum(values[:, :0], 1), torch.zeros(3, 5, dtype=torch.float64))
    many = torch.randn(50, 30, 300, generator=torch.Generator().manual_seed(1))
    assert torch.equal(tree_sum(many, 1)[7:8], tree_sum(many[7:8], 1))
