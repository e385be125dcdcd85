"""Decoders that are wrong in one way each."""

import torch
from torch import Tensor, nn

from tests.decoders.cases import DIM, SIZE


class Right(nn.Module):
    embedding_dim, image_size = DIM, SIZE

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(DIM, 3 * SIZE * SIZE)
        nn.init.normal_(self.linear.weight, std=0.005)
        nn.init.constant_(self.linear.bias, 0.5)

    def forward(self, embeddings: Tensor) -> Tensor:
        return self.linear(embeddings).unflatten(1, (3, SIZE, SIZE))


class ChannelsLast(Right):
    def forward(self, embeddings: Tensor) -> Tensor:
        return super().forward(embeddings).permute(0, 2, 3, 1)


class KeepsTheBatchMean(Right):
    """Centres over the batch, in evaluation too."""

    def forward(self, embeddings: Tensor) -> Tensor:
        return super().forward(embeddings - embeddings.mean(0) + embeddings.mean())


class DropsOut(Right):
    """Dropout in the picture."""

    def forward(self, embeddings: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(embeddings), 0.1, self.training)


class BlindToAComponent(Right):
    def forward(self, embeddings: Tensor) -> Tensor:
        return super().forward(torch.cat([embeddings[:, :1] * 0, embeddings[:, 1:]], dim=1))


class LeavesABorder(Right):
    """The last row is the bias only."""

    def forward(self, embeddings: Tensor) -> Tensor:
        pictures = super().forward(embeddings)
        return torch.cat([pictures[:, :, :-1], pictures[:, :, -1:] * 0], dim=2)


class SamePictureForAll(Right):
    """The mean picture, which PSNR forgives."""

    def forward(self, embeddings: Tensor) -> Tensor:
        return super().forward(embeddings.mean(0, keepdim=True)).expand(len(embeddings), -1, -1, -1)


class FrozenBias(Right):
    def forward(self, embeddings: Tensor) -> Tensor:
        pictures = nn.functional.linear(embeddings, self.linear.weight, self.linear.bias.detach())
        return pictures.unflatten(1, (3, SIZE, SIZE))


class StartsBlack(Right):
    def __init__(self) -> None:
        super().__init__()
        nn.init.zeros_(self.linear.bias)


class OnePatchForAll(Right):
    """Every patch gets the same pixels, as without query tokens."""

    def forward(self, embeddings: Tensor) -> Tensor:
        return super().forward(embeddings)[:, :, :4, :4].repeat(1, 1, SIZE // 4, SIZE // 4)


# Each with the check that is there for it.
WRONG = {
    ChannelsLast: "check_shape",
    KeepsTheBatchMean: "check_rows_are_independent",
    DropsOut: "check_rows_are_independent",
    BlindToAComponent: "check_every_pixel_sees_every_component",
    LeavesABorder: "check_every_pixel_sees_every_component",
    SamePictureForAll: "check_embeddings_differ_in_the_picture",
    FrozenBias: "check_every_parameter_learns",
    StartsBlack: "check_starts_from_grey",
    OnePatchForAll: "check_learns_where_things_are",
}
