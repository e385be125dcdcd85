"""Mistakes that the checks of this room must notice."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from leworld.data import (
    Batch,
    Episodes,
    Observation,
    Processor,
    RawBatch,
    Windows,
    collect,
    fit_processor,
    to_batch,
)


class _Shim:
    """Windows with something changed after the fact."""

    def __init__(self, windows: Windows, change: Callable[[Windows, RawBatch], RawBatch]) -> None:
        self.windows, self.change = windows, change

    def __len__(self) -> int:
        return len(self.windows)

    def __getitems__(self, indices: list[int]) -> RawBatch:
        return self.change(self.windows, self.windows.__getitems__(indices))


def windows_across_episodes(episodes: Episodes, history_size: int, *, frameskip: int) -> Windows:
    joined = dataclasses.replace(
        episodes, actions=np.nan_to_num(episodes.actions), lengths=np.array([len(episodes.pixels)])
    )
    return Windows(joined, history_size, frameskip=frameskip)


def windows_without_the_last_start(episodes: Episodes, history_size: int, *, frameskip: int) -> Any:
    windows = Windows(episodes, history_size, frameskip=frameskip)
    windows._ends = windows._ends - 1
    return windows


def _shimmed(change: Callable[[Windows, RawBatch], RawBatch]) -> Callable[..., Any]:
    return lambda episodes, history_size, *, frameskip: _Shim(
        Windows(episodes, history_size, frameskip=frameskip), change
    )


def _action_rows(windows: Windows, raw: RawBatch) -> np.ndarray:
    return raw.rows[:, :1].numpy() + np.arange(raw.actions.shape[1])


def _arriving_actions(windows: Windows, raw: RawBatch) -> RawBatch:
    rows = np.maximum(_action_rows(windows, raw) - 1, 0)
    return dataclasses.replace(raw, actions=torch.from_numpy(windows.episodes.actions[rows]))


def _next_episodes_actions(windows: Windows, raw: RawBatch) -> RawBatch:
    rows = _action_rows(windows, raw) % len(windows.episodes.actions)
    return dataclasses.replace(raw, actions=torch.from_numpy(windows.episodes.actions[rows]))


def _repeated_frames(windows: Windows, raw: RawBatch) -> RawBatch:
    return dataclasses.replace(raw, observation=raw.pixels[:, :1].expand_as(raw.pixels))


def _zeros_for_nan(windows: Windows, raw: RawBatch) -> RawBatch:
    return dataclasses.replace(raw, actions=raw.actions.nan_to_num())


WINDOWS = {
    "window across episodes": windows_across_episodes,
    "last start missing": windows_without_the_last_start,
    "the action that arrives at a frame": _shimmed(_arriving_actions),
    "actions of the next episode": _shimmed(_next_episodes_actions),
    "one frame repeated": _shimmed(_repeated_frames),
    "NaN lost before normalisation": _shimmed(_zeros_for_nan),
}


def split_by_row(episodes: Episodes, held_out: float, *, seed: int) -> tuple[Episodes, Episodes]:
    """As a split by window does: cut within an episode."""
    cut = int(len(episodes.pixels) * (1 - held_out))
    parts = []
    for rows in (slice(0, cut), slice(cut, None)):
        lengths = np.diff(np.flatnonzero(np.diff(episodes.pixels[rows, 0, 0, 0], prepend=-1, append=-1)))
        parts.append(Episodes(episodes.pixels[rows], episodes.actions[rows], lengths=lengths))
    return parts[0], parts[1]


def split_with_overlap(episodes: Episodes, held_out: float, *, seed: int) -> tuple[Episodes, Episodes]:
    return episodes, episodes.split(held_out, seed=seed)[1]


def split_without_seed(episodes: Episodes, held_out: float, *, seed: int) -> tuple[Episodes, Episodes]:
    return episodes.split(held_out, seed=0)


SPLITS = {"by row": split_by_row, "overlap": split_with_overlap, "seed ignored": split_without_seed}


def _normalised(processor: Processor, actions: torch.Tensor) -> torch.Tensor:
    return (actions - actions.new_tensor(processor.action_mean)) / actions.new_tensor(processor.action_std)


def _blocks(processor: Processor, normalised: torch.Tensor) -> torch.Tensor:
    return normalised.unflatten(-2, (-1, processor.frameskip)).flatten(-2)


def _action_major(processor: Processor, actions: torch.Tensor) -> torch.Tensor:
    normalised = _normalised(processor, actions).nan_to_num()
    return normalised.unflatten(-2, (-1, processor.frameskip)).transpose(-1, -2).flatten(-2)


def _by_variance(processor: Processor, actions: torch.Tensor) -> torch.Tensor:
    squared = tuple(std * std for std in processor.action_std or ())
    return dataclasses.replace(processor, action_std=squared).action_blocks(actions)


BLOCKS = {
    "action-major": _action_major,
    "NaN to 0 before normalisation": lambda p, a: _blocks(p, _normalised(p, a.nan_to_num())),
    "NaN kept": lambda p, a: _blocks(p, _normalised(p, a)),
    "mean not subtracted": lambda p, a: _blocks(p, (a / a.new_tensor(p.action_std)).nan_to_num()),
    "divided by the variance": _by_variance,
    "last block dropped": lambda p, a: p.action_blocks(a)[..., :-1, :],
}


def _aliased(processor: Processor, pixels: torch.Tensor) -> torch.Tensor:
    images = (pixels / 255).movedim(-1, -3)
    flat = F.interpolate(images.reshape(-1, *images.shape[-3:]), size=(processor.image_size,) * 2)
    images = flat.reshape(*images.shape[:-2], *flat.shape[-2:])
    mean, std = torch.tensor(processor.image_mean), torch.tensor(processor.image_std)
    return (images - mean[:, None, None]) / std[:, None, None]


OBSERVATIONS = {
    "nearest neighbour": _aliased,
    "blue first": lambda p, x: p.observations(x.flip(-1)),
    "transposed": lambda p, x: p.observations(x).transpose(-1, -2),
    "channel last": lambda p, x: p.observations(x).movedim(-3, -1),
    "not divided by 255": lambda p, x: p.observations(x) * 255,
    "float64": lambda p, x: p.observations(x).double(),
}


def _fit_on_all(episodes: Episodes) -> tuple[Episodes, Processor]:
    return episodes.split(0.25, seed=0)[0], fit_processor(episodes, frameskip=2)


def _fit_with_zeros(episodes: Episodes) -> tuple[Episodes, Processor]:
    train = episodes.split(0.25, seed=0)[0]
    filled = dataclasses.replace(train, actions=np.nan_to_num(train.actions))
    return train, fit_processor(filled, frameskip=2)


def _fit_per_window(episodes: Episodes) -> tuple[Episodes, Processor]:
    train = episodes.split(0.25, seed=0)[0]
    windows = Windows(train, 2, frameskip=1)
    actions = windows.__getitems__(list(range(len(windows)))).actions.numpy().reshape(-1, 2)
    lengths = np.ones(len(actions), np.int64)
    frames = np.zeros((len(actions), 6, 6, 3), np.uint8)
    return train, fit_processor(Episodes(frames, actions, lengths=lengths), frameskip=2)


def _with(raw: RawBatch, name: str, column: np.ndarray) -> RawBatch:
    return dataclasses.replace(raw, columns={**raw.columns, name: torch.from_numpy(column)})


def _gathered(name: str, shift: int) -> Callable[..., Any]:
    """Windows that gather a column `shift` rows from where they should, over the ends of episodes."""

    def change(windows: Windows, raw: RawBatch) -> RawBatch:
        rows = np.clip(_action_rows(windows, raw) + shift, 0, windows.episodes.num_rows - 1)
        return _with(raw, name, windows.episodes.columns[name][rows])

    return lambda episodes, history_size, *, frameskip, columns: _Shim(
        Windows(episodes, history_size, frameskip=frameskip, columns=columns), change
    )


def _next_proprio(windows: Windows, raw: RawBatch) -> RawBatch:
    rows = np.minimum(raw.rows.numpy() + 1, windows.episodes.num_rows - 1)
    parts = {**raw.observation.parts, "proprio": torch.from_numpy(windows.episodes.columns["proprio"][rows])}
    return dataclasses.replace(raw, observation=Observation(parts=parts))


def _summed(change: Callable[[torch.Tensor], torch.Tensor], name: str) -> Callable[..., Batch]:
    def batch(raw: RawBatch, processor: Processor) -> Batch:
        blocks = raw.columns[name].unflatten(1, (raw.rows.shape[1], -1))
        right = to_batch(raw, processor)
        return dataclasses.replace(right, columns={**right.columns, name: change(blocks)})

    return batch


COLUMNS = {
    "the reward that arrives at a frame": (_gathered("reward", -1), to_batch),
    "rewards of the next episode": (_gathered("reward", 0), to_batch),
    "the end of the frame itself": (_gathered("terminated", 0), to_batch),
    "the end two rows on": (_gathered("truncated", 2), to_batch),
    "the vector of the next frame": (
        lambda e, h, *, frameskip, columns: _Shim(
            Windows(e, h, frameskip=frameskip, columns=columns), _next_proprio
        ),
        to_batch,
    ),
    "mean of the rewards": (Windows, _summed(lambda blocks: blocks.nan_to_num().mean(-1), "reward")),
    "NaN rewards kept": (Windows, _summed(lambda blocks: blocks.sum(-1), "reward")),
    "the first reward of a block": (Windows, _summed(lambda blocks: blocks[..., 0].nan_to_num(), "reward")),
    "the last end of a block": (Windows, _summed(lambda blocks: blocks[..., -1], "terminated")),
}


STATISTICS = {
    "over all data": _fit_on_all,
    "NaN counted as 0": _fit_with_zeros,
    "over overlapping windows": _fit_per_window,
}


def _changed(change: Callable[[Episodes], Episodes]) -> Callable[..., Episodes]:
    return lambda env, policy, **options: change(collect(env, policy, **options))


def _shift_actions(data: Episodes) -> Episodes:
    shifted = np.concatenate([np.zeros((1, 1), np.float32), np.nan_to_num(data.actions[:-1])])
    shifted[np.cumsum(data.lengths) - 1] = np.nan
    return dataclasses.replace(data, actions=shifted)


def _drop_last_frame(data: Episodes) -> Episodes:
    keep = np.setdiff1d(np.arange(len(data.pixels)), np.cumsum(data.lengths) - 1)
    return Episodes(
        data.pixels[keep],
        data.actions[keep],
        lengths=data.lengths - 1,
        columns={name: column[keep] for name, column in data.columns.items()},
    )


def _shortest_first(env: Any, policy: Any, *, num_episodes: int, **options: Any) -> Episodes:
    data = collect(env, policy, num_episodes=3 * num_episodes, **options)
    return data.select(np.argsort(data.lengths, kind="stable")[:num_episodes])


class _ResetFrameAsLast:
    """A same-step environment read as if the observation were the last frame."""

    def __init__(self, env: Any) -> None:
        self.env = env
        self.num_envs, self.metadata, self.spec = env.num_envs, env.metadata, None

    def reset(self, **options: Any) -> Any:
        return self.env.reset(**options)

    def step(self, actions: np.ndarray) -> Any:
        pixels, reward, terminated, truncated, info = self.env.step(actions)
        if "final_obs" in info:
            info = {**info, "final_obs": pixels, "final_info": info}
        return pixels, reward, terminated, truncated, info


COLLECTS = {
    "actions one late": _changed(_shift_actions),
    "last frame lost": _changed(_drop_last_frame),
    "one episode too many": lambda env, policy, **o: collect(
        env, policy, **{**o, "num_episodes": o["num_episodes"] + 1}
    ),
    "whichever finish first": _shortest_first,
    "another order": _changed(lambda data: data.select(slice(None, None, -1))),
    "reset frame taken for the last": lambda env, policy, **o: collect(_ResetFrameAsLast(env), policy, **o),
}
