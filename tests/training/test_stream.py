"""Which windows a step sees depends on seed, step and rank, and on nothing else."""

import numpy as np
import pytest
import torch

from leworld.training._loading import StepLoader
from leworld.training._stream import WindowStream
from tests.training.tiny import tiny_windows
from tests.training.wrong import WRONG_STREAMS


def check_stream(kind) -> None:
    windows = tiny_windows()
    count = len(windows)
    stream = kind(windows, 16, seed=3)
    per_pass = count // 16
    steps = range(2 * per_pass)
    in_order = [stream.indices(step) for step in steps]
    fresh = kind(windows, 16, seed=3)
    backwards = [fresh.indices(step) for step in reversed(steps)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(in_order, backwards, strict=True))
    for turn in range(2):
        seen = np.concatenate(in_order[turn * per_pass : (turn + 1) * per_pass])
        assert len(seen) == len(set(seen.tolist())) == 16 * per_pass
        assert seen.min() >= 0
        assert seen.max() < count
    first, second = np.concatenate(in_order[:per_pass]), np.concatenate(in_order[per_pass:])
    assert not np.array_equal(first, second)
    assert abs(np.corrcoef(first, np.arange(len(first)))[0, 1]) < 0.9
    assert not np.array_equal(kind(windows, 16, seed=4).indices(0), in_order[0])
    ranks = [kind(windows, 8, seed=3, rank=rank, num_ranks=2).indices(5) for rank in (0, 1)]
    assert np.array_equal(np.concatenate(ranks), in_order[5])


def test_the_stream_is_a_function_of_seed_step_and_rank():
    check_stream(WindowStream)


@pytest.mark.parametrize("kind", WRONG_STREAMS)
def test_wrong_streams_are_rejected(kind):
    with pytest.raises(AssertionError):
        check_stream(kind)


def test_a_batch_larger_than_the_data_is_drawn_with_replacement():
    windows = tiny_windows()
    stream = WindowStream(windows, 2 * len(windows), seed=0)
    assert len(stream.indices(7)) == 2 * len(windows)
    assert np.array_equal(stream.indices(7), WindowStream(windows, 2 * len(windows), seed=0).indices(7))
    assert not np.array_equal(stream.indices(7), stream.indices(8))


def test_the_loader_goes_on_where_it_is_told_and_has_the_whole_length():
    stream = WindowStream(tiny_windows(), 4, seed=0)
    before = torch.get_rng_state()
    batches = list(StepLoader(stream, 10, first=7))
    assert torch.equal(torch.get_rng_state(), before)
    assert len(batches) == 3
    assert len(StepLoader(stream, 10, first=7)) == 10
    assert torch.equal(batches[0].pixels, stream[7].pixels)


def test_statistics_windows_do_not_depend_on_the_rank():
    one = WindowStream(tiny_windows(), 4, seed=0).statistics_indices(20)
    other = WindowStream(tiny_windows(), 4, seed=0, rank=1, num_ranks=2).statistics_indices(20)
    assert np.array_equal(one, other)
    assert len(set(one.tolist())) == 20
