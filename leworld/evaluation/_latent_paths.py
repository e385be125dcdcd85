"""Episodes as a model sees them: latents of their frames, and what it expects of the next ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from .._checks import check_finite
from ..data import Episodes
from ..errors import DataError
from ..models import (
    WorldModel,
    concatenate_states,
    embed_rows,
    model_input,
    processor_of,
    state_rows,
    to_weights,
)
from ..nn import evaluation_mode
from ._columns import check_episodes

OnProgress = Callable[[int], object]
_AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class LatentPath:
    """One episode: latents (time, *latent) of its kept frames and the blocks (time - 1, action) between.

    `states` holds the model's state after each frame, for a model that carries one; else it is empty.
    """

    latents: Tensor
    blocks: Tensor
    states: tuple[Any, ...] = ()

    def __len__(self) -> int:
        return len(self.latents)


def frames_bar(episodes: Episodes, skip: int, label: str, *, progress: bool, passes: int) -> tqdm:
    """A progress bar over the frames that a model looks at, `passes` times; off where nobody can see it."""
    lengths = episodes.lengths if isinstance(episodes, Episodes) else np.zeros(0, np.int64)
    total = passes * int((-(-lengths // skip)).sum())
    return tqdm(total=total, desc=label, unit="frame", leave=False, disable=None if progress else True)


def latent_paths(
    model: WorldModel,
    episodes: Episodes,
    *,
    owner: str,
    first: int = 0,
    on_progress: OnProgress | None = None,
) -> list[LatentPath]:
    """Return the path of each episode over its rows first, first + frameskip, ...; empty ones are kept."""
    check_episodes(owner, episodes)
    processor = processor_of(model, owner=owner)
    if episodes.action_dim != processor.action_dim:
        raise DataError(
            f"{owner} needs episodes with {processor.action_dim} action components, as the model has them",
            f"they have {episodes.action_dim}",
            "Use episodes of the environment that the model was trained on",
        )
    rows = [
        np.arange(int(begin) + first, int(begin + length), processor.frameskip)
        for begin, length in zip(episodes.offsets, episodes.lengths, strict=True)
    ]
    blocks = [_blocks(model, episodes, part) for part in rows]
    if model.carries_state:
        return _observed(model, episodes, rows, blocks, owner=owner, on_progress=on_progress)
    latents = embed_rows(model, episodes, rows=np.concatenate(rows), owner=owner, on_progress=on_progress)
    each = latents.split([len(part) for part in rows])
    return [LatentPath(path, part) for path, part in zip(each, blocks, strict=True)]


def row_latents(
    model: WorldModel,
    episodes: Episodes,
    rows: np.ndarray,
    *,
    owner: str,
    on_progress: OnProgress | None = None,
) -> Tensor:
    """Return the latents (row, *latent) of some rows of episodes.

    A model that carries a state comes to each row from the episode's start, by frames a frameskip apart.
    """
    check_episodes(owner, episodes)
    processor = processor_of(model, owner=owner)
    if not model.carries_state:
        return embed_rows(model, episodes, rows=rows, owner=owner, on_progress=on_progress)
    episode = np.searchsorted(episodes.offsets, rows, side="right") - 1
    turn, rest = np.divmod(rows - episodes.offsets[episode], processor.frameskip)
    latents = torch.zeros(len(rows), *model.latent_shape, dtype=torch.float32, device="cpu")
    for phase in np.unique(rest):
        paths = latent_paths(model, episodes, owner=owner, first=int(phase), on_progress=on_progress)
        for index in np.flatnonzero(rest == phase):
            latents[index] = paths[episode[index]].latents[turn[index]]
    return latents


def next_errors(model: WorldModel, paths: list[LatentPath], *, owner: str) -> list[Tensor]:
    """Return the distance of predicted and true next latent, "time-1" for each episode."""
    errors = [torch.full((len(path.blocks),), torch.nan, dtype=torch.float32, device="cpu") for path in paths]
    windows: dict[int, list[tuple[int, int]]] = {}
    for episode, path in enumerate(paths):
        for now in range(len(path.blocks)):
            size = 1 if model.carries_state else min(now + 1, model.history_size)
            windows.setdefault(size, []).append((episode, now))
    for size, places in windows.items():
        for first in range(0, len(places), _AT_ONCE):
            chunk = places[first : first + _AT_ONCE]
            blocks = torch.stack([paths[e].blocks[now + 1 - size : now + 1] for e, now in chunk])
            truth = torch.stack([paths[e].latents[now + 1] for e, now in chunk])
            if model.carries_state:
                predicted = _imagine(model, [paths[e].states[now] for e, now in chunk], blocks)[:, 0]
            else:
                seen = torch.stack([paths[e].latents[now + 1 - size : now + 1] for e, now in chunk])
                predicted = predict_last(model, seen, blocks)
            for (episode, now), value in zip(chunk, distance(model, predicted, truth), strict=True):
                errors[episode][now] = value
    for values in errors:
        check_finite(owner, "model.predict(...)", values, fix="Check the model's weights")
    return errors


@torch.no_grad()
def imagined_paths(
    model: WorldModel,
    paths: list[LatentPath],
    places: Sequence[tuple[int, int]],
    actions: Tensor,
    *,
    owner: str,
) -> Tensor:
    """Imagine (place, horizon, *latent) from moments (episode, first frame of a window of history_size).

    The window's frames are seen, `actions` (place, horizon, action) leave the last one.
    """
    reach = model.history_size
    if model.carries_state:
        states = [paths[e].states[s + reach - 1] for e, s in places]
        imagined = _imagine(model, states, actions)
    else:
        context = torch.stack([paths[e].latents[s : s + reach] for e, s in places])
        past = torch.stack([paths[e].blocks[s : s + reach - 1] for e, s in places])
        inputs = [to_weights(model, tensor) for tensor in (context, past, actions[:, None])]
        with evaluation_mode(model):
            imagined = model.rollout(*inputs)[:, 0].float().cpu().clone()
    check_finite(owner, "model.rollout(...)", imagined, fix="Check the model's weights")
    return imagined


@torch.no_grad()
def predict_last(model: WorldModel, latents: Tensor, blocks: Tensor) -> Tensor:
    """Predict the latent after the last of the given frames, on the model's device; float32 on the CPU."""
    with evaluation_mode(model):
        return model.predict(to_weights(model, latents), to_weights(model, blocks))[:, -1].float().cpu()


@torch.no_grad()
def predict_from(model: WorldModel, state: Any, block: Tensor) -> Tensor:
    """Predict the latent (batch, *latent) that a block (batch, action) leads to from a state."""
    if model.carries_state:
        return _imagine(model, [state], block[:, None])[:, 0]
    actions = torch.cat((state.actions, to_weights(model, block)[:, None]), dim=1)
    return predict_last(model, state.latents, actions)


@torch.no_grad()
def distance(model: WorldModel, one: Tensor, other: Tensor) -> Tensor:
    """Return the model's distance of latents (..., *latent) from others, float64 on the CPU.

    The usual squared distance is summed in float64; one of the model's own is computed where its weights are.
    """
    if type(model).latent_distance is WorldModel.latent_distance:
        return model.latent_distance(one.double(), other.double())
    with evaluation_mode(model):
        both = (to_weights(model, latents).clone() for latents in (one, other))
        return model.latent_distance(*both).cpu().double().clone()


@torch.no_grad()
def _imagine(model: WorldModel, states: Sequence[Any], actions: Tensor) -> Tensor:
    """Imagine (place, horizon, *latent) from states of single environments; float32 on the CPU."""
    with evaluation_mode(model):
        futures = model.imagine(concatenate_states(states), to_weights(model, actions)[:, None])
    return futures[:, 0].float().cpu().clone()


@torch.no_grad()
def _observed(
    model: WorldModel,
    episodes: Episodes,
    rows: list[np.ndarray],
    blocks: list[Tensor],
    *,
    owner: str,
    on_progress: OnProgress | None,
) -> list[LatentPath]:
    """Let a model that carries a state go through the episodes, a moment of all of them at a time."""
    parts = processor_of(model, owner=owner).observation_parts
    latents: list[list[Tensor]] = [[] for _ in rows]
    states: list[list[Any]] = [[] for _ in rows]
    longest_first = sorted(range(len(rows)), key=lambda index: -len(rows[index]))
    for begin in range(0, len(rows), _AT_ONCE):
        going, state, moment = longest_first[begin : begin + _AT_ONCE], None, 0
        while going := [index for index in going if len(rows[index]) > moment]:
            seen = episodes.observation(parts, np.array([rows[index][moment] for index in going]))
            past = None
            if moment:
                state = state_rows(state, slice(0, len(going)))
                past = to_weights(model, torch.stack([blocks[index][moment - 1] for index in going]))
            with evaluation_mode(model):
                state = model.observe(state, model_input(model, seen), past)
                present = model.present(state).float().cpu()
            for place, index in enumerate(going):
                latents[index].append(present[place])
                states[index].append(state_rows(state, slice(place, place + 1)))
            moment += 1
            if on_progress is not None:
                on_progress(len(going))
    empty = torch.zeros(0, *model.latent_shape, dtype=torch.float32, device="cpu")
    paths = [
        LatentPath(torch.stack(path) if path else empty, part, tuple(kept))
        for path, part, kept in zip(latents, blocks, states, strict=True)
    ]
    for path in paths:
        check_finite(owner, "model.encode(...)", path.latents, fix="Check the model's weights")
    return paths


def _blocks(model: WorldModel, episodes: Episodes, rows: np.ndarray) -> Tensor:
    """Return the action blocks between kept rows, one fewer than rows."""
    processor = processor_of(model, owner="latent_paths")
    if len(rows) < 2:
        return torch.zeros(0, processor.block_dim, dtype=torch.float32, device="cpu")
    raw = torch.from_numpy(episodes.actions[int(rows[0]) : int(rows[-1])].copy())
    return processor.action_blocks(raw)
