"""Features learnt from frames without actions: what DINO-WM's frozen encoder knows."""

from typing import Any, final

import torch
from torch import Tensor, nn

from ...data import Batch, Processor
from ...models import Losses, WorldModel
from ...regularizers import SIGReg


@final
class FrameFeatures(WorldModel):
    """An encoder of tokens that learns from pairs of neighbouring frames, without their actions.

    LeJEPA's two terms (Balestriero and LeCun, arXiv 2511.08544) on the projected mean of a frame's tokens,
    with two neighbouring frames of a window as the two views: they shall lie near each other, and SIGReg
    keeps the embeddings of all frames from collapsing.

        loss = mean (e_t+1 - e_t)^2 + regularizer_weight * SIGReg(e),   e = projector(mean over tokens)

    It is a world model only so that the house's training, with its log and its resuming, takes it; it
    predicts that nothing changes.

    Args:
        encoder: (batch, channel, height, width) -> (batch, token, dim).
        projector: Mean token to embedding, with `out_dim`.
        processor: Of the training episodes.
        regularizer_weight: SIGReg's weight.
        num_slices: SIGReg's directions.
        history_size: A window has one frame more.
    """

    def __init__(
        self,
        encoder: nn.Module,
        projector: nn.Module,
        processor: Processor,
        *,
        regularizer_weight: float,
        num_slices: int,
        history_size: int,
    ) -> None:
        super().__init__()
        self.history_size = history_size
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
        embeddings = self._encode(batch.observations)
        nearness = (embeddings[:, 1:] - embeddings[:, :-1]).square().mean()
        gap = self.regularizer(embeddings.transpose(0, 1), generator=generator)
        terms = {"nearness": nearness, "regularizer": self.regularizer_weight * gap}
        return Losses(terms, latents=embeddings.detach(), values={"regularizer": gap})
