"""What is required of each part, as functions of an implementation: used on ours and on the wrong ones."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from leworld.data import Episodes, Processor, fit_processor
from tests.data.fakes import (
    counting_vector,
    random_episodes,
    sensing_episodes,
    steady_policy,
    tagged_episodes,
)


def check_windows(make: Callable[..., Any]) -> None:
    """`make(episodes, history_size, frameskip=)` against the definition, window by window."""
    cases = itertools.product(([7], [1, 4, 9, 3, 4], [30, 2, 26]), (1, 3), (1, 2, 5))
    for lengths, history_size, frameskip in cases:
        episodes = tagged_episodes(lengths)
        span = history_size * frameskip
        expected = [(e, s) for e, length in enumerate(lengths) for s in range(length - span)]
        if not expected:
            continue
        windows = make(episodes, history_size, frameskip=frameskip)
        assert len(windows) == len(expected)
        raw = windows.__getitems__(list(range(len(expected))))
        for index, (episode, start) in enumerate(expected):
            first = int(episodes.offsets[episode])
            for time in range(history_size + 1):
                step = start + time * frameskip
                assert raw.pixels[index, time, 0, 0].tolist() == [episode, step // 256, step % 256]
                assert int(raw.rows[index, time]) == first + step
                for offset in range(frameskip):
                    action = raw.actions[index, time * frameskip + offset]
                    if step + offset < lengths[episode] - 1:
                        assert action.tolist() == episodes.actions[first + step + offset].tolist()
                    else:
                        assert bool(action.isnan().all())


def check_split(split: Callable[..., tuple[Episodes, Episodes]]) -> None:
    """`split(episodes, held_out, seed=)` keeps episodes whole, together and apart, and follows the seed."""
    lengths = [5, 6, 7, 8] * 10
    episodes = tagged_episodes(lengths)
    picks = []
    for seed in range(4):
        sides = [_names(side, lengths) for side in split(episodes, 0.25, seed=seed)]
        assert sorted(sides[0] + sides[1]) == list(range(40))
        assert len(sides[1]) == 10
        assert sides == [_names(side, lengths) for side in split(episodes, 0.25, seed=seed)]
        picks.append(tuple(sides[1]))
    assert len(set(picks)) == 4


def _names(side: Episodes, lengths: list[int]) -> list[int]:
    """Numbers of the original episodes that `side` holds, each complete and in order."""
    names = []
    for index in range(len(side)):
        film = side.pixels[side.rows(index)]
        episode = int(film[0, 0, 0, 0])
        assert len(film) == lengths[episode]
        assert (film[:, 0, 0, 0] == episode).all()
        assert film[:, 0, 0, 2].tolist() == list(range(lengths[episode]))
        names.append(episode)
    return names


def check_action_blocks(blocks_of: Callable[[Processor, torch.Tensor], torch.Tensor]) -> None:
    """Against a loop over the definition, NaN rows included."""
    generator = torch.Generator().manual_seed(0)
    for frameskip, action_dim, batch in ((1, 1, ()), (2, 3, (4,)), (5, 2, (2, 3))):
        mean = tuple(float(i + 1) for i in range(action_dim))
        std = tuple(0.5 + float(i) for i in range(action_dim))
        processor = Processor(8, frameskip=frameskip, action_dim=action_dim, action_mean=mean, action_std=std)
        actions = torch.randn(*batch, 3 * frameskip, action_dim, generator=generator, dtype=torch.float64)
        actions[..., -1, :] = torch.nan
        blocks = blocks_of(processor, actions)
        assert blocks.shape == (*batch, 3, frameskip * action_dim)
        for index in np.ndindex(*batch):
            for time, k, j in itertools.product(range(3), range(frameskip), range(action_dim)):
                raw = float(actions[(*index, time * frameskip + k, j)])
                value = 0.0 if np.isnan(raw) else (raw - mean[j]) / std[j]
                assert abs(float(blocks[(*index, time, k * action_dim + j)]) - value) < 1e-12


def check_observations(images_of: Callable[[Processor, torch.Tensor], torch.Tensor]) -> None:
    """Against numpy without resizing; and with it, against averages that antialiasing must give."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (2, 3, 6, 6, 3), dtype=np.uint8)
    processor = Processor(6, frameskip=1, action_dim=1)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = np.moveaxis((pixels / 255 - mean) / std, -1, -3)
    got = images_of(processor, torch.from_numpy(pixels))
    assert got.dtype == torch.float32
    assert got.shape == expected.shape
    assert np.abs(got.numpy() - expected).max() < 2e-6
    # Stripes one pixel wide, shrunk by 4: only a filter that averages gives grey inside.
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, :, ::2] = 255
    small = images_of(Processor(16, frameskip=1, action_dim=1), torch.from_numpy(stripes))
    grey = (0.5 - mean) / std
    assert np.abs(small.numpy()[0, :, 4:-4, 4:-4] - grey[:, None, None]).max() < 0.05


def check_statistics(prepare: Callable[[Episodes], tuple[Episodes, Processor]]) -> None:
    """`prepare(episodes)` splits and fits; the statistics must be those of the finite training actions."""
    train, processor = prepare(random_episodes([4, 9, 6, 5, 12, 3, 7, 8]))
    finite = train.actions[~np.isnan(train.actions).any(axis=1)].astype(np.float64)
    assert processor.action_mean is not None
    assert processor.action_std is not None
    np.testing.assert_allclose(processor.action_mean, finite.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(processor.action_std, finite.std(axis=0), rtol=1e-12)


def check_collect(collect: Callable[..., Episodes]) -> None:
    """Every episode of `CountingEnv` whole and consistent, in the fixed order, in both modes."""
    seen = []
    for mode, copies, count in (("NextStep", 3, 11), ("SameStep", 3, 11), ("NextStep", 4, 2)):
        data = collect(
            counting_vector(copies, mode), steady_policy, num_episodes=count, seed=5, progress=False
        )
        assert len(data) == count
        for index in range(count):
            rows = data.rows(index)
            film, actions = data.pixels[rows, 0, 0], data.actions[rows]
            state, goal = data.columns["state"][rows], data.columns["goal"][rows]
            length = int(goal[0, 0])
            assert film[:, 0].tolist() == list(range(length + 1))
            assert (film[:, 1:] == (index // copies, index % copies)).all()
            assert (goal == length).all()
            assert np.isnan(actions[-1]).all()
            np.testing.assert_array_equal(
                actions[:-1], np.sin(12.9898 * state + goal)[:-1].astype(np.float32)
            )
            np.testing.assert_allclose(state[1:], state[:-1] + actions[:-1], rtol=0, atol=1e-12)
        seen.append(data)
    np.testing.assert_array_equal(seen[0].pixels, seen[1].pixels)
    np.testing.assert_array_equal(seen[0].actions, seen[1].actions)


SENSED = ("wrist", "proprio", "clock", "reward", "terminated", "truncated")


def check_columns(make: Callable[..., Any], to_batch: Callable[..., Any]) -> None:
    """Parts of every frame, rewards and ends of every block, against the definition row by row."""
    for lengths, history_size, frameskip in (([7, 9, 8], 1, 3), ([6, 5, 9], 2, 2), ([9, 4], 3, 1)):
        episodes = sensing_episodes(lengths)
        windows = make(episodes, history_size, frameskip=frameskip, columns=SENSED)
        raw = windows.__getitems__(list(range(len(windows))))
        parts = {"wrist": 8, "proprio": None, "clock": None}
        processor = fit_processor(episodes, frameskip=frameskip, image_size=8, parts=parts)
        batch = to_batch(raw, processor)
        assert tuple(raw.observation.parts) == ("pixels", "wrist", "proprio", "clock")
        assert tuple(batch.observations.parts) == ("pixels", "wrist", "proprio", "clock")
        assert set(batch.columns) == {"reward", "terminated", "truncated"}
        assert raw.observation["clock"].shape == (*raw.rows.shape, 1)
        vectors = processor.raw_observations(batch.observations)["proprio"]
        for window, time in np.ndindex(*raw.rows.shape):
            row = int(raw.rows[window, time])
            episode = int(np.searchsorted(np.cumsum(lengths), row, side="right"))
            assert raw.observation["wrist"][window, time, 0, 0].tolist() == [episode, row // 256, row % 256]
            assert raw.observation["proprio"][window, time].tolist() == [row, -row, 7]
            assert int(raw.observation["clock"][window, time]) == row
            assert (vectors[window, time] - torch.tensor([row, -row, 7.0])).abs().max() < 1e-4
            last = int(np.cumsum(lengths)[episode]) - 1
            passed = range(row + 1, min(row + frameskip, last) + 1)
            for name in ("terminated", "truncated"):
                due = any(bool(episodes.columns[name][other]) for other in passed)
                assert bool(batch.columns[name][window, time]) == due
            rewards = episodes.columns["reward"][row : min(row + frameskip, last)]
            assert abs(float(batch.columns["reward"][window, time]) - float(rewards.sum())) < 1e-6
