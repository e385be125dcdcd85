"""Statistics with a mistake in them; the suite must reject each."""

import torch
from torch import Tensor

from leworld.normality import (
    BHEP,
    AndersonDarling,
    CramerVonMises,
    EppsPulley,
    JarqueBera,
    MultivariateStatistic,
    ShapiroFrancia,
    UnivariateStatistic,
    VasicekEntropy,
)


class Rewritten(UnivariateStatistic):
    """Epps-Pulley once more, right as it stands; its children each break one thing."""

    def __init__(self) -> None:
        super().__init__()
        self.right = EppsPulley()

    def null_mean(self, num_samples: int) -> float:
        return self.right.null_mean(num_samples)

    def forward(self, samples: Tensor) -> Tensor:
        x = samples.to(torch.float64 if samples.dtype == torch.float64 else torch.float32)
        angles = x.unsqueeze(-1) * x.new_tensor(self.right.knots)
        return self.finish(x, angles)

    def finish(self, x: Tensor, angles: Tensor) -> Tensor:
        error = angles.cos().mean(-3) - x.new_tensor(self.right.targets)
        distance = error.square() + angles.sin().mean(-3).square()
        return x.shape[-2] * (distance * self.weights(x)).sum(-1)

    def weights(self, x: Tensor) -> Tensor:
        return x.new_tensor(self.right.weights)


class DropsN(Rewritten):
    def finish(self, x: Tensor, angles: Tensor) -> Tensor:
        return super().finish(x, angles) / x.shape[-2]


class DropsSine(Rewritten):
    def finish(self, x: Tensor, angles: Tensor) -> Tensor:
        error = angles.cos().mean(-3) - x.new_tensor(self.right.targets)
        return x.shape[-2] * (error.square() * self.weights(x)).sum(-1)


class DropsWindow(Rewritten):
    def weights(self, x: Tensor) -> Tensor:
        return super().weights(x) / x.new_tensor(self.right.targets)


class HalfLine(Rewritten):
    def weights(self, x: Tensor) -> Tensor:
        return super().weights(x) / 2


class DoublesTheEnds(Rewritten):
    def weights(self, x: Tensor) -> Tensor:
        weights = super().weights(x)
        weights[-1] *= 2
        weights[1] *= 1.1
        return weights


class SamplesFirst(Rewritten):
    def forward(self, samples: Tensor) -> Tensor:
        return super().forward(samples.movedim(0, -2)) if samples.ndim > 2 else super().forward(samples)


class SubtractsTheMean(Rewritten):
    def forward(self, samples: Tensor) -> Tensor:
        return super().forward(samples - samples.mean(-2, keepdim=True))


class StaysInHalf(Rewritten):
    def forward(self, samples: Tensor) -> Tensor:
        return super().forward(samples).to(samples.dtype)


class DetachesTheSine(Rewritten):
    def finish(self, x: Tensor, angles: Tensor) -> Tensor:
        error = angles.cos().mean(-3) - x.new_tensor(self.right.targets)
        sine = angles.detach().sin().mean(-3)
        return x.shape[-2] * ((error.square() + sine.square()) * self.weights(x)).sum(-1)


class WeighsSamples(Rewritten):
    def forward(self, samples: Tensor) -> Tensor:
        ramp = torch.linspace(0.99, 1.01, samples.shape[-2], dtype=samples.dtype)[:, None]
        return super().forward(samples * ramp)


class UpsideDownPValue(Rewritten):
    def p_value(self, statistic: Tensor, num_samples: int) -> Tensor:
        return 1 - super().p_value(statistic, num_samples)


class _Altered(UnivariateStatistic):
    """A right statistic whose input or output is altered."""

    def __init__(self, right: UnivariateStatistic) -> None:
        super().__init__()
        self.right = right
        self.min_samples = right.min_samples

    def null_mean(self, num_samples: int) -> float:
        return self.right.null_mean(num_samples)

    def forward(self, samples: Tensor) -> Tensor:
        return self.right(samples)

    def p_value(self, statistic: Tensor, num_samples: int) -> Tensor:
        return self.right.p_value(statistic, num_samples)


class AndersonDarlingOverTheFirstAxis(_Altered):
    """Sorts the sample axis and sums the first one, as lejepa does."""

    def __init__(self) -> None:
        super().__init__(AndersonDarling())

    def forward(self, samples: Tensor) -> Tensor:
        if samples.ndim == 2:
            return super().forward(samples)
        x = samples.sort(dim=-2).values
        i = torch.arange(1, x.shape[0] + 1, dtype=x.dtype).view(-1, *[1] * (x.ndim - 1))
        terms = torch.special.log_ndtr(x) + torch.special.log_ndtr(-x.flip(-2))
        return -x.shape[0] - ((2 * i - 1) * terms).sum(0) / x.shape[0]


class AndersonDarlingByLogOfPhi(_Altered):
    """Takes the logarithm of a probability that has become 0."""

    def __init__(self) -> None:
        super().__init__(AndersonDarling())

    def forward(self, samples: Tensor) -> Tensor:
        x = samples.to(torch.float64 if samples.dtype == torch.float64 else torch.float32).sort(-2).values
        num = x.shape[-2]
        i = torch.arange(1, num + 1, dtype=x.dtype).unsqueeze(-1)
        u = torch.special.ndtr(x)
        return -num - ((2 * i - 1) * (u.log() + (1 - u.flip(-2)).log())).sum(-2) / num


class CramerVonMisesWithoutItsConstant(_Altered):
    def __init__(self) -> None:
        super().__init__(CramerVonMises())

    def forward(self, samples: Tensor) -> Tensor:
        return super().forward(samples) - 1 / (12 * samples.shape[-2])


class PopulationRanks(_Altered):
    """Plotting positions i / N where the midpoints are due."""

    def __init__(self) -> None:
        super().__init__(CramerVonMises())

    def forward(self, samples: Tensor) -> Tensor:
        x = samples.to(torch.float64 if samples.dtype == torch.float64 else torch.float32).sort(-2).values
        num = x.shape[-2]
        ranks = torch.arange(1, num + 1, dtype=x.dtype).unsqueeze(-1) / num
        return (torch.special.ndtr(x) - ranks).square().sum(-2) + 1 / (12 * num)


class UncentredShapiroFrancia(_Altered):
    def __init__(self) -> None:
        super().__init__(ShapiroFrancia())

    def forward(self, samples: Tensor) -> Tensor:
        x = samples.to(torch.float64 if samples.dtype == torch.float64 else torch.float32).sort(-2).values
        num = x.shape[-2]
        positions = (torch.arange(1, num + 1, dtype=x.dtype) - 3 / 8) / (num + 1 / 4)
        scores = torch.special.ndtri(positions).unsqueeze(-1)
        return 1 - torch.nn.functional.cosine_similarity(x, scores, dim=-2).square()


class UnguardedJarqueBera(_Altered):
    """Divides by a variance that may be 0."""

    def __init__(self) -> None:
        super().__init__(JarqueBera())

    def forward(self, samples: Tensor) -> Tensor:
        x = samples.to(torch.float64 if samples.dtype == torch.float64 else torch.float32)
        z = x - x.mean(-2, keepdim=True)
        z = z / z.square().mean(-2, keepdim=True).sqrt()
        return x.shape[-2] / 6 * (z.pow(3).mean(-2).square() + (z.pow(4).mean(-2) - 3).square() / 4)


class UnflooredSpacings(VasicekEntropy):
    def __init__(self) -> None:
        super().__init__(1, min_spacing=1e-300)


_MORE: tuple[type[UnivariateStatistic], ...] = (
    UpsideDownPValue,
    AndersonDarlingOverTheFirstAxis,
    AndersonDarlingByLogOfPhi,
    CramerVonMisesWithoutItsConstant,
    PopulationRanks,
    UncentredShapiroFrancia,
    UnguardedJarqueBera,
    UnflooredSpacings,
)


class _WrongMultivariate(MultivariateStatistic):
    def __init__(self) -> None:
        super().__init__()
        self.right = BHEP(0.5)

    def null_mean(self, num_samples: int, dim: int) -> float:
        return self.right.null_mean(num_samples, dim)

    def forward(self, samples: Tensor) -> Tensor:
        return self.right(samples)


class DividesByN(_WrongMultivariate):
    def forward(self, samples: Tensor) -> Tensor:
        return super().forward(samples) / samples.shape[-2]


class AveragesTheBatch(_WrongMultivariate):
    def forward(self, samples: Tensor) -> Tensor:
        return super().forward(samples).mean().expand(samples.shape[:-2])


class JudgesCoordinatesAlone(_WrongMultivariate):
    """The sum over coordinates: rotating the samples changes it."""

    def forward(self, samples: Tensor) -> Tensor:
        return torch.stack(
            [super(JudgesCoordinatesAlone, self).forward(c) for c in samples.split(1, -1)]
        ).sum(0)


class DropsTheDiagonal(_WrongMultivariate):
    def forward(self, samples: Tensor) -> Tensor:
        return super().forward(samples) - 1


class Standardises(_WrongMultivariate):
    """Standardises first, as the tests of unknown mean and covariance do."""

    def forward(self, samples: Tensor) -> Tensor:
        centred = samples - samples.mean(-2, keepdim=True)
        return super().forward(centred / centred.square().mean().sqrt())


class MultipliesInHalf(_WrongMultivariate):
    def forward(self, samples: Tensor) -> Tensor:
        return super().forward(samples.bfloat16()).to(samples.dtype)


class OverflowsInTheMoments(_WrongMultivariate):
    def forward(self, samples: Tensor) -> Tensor:
        sums = samples.unsqueeze(-2) + samples.unsqueeze(-3)
        growth = torch.exp(sums.square().sum(-1) / 40)
        return super().forward(samples) + 0 * growth.sum((-2, -1))


WRONG_MULTIVARIATE: tuple[type[_WrongMultivariate], ...] = (
    DividesByN,
    AveragesTheBatch,
    JudgesCoordinatesAlone,
    DropsTheDiagonal,
    Standardises,
    MultipliesInHalf,
    OverflowsInTheMoments,
)

WRONG: tuple[type[UnivariateStatistic], ...] = (
    *_MORE,
    DropsN,
    DropsSine,
    DropsWindow,
    HalfLine,
    DoublesTheEnds,
    SamplesFirst,
    SubtractsTheMean,
    StaysInHalf,
    DetachesTheSine,
    WeighsSamples,
)
