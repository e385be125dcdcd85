"""Members of the family with a mistake in them; each must fail the check by hand of its name."""

import torch
from torch import Tensor, nn

from leworld.regularizers import InverseDynamics, TemporalVCReg


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
    "TemporalSimilarity": (SimilarityAcrossTheBatch, SimilaritySummedOverDim),
    "InverseDynamics": (InverseDynamicsOneStepLate,),
}
