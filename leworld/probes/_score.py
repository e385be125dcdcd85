"""How good a probe's predictions are, for each target dimension."""

from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from .._checks import plain_numbers
from .._precision import double
from .._typing import MaybeNone
from ..errors import ShapeError


@final
@plain_numbers
@dataclass(frozen=True)
class ProbeScore:
    """Scores of predictions against true targets, one number a target dimension, and their means.

    Attributes:
        r2: Share of the variance explained: 1 is perfect, 0 as good as the mean, below 0 worse than it.
        pearson: Correlation r of predictions and targets.
        mse: Mean squared error of standardised targets: divided by the squared standard deviation that the
            training targets had, so that 1 is about as bad as predicting their mean.
        rmse: Root mean squared error in the targets' own units.
        num_samples: Number of samples that were scored.
        degrees: Mean error in degrees where the target is an angle or a rotation, else None.
        accuracy: Share of samples of which the class was told, else None.

    A number that is not defined is NaN, never a guess: R2 of a target dimension that is constant among the
    scored samples, and r when targets or predictions are constant. A mean over dimensions is NaN when any
    of them is.

    Raises:
        ShapeError: Fields of different lengths, or no target dimension.

    Example:
        ```python
        from leworld.probes import ProbeScore

        score = ProbeScore(
            r2=(1.0, 0.5), pearson=(1.0, 0.8), mse=(0.0, 0.5), rmse=(0.0, 2.0), num_samples=10
        )
        assert score.mean_r2 == 0.75
        ```
    """

    r2: tuple[float, ...]
    pearson: tuple[float, ...]
    mse: tuple[float, ...]
    rmse: tuple[float, ...]
    num_samples: int
    degrees: float | MaybeNone = None
    accuracy: float | MaybeNone = None

    def __post_init__(self) -> None:
        sizes = [len(self.r2), len(self.pearson), len(self.mse), len(self.rmse)]
        if min(sizes) < 1 or len(set(sizes)) > 1:
            raise ShapeError(
                "ProbeScore needs one number a target dimension in every field, and at least one dimension",
                f"`r2`, `pearson`, `mse` and `rmse` have {sizes} numbers",
                "Take scores from a probe's `score`",
            )

    @property
    def mean_r2(self) -> float:
        """Mean of `r2` over target dimensions."""
        return sum(self.r2) / len(self.r2)

    @property
    def mean_pearson(self) -> float:
        """Mean of `pearson` over target dimensions."""
        return sum(self.pearson) / len(self.pearson)

    @property
    def mean_mse(self) -> float:
        """Mean of `mse` over target dimensions."""
        return sum(self.mse) / len(self.mse)

    def to_json(self) -> dict[str, Any]:
        """Return the scores as JSON values; an undefined number becomes None."""
        names = ("r2", "pearson", "mse", "rmse")
        data: dict[str, Any] = {
            name: [None if value != value else value for value in getattr(self, name)] for name in names
        }
        data["num_samples"] = self.num_samples
        extra = {"degrees": self.degrees, "accuracy": self.accuracy}
        return data | {name: value for name, value in extra.items() if value is not None}

    def __str__(self) -> str:
        rows = [f"{'target':>8}  {'R2':>8}  {'r':>8}  {'MSE':>10}  {'RMSE':>10}"]
        columns = zip(self.r2, self.pearson, self.mse, self.rmse, strict=True)
        for index, (r2, pearson, mse, rmse) in enumerate(columns):
            rows.append(f"{index:>8}  {r2:8.4f}  {pearson:8.4f}  {mse:10.3g}  {rmse:10.3g}")
        rows.append(f"{'mean':>8}  {self.mean_r2:8.4f}  {self.mean_pearson:8.4f}  {self.mean_mse:10.3g}")
        if self.degrees is not None:
            rows.append(f"{'':>8}  off by {self.degrees:.2f} degrees on average")
        if self.accuracy is not None:
            rows.append(f"{'':>8}  {self.accuracy:.1%} of classes told")
        return "\n".join(rows)


def score_predictions(predicted: Tensor, targets: Tensor, target_std: Tensor) -> ProbeScore:
    """Score `predicted` against `targets`, both "sample target", in float64."""
    predicted, targets = double(predicted), double(targets)
    error = (predicted - targets).square().mean(dim=0)
    centred = targets - targets.mean(dim=0)
    guess = predicted - predicted.mean(dim=0)
    variance = centred.square().mean(dim=0)
    undefined = torch.full_like(error, torch.nan)
    varied = _varies(targets, centred)
    r2 = (1 - error / variance).where(varied, undefined)
    norms = centred.norm(dim=0) * guess.norm(dim=0)
    pearson = ((centred * guess).sum(dim=0) / norms).clamp(-1, 1)
    pearson = pearson.where(varied & _varies(predicted, guess), undefined)
    return ProbeScore(
        r2=tuple(r2.tolist()),
        pearson=tuple(pearson.tolist()),
        mse=tuple((error / double(target_std).square()).tolist()),
        rmse=tuple(error.sqrt().tolist()),
        num_samples=targets.shape[0],
    )


def _varies(values: Tensor, centred: Tensor) -> Tensor:
    """Tell which columns vary by more than float64 rounding of their size."""
    eps = 16 * torch.finfo(torch.float64).eps
    return centred.abs().amax(dim=0) > eps * values.abs().amax(dim=0)
