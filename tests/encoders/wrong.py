"""Image encoders that are wrong in one way each."""

import torch
from torch import Tensor, nn

from tests.encoders.cases import SIZE


class Right(nn.Module):
    embedding_dim = 4

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * SIZE * SIZE, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(images.flatten(1))


class KeepsTheBatchMean(Right):
    """Normalises over the batch, in evaluation too."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images - images.mean(0))


class DropsABorder(Right):
    """Ignores the last two columns, as a convolution without padding and a wrong stride may."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(nn.functional.pad(images[..., :-2], (0, 2)))


class ReadsMemory(Right):
    """Takes values in memory order, so that the layout decides."""

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(torch.as_strided(images, (len(images), 3 * SIZE * SIZE), (3 * SIZE * SIZE, 1)))


class SaysAnotherSize(Right):
    embedding_dim = 5


class FrozenBias(Right):
    """Uses one of its parameters behind a detach."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.linear(images.flatten(1), self.linear.weight, self.linear.bias.detach())


class SaysNoTokens(Right):
    """Returns tokens, and says nothing of it."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).unsqueeze(1)


class CountsPictures(Right):
    """Keeps a running statistic, in evaluation mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        return super().forward(images)


class DropsPixelsAlways(Right):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(nn.functional.dropout(images, 0.5))


class NeverLetsTheGradientIn(Right):
    """Takes it for frozen that nobody wants a gradient."""

    def forward(self, images: Tensor) -> Tensor:
        frozen = not self.linear.weight.requires_grad
        return super().forward(images * 0 + images.detach() if frozen else images)


# Each with the check that is there for it.
WRONG = {
    KeepsTheBatchMean: "check_rows_are_independent",
    DropsABorder: "check_sees_the_whole_picture",
    ReadsMemory: "check_memory_layout_does_not_matter",
    SaysAnotherSize: "check_shape",
    SaysNoTokens: "check_shape",
    CountsPictures: "check_frozen_it_stays_as_it_is",
    DropsPixelsAlways: "check_frozen_it_stays_as_it_is",
    NeverLetsTheGradientIn: "check_frozen_it_stays_as_it_is",
    FrozenBias: "check_every_parameter_learns",
}
