"""VCReg: standard deviations kept up, coordinates kept apart."""

from typing import TYPE_CHECKING, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_choice, check_number
from .._config import configurable
from .._distributed import check_group
from .._typing import shapechecked
from ._moments import SCALES, spread_loss
from ._regularizer import Regularizer, all_samples

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@final
@configurable(omit=("group",))
class VCReg(Regularizer):
    """Variance and covariance terms of VICReg: second moments only, one-sided in scale.

    What PLDM uses against collapse, and the baseline to compare SIGReg with. It asks for standard deviations
    of at least `target_std` and for uncorrelated coordinates, and leaves mean, larger scales and shape free.
    Costs one matrix product sample x dim x dim; no randomness.

    With Var_d the variance of coordinate d over N - 1 and C the covariance matrix of dim coordinates:

        std        = mean_d max(0, target_std - sqrt(Var_d + epsilon))
        covariance = sum_{c != d} C_cd^2 / divisor
        VCReg      = std_weight std + covariance_weight covariance

    averaged over the leading axes, each of which is judged on its own.

    Shapes: embeddings (*batch, sample, dim) -> scalar. `TemporalVCReg` judges the frames of a trajectory.

    Args:
        std_weight: Weight of the hinge on standard deviations, at least 0. 25 as in VICReg.
        covariance_weight: Weight of the covariances, at least 0. 1 as in VICReg.
        covariance_scale: The divisor: "dim" as in VICReg, or "pairs", dim (dim - 1), as in PLDM's code. A
            search for PLDM on Push-T (LeWorldModel, appendix C.2) chose the weights 18 and 12 in units of
            "pairs": `VCReg(18, 12, covariance_scale="pairs")`. For an embedding of 192 numbers that 12 is
            12 / 191 = 0.0628 in units of "dim"; as it stands there it would be 191 times too strong.
        target_std: Standard deviation to reach, above 0.
        epsilon: Added to the variance, above 0. 1e-4 as published.
        group: None judges the local batch; "world" or a process group the batch of all its ranks together.

    Raises:
        ShapeError: For fewer than 2 samples, an empty axis, fewer than 2 axes, or integers.
        NonFiniteError: For NaN or infinite embeddings on a CPU; on an accelerator the result is NaN.
        ConfigError: For an option out of range.

    Numerics: float16 and bfloat16 are judged in float32, also under autocast; float64 stays float64. At total
    collapse the value is std_weight (target_std - sqrt(epsilon)) and **the gradient is exactly zero**; once
    the spread exceeds sqrt(epsilon) = 0.01 the hinge pulls with a constant force. With fewer than dim + 1
    samples the sample covariances cannot all vanish.

    Randomness and ranks: nothing is random; `generator` is accepted, as by every regularizer, and not used.
    With `group`, embeddings are gathered (ranks may hold different numbers of samples).

    Source: A. Bardes, J. Ponce and Y. LeCun, "VICReg", arXiv 2105.04906, equations 1 to 4, and its released
    code, for one set of embeddings. The divisor of "pairs" is that of V. Sobal et al., arXiv 2502.14819
    (`adjust_cov`), and of stable-worldmodel's PLDM; LeWorldModel's text says dim.

    Example:
        ```python
        import torch
        from leworld.regularizers import VCReg

        embeddings = torch.randn(256, 8, generator=torch.Generator().manual_seed(0))
        assert VCReg()(embeddings) < 2 < VCReg()(0.1 * embeddings)
        ```
    """

    def __init__(
        self,
        std_weight: float = 25.0,
        covariance_weight: float = 1.0,
        *,
        covariance_scale: Literal["dim", "pairs"] = "dim",
        target_std: float = 1.0,
        epsilon: float = 1e-4,
        group: "ProcessGroup | str | None" = None,
    ) -> None:
        super().__init__()
        check_number("VCReg", "std_weight", std_weight, low=0)
        check_number("VCReg", "covariance_weight", covariance_weight, low=0)
        check_choice("VCReg", "covariance_scale", covariance_scale, SCALES)
        check_number("VCReg", "target_std", target_std, low=0, open_low=True)
        check_number("VCReg", "epsilon", epsilon, low=0, open_low=True)
        check_group("VCReg", group)
        self.std_weight = std_weight
        self.covariance_weight = covariance_weight
        self.covariance_scale = covariance_scale
        self.target_std = target_std
        self.epsilon = epsilon
        self.group = group

    @shapechecked
    def forward(
        self, embeddings: Float[Tensor, "*batch sample dim"], *, generator: torch.Generator | None = None
    ) -> Float[Tensor, ""]:
        """Return the weighted sum of both terms, averaged over leading axes."""
        return self._judge(embeddings, generator)

    def _value(
        self, embeddings: Tensor, group: "ProcessGroup | None", generator: torch.Generator | None
    ) -> Tensor:
        del generator
        samples = all_samples(embeddings, group)
        return spread_loss(samples, self).mean()

    def extra_repr(self) -> str:
        """Show the settings."""
        return (
            f"std_weight={self.std_weight}, covariance_weight={self.covariance_weight}, "
            f"covariance_scale={self.covariance_scale!r}, "
            f"target_std={self.target_std}, epsilon={self.epsilon}"
        )
