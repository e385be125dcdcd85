"""Members of the family with a mistake in them; each must fail the check by hand of its name."""

import torch
from torch import Tensor, nn

from leworld.regularizers import (
    Centred,
    EndpointInverseDynamics,
    InverseDynamics,
    RDMReg,
    TemporalVCReg,
)


class VCRegWithDiagonal(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        std = (z.var(-2) + 1e-4).sqrt()
        return 25 * (1 - std).relu().mean() + torch.cov(z.T).square().sum() / z.shape[-1]


class VCRegOfVariances(nn.Module):
    """The hinge on the variance, which the text of VICReg warns of."""

    def forward(self, z: Tensor) -> Tensor:
        covariance = torch.cov(z.T)
        off = covariance - covariance.diag().diag()
        return 25 * (1 - z.var(-2) - 1e-4).relu().mean() + off.square().sum() / z.shape[-1]


class VCRegUncentred(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        covariance = z.T @ z / (z.shape[0] - 1)
        off = covariance - covariance.diag().diag()
        return 25 * (1 - (z.var(-2) + 1e-4).sqrt()).relu().mean() + off.square().sum() / z.shape[-1]


class WeakSIGRegUncentred(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return torch.linalg.matrix_norm(z.T @ z / (z.shape[0] - 1) - torch.eye(z.shape[1]))


class WeakSIGRegSquared(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return (torch.cov(z.T) - torch.eye(z.shape[1])).square().sum()


class _VISReg(nn.Module):
    def __init__(
        self, center_weight: float = 1.0, scale_weight: float = 1.0, shape_weight: float = 1.0
    ) -> None:
        super().__init__()
        self.weights = (center_weight, scale_weight, shape_weight)

    def arrange(self, projections: Tensor) -> Tensor:
        return projections.sort(-2).values

    def stop(self, std: Tensor) -> Tensor:
        return std.detach()

    def forward(self, z: Tensor) -> Tensor:
        mean, std = z.mean(-2, keepdim=True), z.std(-2, keepdim=True, correction=0)
        num_samples, dim = z.shape[-2:]
        w = torch.randn(dim, 64, generator=torch.Generator().manual_seed(0), dtype=z.dtype)
        p = self.arrange((z - mean) / self.stop(std) @ (w / w.norm(dim=0)))
        levels = torch.arange(1, num_samples + 1, dtype=z.dtype) / (num_samples + 1)
        shape = (p - torch.special.ndtri(levels)[:, None]).square().mean()
        center, scale, weight = self.weights
        return center * mean.square().mean() + scale * (std - 1).square().mean() + weight * shape


class VISRegUnsorted(_VISReg):
    def arrange(self, projections: Tensor) -> Tensor:
        return projections


class VISRegThroughTheScale(_VISReg):
    def stop(self, std: Tensor) -> Tensor:
        return std


class VISRegSampleStd(_VISReg):
    def stop(self, std: Tensor) -> Tensor:
        return std.detach() * 1.5**0.5


class VICRegWithSummedHinges(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        loss = 25 * (x - y).square().mean()
        for z in (x, y):
            covariance = torch.cov(z.T)
            off = covariance - covariance.diag().diag()
            loss = loss + 25 * (1 - (z.var(-2) + 1e-4).sqrt()).relu().mean() + off.square().sum() / 2
        return loss


class StraighteningNegativeCosine(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        v = z.diff(dim=-2)
        return -nn.functional.cosine_similarity(v[..., 1:, :], v[..., :-1, :], dim=-1).mean()


class StraighteningCountsStillSteps(StraighteningNegativeCosine):
    def forward(self, z: Tensor) -> Tensor:
        return 1 + super().forward(z)


class StraighteningOfPositions(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return 1 - nn.functional.cosine_similarity(z[..., 1:, :], z[..., :-1, :], dim=-1).mean()


class SimilarityAcrossTheBatch(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return z.diff(dim=0).square().mean()


class SimilaritySummedOverDim(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return z.diff(dim=-2).square().sum(-1).mean()


class InverseDynamicsOneStepLate(nn.Module):
    def __init__(self, embedding_dim: int, action_dim: int) -> None:
        super().__init__()
        self.inner = InverseDynamics(embedding_dim, action_dim)
        self.head = self.inner.head

    def forward(self, embeddings: Tensor, actions: Tensor) -> Tensor:
        return self.inner(embeddings, actions.nan_to_num(0).roll(-1, dims=-2))


class TemporalVCRegNeverOverTheBatch(TemporalVCReg):
    def forward(self, z: Tensor) -> Tensor:
        self.centred = "time"
        return super().forward(z)


class TemporalVCRegCentredTwice(TemporalVCReg):
    """The second moment that the released code does not centre over time."""

    def forward(self, z: Tensor) -> Tensor:
        if self.centred == "batch":
            self.centred, z = "time", z - z.mean(0)
        return super().forward(z)


class TemporalVCRegPooled(TemporalVCReg):
    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z.flatten(0, 1).expand(2, -1, -1))


class TemporalVCRegOverTheBatch(TemporalVCReg):
    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z.transpose(0, 1))


class EndpointSeesTheFramesBetween(EndpointInverseDynamics):
    """Pairs neighbouring frames, as the loss of one step does."""

    def forward(self, z: Tensor, actions: Tensor) -> Tensor:
        first, second = z[..., :2, :], z[..., 1:3, :]
        guessed = self.head(torch.cat((first, second), dim=-1))
        return (guessed - torch.cat((actions[..., :2, :], actions[..., 1:3, :]), dim=-1)).square().mean()


class EndpointFirstStretchOnly(EndpointInverseDynamics):
    def forward(self, z: Tensor, actions: Tensor) -> Tensor:
        return super().forward(z[..., : self.horizon + 1, :], actions[..., : self.horizon + 1, :])


class EndpointActionsOneLate(EndpointInverseDynamics):
    def forward(self, z: Tensor, actions: Tensor) -> Tensor:
        return super().forward(z, actions.nan_to_num(0).roll(-1, dims=-2))


class CentredOverEverything(Centred):
    def forward(self, z: Tensor) -> Tensor:
        self.window = None
        return super().forward(z)


class CentredOverTheBatch(Centred):
    def forward(self, z: Tensor) -> Tensor:
        return self.regularizer((z - z.mean(0)).transpose(0, 1))


class CentredJudgesTime(Centred):
    def forward(self, z: Tensor) -> Tensor:
        rest = z.unflatten(1, (-1, self.window or z.shape[1]))
        return self.regularizer((rest - rest.mean(2, keepdim=True)).flatten(1, 2))


class CentredOnTheFirstFrame(Centred):
    def forward(self, z: Tensor) -> Tensor:
        rest = z.unflatten(1, (-1, self.window or z.shape[1]))
        return self.regularizer((rest - rest[:, :, :1]).flatten(1, 2).transpose(0, 1))


class _RDMReg(RDMReg):
    def arrange(self, numbers: Tensor) -> Tensor:
        return numbers.sort(0).values

    def bend(self, numbers: Tensor) -> Tensor:
        return (numbers + self.location).relu()

    def forward(self, z: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        a = self.directions(z.shape[1], device=z.device, dtype=z.dtype, generator=generator)
        y = self.targets(z.shape[1], device=z.device, dtype=z.dtype, generator=generator, num=len(z))
        return (self.arrange(z @ a) - self.arrange(self.bend(y.T) @ a)).square().mean()


class RDMRegUnsorted(_RDMReg):
    def arrange(self, numbers: Tensor) -> Tensor:
        return numbers


class RDMRegNotRectified(_RDMReg):
    def bend(self, numbers: Tensor) -> Tensor:
        return numbers + self.location


class RDMRegOfUnitScale(_RDMReg):
    """A Laplace of scale 1, whose variance is 2."""

    def bend(self, numbers: Tensor) -> Tensor:
        return super().bend(numbers * 2**0.5)


class RDMRegOfAbsoluteValues(_RDMReg):
    def forward(self, z: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        return super().forward(z, generator=generator).sqrt()


WRONG: dict[str, tuple[type[nn.Module], ...]] = {
    "VCReg": (VCRegWithDiagonal, VCRegOfVariances, VCRegUncentred),
    "WeakSIGReg": (WeakSIGRegUncentred, WeakSIGRegSquared),
    "VISReg": (VISRegUnsorted, VISRegThroughTheScale, VISRegSampleStd),
    "VICReg": (VICRegWithSummedHinges,),
    "TemporalStraightening": (
        StraighteningNegativeCosine,
        StraighteningCountsStillSteps,
        StraighteningOfPositions,
    ),
    "TemporalVCReg": (
        TemporalVCRegNeverOverTheBatch,
        TemporalVCRegCentredTwice,
        TemporalVCRegPooled,
        TemporalVCRegOverTheBatch,
    ),
    "EndpointInverseDynamics": (
        EndpointSeesTheFramesBetween,
        EndpointFirstStretchOnly,
        EndpointActionsOneLate,
    ),
    "Centred": (CentredOverEverything, CentredOverTheBatch, CentredJudgesTime, CentredOnTheFirstFrame),
    "RDMReg": (RDMRegUnsorted, RDMRegNotRectified, RDMRegOfUnitScale, RDMRegOfAbsoluteValues),
    "TemporalSimilarity": (SimilarityAcrossTheBatch, SimilaritySummedOverDim),
    "InverseDynamics": (InverseDynamicsOneStepLate,),
}
