"""Recorded frames as a graph: how many blocks of actions lie between what was seen."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..data import Episodes
from ..errors import DataError
from ..models import WorldModel, embed_rows, processor_of, to_weights
from ..nn import evaluation_mode

_AT_ONCE, _OF_ITS_OWN = 256, 4
_NEGLIGIBLE = 1e-5


@dataclass(frozen=True, eq=False)
class RecordedGraph:
    """Frames a frameskip apart, and from each one links to frames that it leads to.

    Args:
        model: Whose distance counts.
        frames: Latents (frame, *latent), float32 on the CPU.
        unit: Median distance of two consecutive frames of an episode: that of one block.
        onward: Numbers of the frames that each leads to, (frame, link); its own in place of a missing one.
        blocks: How many blocks of actions that takes, (frame, link); 0 with its own.
    """

    model: WorldModel
    frames: Tensor
    unit: float
    onward: Tensor
    blocks: Tensor

    def blocks_between(self, latents: Tensor) -> Tensor:
        """Return how far latents (row, *latent) are from all frames, in blocks, by distance: (row, frame)."""
        return _apart(self.model, latents, self.frames) / self.unit

    def near(self, latents: Tensor) -> Tensor:
        """Return the same with infinity for all but frames that look alike, or else the nearest one."""
        blocks = self.blocks_between(latents)
        close = (blocks < 1) | (blocks <= blocks.min(dim=1, keepdim=True).values)
        return torch.where(close, blocks, torch.inf)

    def ways(self, leaving: Tensor) -> tuple[Tensor, Tensor]:
        """Return the blocks of the shortest way from each frame to goals, and the frame that comes next.

        Bellman and Ford's relaxation, all frames and goals at once.

        Args:
            leaving: Blocks from each frame straight to each goal, (goal, frame); infinite if it is too far.

        Returns:
            Both (goal, frame). The next frame is the frame itself where the way leaves for the goal.
        """
        own = torch.arange(len(self.frames), dtype=torch.int64, device="cpu")
        left, following = leaving.clone(), own.expand_as(leaving).clone()
        for _ in range(len(own)):
            through, link = (left[:, self.onward] + self.blocks).min(dim=-1)
            better = through < left - _NEGLIGIBLE
            if not bool(better.any()):
                break
            left = torch.where(better, through, left)
            following = torch.where(better, self.onward[own, link], following)
        return left, following


def recorded_graph(
    model: WorldModel, episodes: Episodes, *, neighbours: int, max_frames: int, owner: str
) -> RecordedGraph:
    """Embed recorded frames; link each with the next of its episode and with those that look alike."""
    processor = processor_of(model, owner=owner)
    rows, last = _kept_rows(episodes, processor.frameskip, max_frames)
    count = len(rows)
    if count <= neighbours or last.all():
        raise DataError(
            f"{owner} needs more recorded frames than `neighbours`, and an episode of two",
            f"{count} frames are {processor.frameskip} rows apart, {int((~last).sum())} of them with a next "
            f"one, and `neighbours={neighbours}`",
            "Pass more or longer episodes",
        )
    frames = embed_rows(model, episodes, rows=rows, owner=owner)
    moving = torch.from_numpy(np.flatnonzero(~last))
    unit = float(_between(model, frames[moving], frames[moving + 1]).median())
    if unit <= 0:
        raise DataError(
            f"{owner} needs recorded episodes in which the latent moves",
            "half of the frames have the same latent as the next one",
            "Record episodes that go somewhere, and `diagnose` the model",
        )
    apart, onward = [], []
    for part in torch.arange(count, dtype=torch.int64, device="cpu").split(_AT_ONCE):
        distance = _apart(model, frames[part], frames)
        distance[torch.arange(len(part), dtype=torch.int64, device="cpu"), part] = torch.inf
        found = distance.topk(neighbours, dim=1, largest=False)
        apart.append(found.values / unit)
        onward.append(found.indices)
    own = torch.arange(count, dtype=torch.int64, device="cpu")[:, None]
    blocks, ended = torch.cat(apart), torch.from_numpy(last)[:, None]
    alike = blocks < 1  # what is farther off may lie behind a wall
    links = torch.cat([torch.where(ended, own, own + 1), torch.where(alike, torch.cat(onward), own)], dim=1)
    costs = torch.cat([(~ended).float(), torch.where(alike, blocks, 0.0)], dim=1)
    return RecordedGraph(model, frames, unit, links, costs)


def _kept_rows(episodes: Episodes, frameskip: int, max_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows a frameskip apart of the first episodes, and which of them are the last of theirs."""
    rows, last, count = [], [], 0
    for first, length in zip(episodes.offsets, episodes.lengths, strict=True):
        part = np.arange(first, first + length, frameskip)[: max_frames - count]
        rows.append(part)
        last.append(np.arange(len(part)) == len(part) - 1)
        count += len(part)
        if count >= max_frames:
            break
    return np.concatenate(rows), np.concatenate(last)


def _apart(model: WorldModel, some: Tensor, others: Tensor) -> Tensor:
    """Return the root of the model's distance of each latent from each other one, (some, others)."""
    if type(model).latent_distance is WorldModel.latent_distance:
        return torch.cdist(some.flatten(1), others.flatten(1))
    return torch.cat(
        [_between(model, part[:, None], others[None]) for part in some.split(_OF_ITS_OWN)], dim=0
    )


@torch.no_grad()
def _between(model: WorldModel, one: Tensor, other: Tensor) -> Tensor:
    """Return the root of the model's distance; float32 on the CPU."""
    with evaluation_mode(model):
        both = (to_weights(model, latents).clone() for latents in (one, other))
        return model.latent_distance(*both).float().cpu().clamp(min=0).sqrt()
