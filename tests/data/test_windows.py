import pickle
import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import ConcatDataset, DataLoader, RandomSampler, Subset

from leworld.data import RawBatch, Windows, fit_processor, to_batch
from tests.data.checks import check_windows
from tests.data.fakes import QUICK, random_episodes, tagged_episodes


@QUICK
@given(st.lists(st.integers(1, 25), min_size=1, max_size=6), st.integers(1, 4), st.integers(1, 5))
def test_every_valid_start_exactly_once(lengths: list[int], history_size: int, frameskip: int) -> None:
    span = history_size * frameskip
    lengths = [*lengths, span + 1]
    windows = Windows(tagged_episodes(lengths), history_size, frameskip=frameskip)
    raw = windows.__getitems__(list(range(len(windows))))
    film = raw.pixels[:, :, 0, 0].long()
    steps = film[:, :, 1] * 256 + film[:, :, 2]
    assert bool((film[:, :, 0] == film[:, :1, 0]).all())
    assert bool((steps.diff(dim=1) == frameskip).all())
    starts = list(zip(film[:, 0, 0].tolist(), steps[:, 0].tolist(), strict=True))
    assert starts == [(e, s) for e, length in enumerate(lengths) for s in range(length - span)]


def test_a_loader_visits_every_window_once_an_epoch() -> None:
    windows = Windows(tagged_episodes([12, 3, 20]), 2, frameskip=3)
    loader = DataLoader(
        windows,
        batch_size=4,
        sampler=RandomSampler(windows, generator=torch.Generator().manual_seed(0)),
        collate_fn=Windows.collate,
    )
    batches = list(loader)
    assert all(isinstance(raw, RawBatch) for raw in batches)
    assert [len(raw) for raw in batches[:-1]] == [4] * (len(batches) - 1)
    starts = torch.cat([raw.rows[:, 0] for raw in batches]).tolist()
    assert sorted(starts) == [windows[i].rows[0, 0].item() for i in range(len(windows))]
    assert starts != sorted(starts)


def test_subsets_and_joined_datasets_collate() -> None:
    windows = Windows(tagged_episodes([9]), 2, frameskip=2)
    for dataset in (Subset(windows, [3, 1, 2]), ConcatDataset([windows, windows])):
        raw = next(iter(DataLoader(dataset, batch_size=3, collate_fn=Windows.collate)))
        assert raw.pixels.shape == (3, 3, 2, 2, 3)
        assert raw.actions.shape == (3, 6, 2)


def test_indexing_follows_python() -> None:
    windows = Windows(tagged_episodes([9]), 2, frameskip=2)
    assert len(list(windows)) == len(windows) == 5
    assert torch.equal(windows[-1].rows, windows[4].rows)


def test_windows_survive_pickling() -> None:
    windows = Windows(tagged_episodes([12, 30]), 3, frameskip=2)
    check_windows(lambda *args, **options: pickle.loads(pickle.dumps(Windows(*args, **options))))
    again = pickle.loads(pickle.dumps(windows))
    assert torch.equal(again[7].pixels, windows[7].pixels)


def test_batches_are_copies() -> None:
    episodes = tagged_episodes([9])
    raw = Windows(episodes, 2, frameskip=2).__getitems__([0, 1])
    raw.pixels.zero_()
    raw.actions.zero_()
    assert episodes.pixels.max() > 0
    assert np.nanmax(episodes.actions) > 0


def test_to_batch_normalises_frames_and_actions() -> None:
    train = random_episodes([9, 11])
    processor = fit_processor(train, frameskip=2)
    raw = Windows(train, 3, frameskip=2).__getitems__([0, 2, 7])
    batch = to_batch(raw, processor)
    assert torch.equal(batch.observations, processor.observations(raw.pixels))
    assert torch.equal(batch.actions, processor.action_blocks(raw.actions))
    assert bool(batch.actions.isfinite().all())
    assert batch.actions.shape == (3, 4, 4)


def test_the_last_block_is_zero_where_the_episode_has_no_action() -> None:
    train = random_episodes([7])
    batch = to_batch(Windows(train, 3, frameskip=2)[0], fit_processor(train, frameskip=2))
    assert bool((batch.actions[0, -1] == 0).all())
    assert bool((batch.actions[0, :-1] != 0).all())


def instructions(function: Callable[[], object]) -> int:
    """Count the Python instructions that a call executes."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def test_a_batch_is_gathered_without_a_loop_over_its_windows() -> None:
    windows = Windows(random_episodes([101] * 20, size=8), 3, frameskip=5)
    one, many = [1], np.random.default_rng(0).integers(0, len(windows), 64).tolist()

    def looped(indices: list[int]) -> RawBatch:
        return Windows.collate([windows[index] for index in indices])

    def growth(gather: Callable[[list[int]], RawBatch]) -> int:
        return instructions(lambda: gather(many)) - instructions(lambda: gather(one))

    assert growth(windows.__getitems__) == 0
    assert growth(looped) > 1000


def test_nothing_is_copied_but_the_batch() -> None:
    """A copy of the episodes, over a hundred times as large as the batch's frames, would be seen."""
    windows = Windows(random_episodes([101] * 20, size=16), 3, frameskip=5)
    tracemalloc.start()
    batch = windows.__getitems__([5, 90, 700])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert windows.episodes.pixels.nbytes > 100 * batch.pixels.nbytes
    assert peak < windows.episodes.pixels.nbytes / 10
