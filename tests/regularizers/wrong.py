"""SIGRegs with a mistake in them; the suite must reject each. The mistakes are ones found in public code."""

import torch
from torch import Tensor, nn

from tests.regularizers.published import published_sigreg


class _Wrong(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("step", torch.zeros((), dtype=torch.int64), persistent=False)
        self.num_slices = 64

    def draw(self, dim: int, dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
        if generator is None:
            generator = torch.Generator().manual_seed(int(self.step))
            self.step += int(self.training)
        directions = torch.randn(dim, self.num_slices, generator=generator, dtype=dtype)
        return directions / directions.norm(dim=0)

    def forward(self, embeddings: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        z = embeddings if embeddings.dtype == torch.float64 else embeddings.float()
        with torch.autocast("cpu", enabled=False):
            return self.value(z, self.draw(z.shape[-1], z.dtype, generator))

    def value(self, z: Tensor, directions: Tensor) -> Tensor:
        return published_sigreg(z, directions)


class DropsN(_Wrong):
    def value(self, z: Tensor, directions: Tensor) -> Tensor:
        return super().value(z, directions) / z.shape[-2]


class PoolsLeadingAxes(_Wrong):
    def value(self, z: Tensor, directions: Tensor) -> Tensor:
        return super().value(z.reshape(-1, z.shape[-1]), directions)


class SumsOverSlices(_Wrong):
    def value(self, z: Tensor, directions: Tensor) -> Tensor:
        return super().value(z, directions) * directions.shape[1]


class IgnoresTheGenerator(_Wrong):
    def draw(self, dim: int, dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
        return super().draw(dim, dtype, None)


class UsesGlobalRandomness(_Wrong):
    def draw(self, dim: int, dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
        directions = torch.randn(dim, self.num_slices, generator=generator, dtype=dtype)
        return directions / directions.norm(dim=0)


class NeverAdvances(_Wrong):
    def draw(self, dim: int, dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
        self.step.zero_()
        return super().draw(dim, dtype, generator)


class AdvancesInEvaluation(_Wrong):
    def draw(self, dim: int, dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
        self.step += int(not self.training)
        return super().draw(dim, dtype, generator)


class NormalisesRows(_Wrong):
    def draw(self, dim: int, dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
        directions = super().draw(dim, dtype, generator)
        return directions / directions.norm(dim=1, keepdim=True)


class ForgetsTheStep(_Wrong):
    """Draws right, but its counter is in no state dict."""


class FlipsTheSign(_Wrong):
    def value(self, z: Tensor, directions: Tensor) -> Tensor:
        return -super().value(z, directions)


class ProjectsUnderAutocast(_Wrong):
    def forward(self, embeddings: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        z = embeddings if embeddings.dtype == torch.float64 else embeddings.float()
        return self.value(z, self.draw(z.shape[-1], z.dtype, generator))


class StopsTheGradient(_Wrong):
    def value(self, z: Tensor, directions: Tensor) -> Tensor:
        return super().value(z.detach() + 0 * z, directions)


WRONG: tuple[type[_Wrong], ...] = (
    DropsN,
    PoolsLeadingAxes,
    SumsOverSlices,
    IgnoresTheGenerator,
    UsesGlobalRandomness,
    NeverAdvances,
    AdvancesInEvaluation,
    NormalisesRows,
    ForgetsTheStep,
    FlipsTheSign,
    ProjectsUnderAutocast,
    StopsTheGradient,
)
