"""VISReg: centre, scale and shape, each with a gradient of its own."""

import math
from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_number
from .._config import configurable
from .._distributed import check_group
from .._products import product
from .._samples import centred
from .._typing import shapechecked
from ._directions import Directions
from ._regularizer import Regularizer, all_samples
from ._samplers import check_kind

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@final
@configurable(omit=("group",))
class VISReg(Regularizer):
    """Centre, scale and shape of embeddings, judged apart: the gradient does not vanish at a collapse.

    Reach for it when training starts from, or falls into, embeddings that are nearly equal. Costs the matrix
    product of SIGReg and a sort of every projection in place of its sines and cosines.

    With mu_d and s_d the mean and the standard deviation (over N, not N - 1) of coordinate d, fresh unit
    directions a_1..a_S, p_s the sorted projections of the standardised embeddings (z_n - mu) / s on a_s, and
    quantiles q_n = Phi^-1(n / (N + 1)):

        centre = mean_d mu_d^2,   scale = mean_d (s_d - 1)^2,   shape = mean_s mean_n (p_sn - q_n)^2
        VISReg = center_weight centre + scale_weight scale + shape_weight shape

    averaged over the leading axes, each of which is judged on its own. The gradient of `shape` takes s_d as
    given, so that it moves no scale.

    Shapes: embeddings (*batch, sample, dim) -> scalar.

    Args:
        num_slices: Directions a call, from 1 to a million. Published with 256 (the class) and 4096 (the
            released configuration).
        center_weight: Weight of the mean, at least 0. 1 as published, like the two below.
        scale_weight: Weight of the standard deviations, at least 0.
        shape_weight: Weight of the sliced distance, at least 0.
        epsilon: Smallest standard deviation that is divided by, above 0. 1e-6 as published; take 0.1 to lift
            a collapse (see Numerics).
        seed: Where the directions start, at least 0.
        directions: "gaussian", "orthogonal" or "sobol", as in `SIGReg`.
        group: None judges the local batch; "world" or a process group the batch of all its ranks together.

    Raises:
        ShapeError: For fewer than 2 samples, an empty axis, fewer than 2 axes, or integers.
        NonFiniteError: For NaN or infinite embeddings on a CPU; on an accelerator the result is NaN.
        ConfigError: For an option out of range.

    Numerics: float16 and bfloat16 are judged in float32, also under autocast; float64 stays float64. There is
    no factor N: unlike SIGReg's, its weight is not tied to the batch size. Near a collapse the pull of
    `scale` is constant and that of `shape` grows like 1 / s, up to 1 / epsilon. At a total collapse `scale`
    has no gradient, but `shape` has: equal projections are sorted by position, so equal samples are pulled
    apart. Beware: close to a collapse `shape` drowns `scale`, and short steps then move samples to and fro
    at a small spread; a larger epsilon cures that, because projections are then too narrow for `shape`, too.

    Randomness and ranks: seed, step counter and `generator=` as in `SIGReg`. With `group`, embeddings are
    gathered; ranks may hold different numbers of samples.

    Source: H. Wu, R. Balestriero and M. Levine, "VISReg: Variance-Invariance-Sketching Regularization for
    JEPA training", arXiv 2606.02572, and its released code. Differences: directions come from a seed and a
    counter instead of the global generator, and ties are sorted by position.

    Example:
        ```python
        import torch
        from leworld.regularizers import VISReg

        embeddings = torch.randn(128, 16, generator=torch.Generator().manual_seed(0))
        assert VISReg()(embeddings) < 0.1 < VISReg()(0.1 * embeddings)
        ```
    """

    def __init__(
        self,
        num_slices: int = 1024,
        *,
        center_weight: float = 1.0,
        scale_weight: float = 1.0,
        shape_weight: float = 1.0,
        epsilon: float = 1e-6,
        seed: int = 0,
        directions: str = "gaussian",
        group: "ProcessGroup | str | None" = None,
    ) -> None:
        super().__init__()
        weights = {"center_weight": center_weight, "scale_weight": scale_weight, "shape_weight": shape_weight}
        for name, weight in weights.items():
            check_number("VISReg", name, weight, low=0)
        check_number("VISReg", "epsilon", epsilon, low=0, open_low=True)
        check_group("VISReg", group)
        check_kind("VISReg", directions)
        self.directions = Directions("VISReg", num_slices, seed=seed, kind=directions)
        self.center_weight = center_weight
        self.scale_weight = scale_weight
        self.shape_weight = shape_weight
        self.epsilon = epsilon
        self.group = group

    @shapechecked
    def forward(
        self, embeddings: Float[Tensor, "*batch sample dim"], *, generator: torch.Generator | None = None
    ) -> Float[Tensor, ""]:
        """Return the weighted sum of the three, averaged over leading axes."""
        return self._judge(embeddings, generator)

    def _value(
        self, embeddings: Tensor, group: "ProcessGroup | None", generator: torch.Generator | None
    ) -> Tensor:
        directions = self.directions.for_embeddings(embeddings, generator)
        samples = all_samples(embeddings, group)
        num_samples = samples.shape[-2]
        mean = samples.mean(-2, keepdim=True)
        rest = centred(samples)
        std = torch.linalg.vector_norm(rest, dim=-2, keepdim=True) / math.sqrt(num_samples)
        std = std.clamp_min(self.epsilon)
        projections = product(rest / std.detach(), directions)
        ordered = projections.sort(dim=-2, stable=True).values
        ranks = torch.arange(1, num_samples + 1, dtype=samples.dtype, device=samples.device)
        quantiles = torch.special.ndtri(ranks / (num_samples + 1)).unsqueeze(-1)
        return (
            self.center_weight * mean.square().mean()
            + self.scale_weight * (std - 1).square().mean()
            + self.shape_weight * (ordered - quantiles).square().mean()
        )

    def extra_repr(self) -> str:
        """Show the settings that no submodule shows."""
        return (
            f"num_slices={self.directions.num}, center_weight={self.center_weight}, "
            f"scale_weight={self.scale_weight}, shape_weight={self.shape_weight}, epsilon={self.epsilon}, "
            f"seed={self.directions.seed}"
        )
