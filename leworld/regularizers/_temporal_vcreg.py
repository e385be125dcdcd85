"""TemporalVCReg: standard deviations and covariances of a trajectory's own frames."""

from typing import TYPE_CHECKING, ClassVar, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import check_choice, check_number, check_size
from .._config import configurable
from .._distributed import active_group, check_group
from .._samples import centred
from .._typing import shapechecked
from ..errors import ShapeError
from ._moments import SCALES, spread_loss
from ._regularizer import all_samples, checked_value
from ._trajectories import check_trajectories, finite_loss

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@final
@configurable(omit=("group",))
class TemporalVCReg(nn.Module):
    """Variance and covariance of embeddings over the frames of each trajectory: PLDM's terms over time.

    A loss over trajectories, not a regularizer of samples: it takes a model's embeddings as they are. It
    keeps every trajectory moving along every coordinate, which spread over a batch does not ask for. Costs
    one pass, and with a covariance weight one product dim x time x dim a trajectory.

    With y_bt the embeddings after `centred` (below), Var_bd the variance of y_b.d over time (divisor T - 1),
    and C_b = y_b^T y_b / (T - 1), where `centred="time"` also subtracts the mean over time:

        std        = mean_bd max(0, target_std - sqrt(Var_bd + epsilon))
        covariance = mean_b sum_{c != d} C_bcd^2 / divisor
        value      = std_weight std + covariance_weight covariance

    Shapes: embeddings (*batch, time, dim) -> scalar; at least 2 time steps of one episode, in order. With
    `centred="batch"` the axis before time is the batch, of at least 2 trajectories.

    Args:
        std_weight: Weight of the hinge on standard deviations, at least 0.
        covariance_weight: Weight of the covariances, at least 0.
        centred: "batch" subtracts from each frame the mean over the batch at its time step, and leaves C_b a
            second moment around zero, as the released loss of LeWorldModel's baseline does; "time" subtracts
            each trajectory's own mean alone, as PLDM's authors do.
        covariance_scale: The divisor: "dim", or "pairs", dim (dim - 1), as in both released codes.
        target_std: Standard deviation to reach, above 0.
        epsilon: Added to the variance, above 0. 1e-4 as published.
        group: None judges the local batch; "world" or a process group the batch of all its ranks together.

    Raises:
        ShapeError: For fewer than 2 time steps, an empty axis, integers, or with `centred="batch"` fewer than
            2 trajectories.
        NonFiniteError: For NaN or infinite embeddings on a CPU; on an accelerator the result is NaN.
        ConfigError: For an option out of range.

    Numerics: float16 and bfloat16 are judged in float32, also under autocast; float64 stays float64. Where a
    trajectory stands still the hinge is target_std - sqrt(epsilon) and its gradient exactly zero. A short
    window of T frames has covariances of rank T - 1 at most, which cannot all vanish.

    Randomness and ranks: nothing is random. With `group`, embeddings are gathered; ranks may hold different
    numbers of trajectories of one length.

    Source: V. Sobal et al., "PLDM", arXiv 2502.14819, and its released code (`std_loss_t`, `cov_loss_t`);
    stable-worldmodel 0.1.1, `PLDMLoss` (`std_t_loss`, `cov_t_loss`). That the latter does not centre C_b over
    time looks like a slip; it is followed, since weights were searched with it (its own is 0).

    Example:
        ```python
        import torch
        from leworld.regularizers import TemporalVCReg

        walks = torch.randn(8, 16, 4, generator=torch.Generator().manual_seed(0)).cumsum(dim=1)
        assert TemporalVCReg()(walks) < TemporalVCReg()(0.1 * walks)
        ```
    """

    reads: ClassVar[str] = "trajectories"

    def __init__(
        self,
        std_weight: float = 1.0,
        covariance_weight: float = 0.0,
        *,
        centred: Literal["batch", "time"] = "batch",
        covariance_scale: Literal["dim", "pairs"] = "pairs",
        target_std: float = 1.0,
        epsilon: float = 1e-4,
        group: "ProcessGroup | str | None" = None,
    ) -> None:
        super().__init__()
        check_number("TemporalVCReg", "std_weight", std_weight, low=0)
        check_number("TemporalVCReg", "covariance_weight", covariance_weight, low=0)
        check_choice("TemporalVCReg", "centred", centred, ("batch", "time"))
        check_choice("TemporalVCReg", "covariance_scale", covariance_scale, SCALES)
        check_number("TemporalVCReg", "target_std", target_std, low=0, open_low=True)
        check_number("TemporalVCReg", "epsilon", epsilon, low=0, open_low=True)
        check_group("TemporalVCReg", group)
        self.std_weight = std_weight
        self.covariance_weight = covariance_weight
        self.centred = centred
        self.covariance_scale = covariance_scale
        self.target_std = target_std
        self.epsilon = epsilon
        self.group = group

    @shapechecked
    def forward(
        self, embeddings: Float[Tensor, "*batch time dim"], *, generator: torch.Generator | None = None
    ) -> Float[Tensor, ""]:
        """Return the weighted sum of both terms, averaged over trajectories; `generator` is not used."""
        del generator
        group = active_group(self.group)
        check_trajectories("TemporalVCReg", embeddings, low=2)
        over_batch = self.centred == "batch"
        if over_batch:
            _check_batch(embeddings, low=2 if group is None else 1)
        with torch.autocast(embeddings.device.type, enabled=False):
            several = embeddings if embeddings.ndim > 2 else embeddings.unsqueeze(0)
            frames = all_samples(several.transpose(-3, -2), group)
            paths = (centred(frames) if over_batch else frames).transpose(-3, -2)
            value = spread_loss(paths, self, around_mean=not over_batch).mean()
        if group is not None:
            return checked_value("TemporalVCReg", value, embeddings, shared=True)
        return finite_loss("TemporalVCReg", value, embeddings=embeddings)

    def extra_repr(self) -> str:
        """Show the settings."""
        return (
            f"std_weight={self.std_weight}, covariance_weight={self.covariance_weight}, "
            f"centred={self.centred!r}, covariance_scale={self.covariance_scale!r}, "
            f"target_std={self.target_std}, epsilon={self.epsilon}"
        )


def _check_batch(embeddings: Tensor, *, low: int) -> None:
    if embeddings.ndim < 3:
        raise ShapeError(
            'TemporalVCReg with `centred="batch"` needs an axis of trajectories before time',
            f"`embeddings` has shape {tuple(embeddings.shape)}",
            'Pass a batch (batch, time, dim), or build it with `centred="time"`',
        )
    fix = 'Pass more trajectories, or build it with `centred="time"`'
    check_size("TemporalVCReg", "embeddings", embeddings, -3, "batch", low=low, fix=fix)
