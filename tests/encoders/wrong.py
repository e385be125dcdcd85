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


class Held(nn.Module):
    """What `Frozen` does, in the plainest words."""

    embedding_dim = 4

    def __init__(self) -> None:
        super().__init__()
        layers = (nn.Flatten(), nn.BatchNorm1d(3 * SIZE * SIZE), nn.Linear(3 * SIZE * SIZE, 4))
        self.module = nn.Sequential(*layers, nn.Dropout()).requires_grad_(False)
        self.module.embedding_dim = 4
        self.train()

    def train(self, mode: bool = True):
        self.module.requires_grad_(False)
        return super().train(False)

    def forward(self, images: Tensor) -> Tensor:
        with torch.set_grad_enabled(images.requires_grad):
            return self.module(images)


class UnfreezesOnTrain(Held):
    """Follows `train()` of the model around it, as every module does."""

    def train(self, mode: bool = True):
        return nn.Module.train(self, mode)


class MovesStatistics(Held):
    """Freezes the weights, and lets the BatchNorm go on counting."""

    def train(self, mode: bool = True):
        super().train(mode)
        self.module[1].train(mode)
        return self


class StaysThawed(Held):
    """Is in evaluation mode, and learns once somebody asked all weights for gradients."""

    def train(self, mode: bool = True):
        return nn.Module.train(self, False)

    def forward(self, images: Tensor) -> Tensor:
        return self.module(images)


class KeepsTheGraph(Held):
    """Freezes in `train()` alone, and else records for a backward pass that nobody wants."""

    def forward(self, images: Tensor) -> Tensor:
        return self.module(images)


class CutsTheGradient(Held):
    """Never lets a gradient pass to the picture."""

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            return self.module(images)


class HoldsAnother(Held):
    """Says a size that is not that of what it holds."""

    embedding_dim = 5


# Each with the check that is there for it.
WRONG_FROZEN = {
    UnfreezesOnTrain: "check_stays_in_evaluation_mode",
    MovesStatistics: "check_nothing_in_it_changes",
    StaysThawed: "check_no_weight_asks_for_a_gradient",
    KeepsTheGraph: "check_keeps_nothing_for_a_backward_pass",
    CutsTheGradient: "check_an_input_may_ask_for_its_gradient",
    HoldsAnother: "check_is_the_encoder_in_it",
}
