"""VICReg: two views of the same samples, drawn together while each stays spread out."""

from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import accumulation_dtype, check_finite, check_number, check_one_device
from .._config import configurable
from .._distributed import active_group, check_group, gather_samples
from .._transforms import looks
from .._typing import shapechecked
from ._moments import off_diagonal_covariance, std_hinge
from ._regularizer import check_embeddings, checked_value

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@final
@configurable(omit=("group",))
class VICReg(nn.Module):
    """Variance, invariance, covariance: a whole objective for two sets of embeddings of the same samples.

    Unlike the regularizers of one set of embeddings, it holds the term that they are to agree on. Pass two
    augmented views, or predictions and what they predict. For the part against collapse alone, to put beside
    a prediction loss, take `VCReg`. Costs two matrix products sample x dim x dim.

    With `std` and `covariance` as in `VCReg`, for embeddings z and views z' of N samples in dim coordinates:

        invariance = mean_nd (z_nd - z'_nd)^2
        VICReg     = invariance_weight invariance + std_weight (std(z) + std(z')) / 2
                     + covariance_weight (covariance(z) + covariance(z'))

    averaged over the leading axes, each of which is judged on its own.

    Shapes: embeddings and views, both (*batch, sample, dim) -> scalar.

    Args:
        invariance_weight: Weight of the squared difference, at least 0. 25 as published.
        std_weight: Weight of the hinge on standard deviations, at least 0. 25 as published.
        covariance_weight: Weight of the covariances, at least 0. 1 as published.
        target_std: Standard deviation to reach, above 0.
        epsilon: Added to the variance, above 0. 1e-4 as published.
        group: None judges the local batch; "world" or a process group the batch of all its ranks together.

    Raises:
        ShapeError: For two shapes or devices that differ, fewer than 2 samples, an empty axis, or integers.
        NonFiniteError: For NaN or infinite inputs on a CPU; on an accelerator the result is NaN.
        ConfigError: For an option out of range.

    Numerics: as `VCReg`: at total collapse the gradient is exactly zero, as soon as both views agree.

    Ranks: with `group`, both are gathered, so that every term is that of the concatenated batch.

    Source: A. Bardes, J. Ponce and Y. LeCun, "VICReg", arXiv 2105.04906, equation 6, and its released code,
    which this follows where the two differ: the code averages the squared difference over coordinates, where
    the text adds them up, and takes the mean of both hinges, where the text adds them.

    Example:
        ```python
        import torch
        from leworld.regularizers import VICReg

        generator = torch.Generator().manual_seed(0)
        embeddings = torch.randn(256, 8, generator=generator)
        others = torch.randn(256, 8, generator=generator)
        assert VICReg()(embeddings, embeddings) < 10 < VICReg()(embeddings, others)
        ```
    """

    def __init__(
        self,
        invariance_weight: float = 25.0,
        *,
        std_weight: float = 25.0,
        covariance_weight: float = 1.0,
        target_std: float = 1.0,
        epsilon: float = 1e-4,
        group: "ProcessGroup | str | None" = None,
    ) -> None:
        super().__init__()
        check_number("VICReg", "invariance_weight", invariance_weight, low=0)
        check_number("VICReg", "std_weight", std_weight, low=0)
        check_number("VICReg", "covariance_weight", covariance_weight, low=0)
        check_number("VICReg", "target_std", target_std, low=0, open_low=True)
        check_number("VICReg", "epsilon", epsilon, low=0, open_low=True)
        check_group("VICReg", group)
        self.invariance_weight = invariance_weight
        self.std_weight = std_weight
        self.covariance_weight = covariance_weight
        self.target_std = target_std
        self.epsilon = epsilon
        self.group = group

    @shapechecked
    def forward(
        self, embeddings: Float[Tensor, "*batch sample dim"], views: Float[Tensor, "*batch sample dim"]
    ) -> Float[Tensor, ""]:
        """Return the weighted sum of the three terms, averaged over leading axes."""
        group = active_group(self.group)
        check_embeddings("VICReg", embeddings, low=2 if group is None else 1)
        check_one_device("VICReg", embeddings=embeddings, views=views)
        dtype = torch.promote_types(embeddings.dtype, views.dtype)
        with torch.autocast(embeddings.device.type, enabled=False):
            both = torch.stack((embeddings, views)).to(accumulation_dtype(dtype))
            value = self._value(gather_samples(both, group))
        if looks(value) and not value.isfinite():
            check_finite("VICReg", "embeddings", embeddings)
            check_finite("VICReg", "views", views)
        return checked_value("VICReg", value, embeddings, shared=group is not None)

    def _value(self, both: Tensor) -> Tensor:
        invariance = (both[0] - both[1]).square().mean()
        std = std_hinge(both, target_std=self.target_std, epsilon=self.epsilon).mean()
        covariance = off_diagonal_covariance(both).mean()
        return (
            self.invariance_weight * invariance
            + self.std_weight * std
            + 2 * self.covariance_weight * covariance
        )

    def extra_repr(self) -> str:
        """Show the settings."""
        return (
            f"invariance_weight={self.invariance_weight}, std_weight={self.std_weight}, "
            f"covariance_weight={self.covariance_weight}, target_std={self.target_std}, "
            f"epsilon={self.epsilon}"
        )
