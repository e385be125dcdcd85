"""ExactSIGReg: SIGReg with infinitely many directions, in closed form."""

from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Float
from torch import Tensor

from .._config import configurable
from .._distributed import check_group
from .._typing import shapechecked
from ..kernels import check_implementation
from ..kernels.sphere_mixture import Mixture, sphere_discrepancy
from ..normality import EppsPulley
from ._regularizer import Regularizer, all_samples

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@final
@configurable(omit=("group",))
class ExactSIGReg(Regularizer):
    """The mean of SIGReg over all directions: no projections, no noise, no seed.

    Reach for it when the batch is not much larger than the embedding: its cost is the Gram matrix of the
    samples, sample x sample x dim for the value and as much for the gradient, against sample x dim x slice
    for `SIGReg`. Both are made in the forward pass, which keeps nothing of size sample x sample. Its value
    and gradient are those of `SIGReg` with infinitely many slices.

    A direction drawn uniformly sees the difference of two samples through the characteristic function of the
    unit sphere, L(s) = 0F1(; dim / 2; -s^2 / 4). With knots t_j, phi(t) = exp(-t^2 / 2) and weights w_j = q_j
    phi(t_j) as in `leworld.normality.EppsPulley`, the mean over directions is

        N [ mean_mn sum_j w_j L(t_j |z_m - z_n|) - 2 mean_n sum_j w_j phi(t_j) L(t_j |z_n|)
            + sum_j w_j phi(t_j)^2 ]

    averaged over the leading axes, each of which is judged on its own.

    Shapes: embeddings (*batch, sample, dim) -> scalar. A model's embeddings are (batch, time, dim): pass
    `embeddings.transpose(0, 1)`.

    Args:
        num_knots: Quadrature points on [0, t_max], from 2 to 65,536. 17 as published for SIGReg.
        t_max: Largest frequency, above 0. 3 as published for SIGReg.
        implementation: "auto", "native" (C; CPU, float32), "table" (interpolation in
            PyTorch, float32) or "reference" (Gauss quadrature in float64).
        group: None judges the local batch; "world" or a process group the batch of all its ranks together.

    Raises:
        ShapeError: For fewer than 2 samples, an empty axis, fewer than 2 axes, or integers.
        NonFiniteError: For NaN or infinite embeddings on a CPU; on an accelerator the result is NaN.
        ConfigError: For an option out of range.
        KernelUnavailableError: For a named implementation that cannot run here.

    Numerics: float16 and bfloat16 are judged in float32, sums over pairs are taken in float64; float64 inputs
    take the quadrature, which is slow for many samples. The value is a small difference of numbers of order
    N, so in float32 its error is a few 1e-7 times N. L is evaluated by a Gauss quadrature of positive weights
    for near and by an asymptotic series for far distances: no dimension or distance overflows, and far pairs
    keep the gradient that they have. Tables are built at first use and again when distances double. At total
    collapse the gradient is exactly zero, as SIGReg's is.

    Randomness and ranks: nothing is random; `generator` is accepted, as by every regularizer, and not used.
    With `group`, embeddings are gathered (ranks may hold different numbers of samples), every rank returns
    the value of the concatenated batch, and after DDP's average over ranks parameters have its exact
    gradient.

    Source: the closed form is worked out here from the definition in R. Balestriero and Y. LeCun, "LeJEPA",
    arXiv 2511.08544; for kernel views of the same regularizer see "KerJEPA", arXiv 2512.19605. Quadrature
    nodes after G. Golub and J. Welsch (1969).

    Example:
        ```python
        import torch
        from leworld.regularizers import ExactSIGReg, SIGReg

        embeddings = torch.randn(64, 16, generator=torch.Generator().manual_seed(0))
        exact, sliced = ExactSIGReg()(embeddings), SIGReg(num_slices=8192)(embeddings)
        assert abs(sliced / exact - 1) < 0.05
        ```
    """

    def __init__(
        self,
        num_knots: int = 17,
        t_max: float = 3.0,
        *,
        implementation: str = "auto",
        group: "ProcessGroup | str | None" = None,
    ) -> None:
        super().__init__()
        check_implementation("sphere_discrepancy", implementation, owner="ExactSIGReg")
        check_group("ExactSIGReg", group)
        self.statistic = EppsPulley(num_knots, t_max)
        self.implementation = implementation
        self.group = group

    @shapechecked
    def forward(
        self, embeddings: Float[Tensor, "*batch sample dim"], *, generator: torch.Generator | None = None
    ) -> Float[Tensor, ""]:
        """Return the statistic, averaged over all directions and over leading axes."""
        return self._judge(embeddings, generator)

    def _value(
        self, embeddings: Tensor, group: "ProcessGroup | None", generator: torch.Generator | None
    ) -> Tensor:
        del generator
        samples = all_samples(embeddings, group)
        samples = samples.reshape(-1, *samples.shape[-2:])
        statistic = self.statistic
        knots, weights, targets = statistic.knots[1:], statistic.weights[1:], statistic.targets[1:]
        weighted = tuple(w * target for w, target in zip(weights, targets, strict=True))
        constant = sum(w * target for w, target in zip(weighted, targets, strict=True))
        dim = samples.shape[-1]
        pairs, points = Mixture(dim, knots, weights), Mixture(dim, knots, weighted)
        return sphere_discrepancy(pairs, points, constant, samples, implementation=self.implementation)
