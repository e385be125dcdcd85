"""Features of single frames, learnt without actions: what DINO-WM's frozen encoder knows."""

from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...data import Batch, Processor
from ...models import Losses, WorldModel
from ...regularizers import SIGReg

_LARGEST_SHIFT = 2


@final
class TwoViews(WorldModel):
    """An encoder of tokens that learns from two views of every frame, each frame alone.

    LeJEPA's two terms (Balestriero and LeCun, arXiv 2511.08544) on the projected mean of a frame's tokens: two
    views of it, shifted by up to 2 pixels, shall agree with their mean, and SIGReg keeps each view's
    embeddings from collapsing. No action, and no order of frames, plays a part. It is a world model only so
    that the house's training, with its log and its resuming, takes it; it predicts nothing.

    Args:
        encoder: (batch, channel, height, width) -> (batch, token, dim).
        projector: Mean token to embedding, with `out_dim`.
        processor: Of the training episodes.
        regularizer_weight: SIGReg's weight.
        num_slices: SIGReg's directions.
    """

    history_size = 1

    def __init__(
        self,
        encoder: nn.Module,
        projector: nn.Module,
        processor: Processor,
        *,
        regularizer_weight: float,
        num_slices: int,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.projector = projector
        self.regularizer = SIGReg(num_slices)
        self.regularizer_weight = regularizer_weight
        self.latent_shape = (int(getattr(projector, "out_dim")),)  # noqa: B009 -- a module's attribute
        self.action_dim = processor.block_dim
        self.processor = processor

    def _encode(self, observations: Any) -> Tensor:
        tokens = self.encoder(observations.flatten(0, 1))
        return self.projector(tokens.mean(dim=1)).unflatten(0, observations.shape[:2])

    def _predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        return latents

    def _loss(self, batch: Batch, generator: torch.Generator | None) -> Losses:
        frames = batch.observations
        if not isinstance(frames, Tensor):
            raise TypeError("unreachable: the model reads pixels alone")
        views = torch.stack([self._encode(shifted(frames, generator)) for _ in range(2)])
        invariance = (views - views.mean(dim=0)).square().mean()
        gap = self.regularizer(views.transpose(1, 2), generator=generator)
        terms = {"invariance": invariance, "regularizer": self.regularizer_weight * gap}
        return Losses(terms, latents=views[0].detach(), values={"regularizer": gap})


def shifted(frames: Tensor, generator: torch.Generator | None) -> Tensor:
    """Shift every picture of "batch time channel height width" by up to 2 pixels, its border repeated."""
    pictures = frames.flatten(0, 1)
    height, width = pictures.shape[-2:]
    drawn = torch.randint(
        2 * _LARGEST_SHIFT + 1, (2, len(pictures)), generator=generator, dtype=torch.int64, device="cpu"
    ).to(frames.device)
    padded = F.pad(pictures, (_LARGEST_SHIFT,) * 4, mode="replicate").movedim(1, -1)
    rows = drawn[0, :, None] + torch.arange(height, dtype=torch.int64, device=frames.device)
    columns = drawn[1, :, None] + torch.arange(width, dtype=torch.int64, device=frames.device)
    each = torch.arange(len(pictures), dtype=torch.int64, device=frames.device)
    cut = padded[each[:, None, None], rows[:, :, None], columns[:, None, :]]
    return cut.movedim(-1, 1).unflatten(0, frames.shape[:2])
