"""SlicedNormality: any univariate statistic, averaged over fresh directions every step."""

from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import describe
from .._config import configurable
from .._distributed import check_group
from .._typing import shapechecked
from ..errors import ConfigError
from ..normality import UnivariateStatistic, sliced_statistic
from ._directions import Directions
from ._regularizer import Regularizer, all_samples
from ._samplers import check_kind

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@final
@configurable(omit=("group",))
class SlicedNormality(Regularizer):
    """Any univariate statistic of normality, averaged over fresh random directions.

    Reach for it to compare statistics, or for one whose gradient survives where SIGReg's vanishes. For
    `EppsPulley` take `SIGReg`, which gives the same value faster. Costs one matrix product of (sample, dim)
    with (dim, slice) and the statistic of sample x slice numbers, with what it stores for its gradient.

    With embeddings z_1..z_N, unit directions a_1..a_S and a statistic T of N numbers:

        mean_s T(<z_1, a_s>, .., <z_N, a_s>)

    averaged over the leading axes, each of which is judged on its own. The scale is the statistic's; so is
    what it does with N (`test.null_mean(N)` is the value of perfectly Gaussian embeddings).

    Shapes: embeddings (*batch, sample, dim) -> scalar.

    Args:
        test: What judges a projection.
        num_slices: Directions a call, from 1 to a million.
        seed: Where the directions start, at least 0.
        directions: "gaussian", "orthogonal" or "sobol", as in `SIGReg`.
        group: None judges the local batch; "world" or a process group the batch of all its ranks together.

    Raises:
        ShapeError: For fewer than 2 samples (or fewer than `test` needs), an empty axis, or integers.
        NonFiniteError: For NaN or infinite embeddings on a CPU; on an accelerator the result is NaN.
        ConfigError: For an option out of range, or a `test` that is no `UnivariateStatistic`.

    Numerics: float16 and bfloat16 are projected and judged in float32, also under autocast; float64 stays
    float64. Whether the gradient survives a collapse is up to the statistic. Smooth ones (Epps-Pulley) treat
    equal samples equally and cannot pull them apart; ones of sorted samples break ties by position, and can.

    Randomness and ranks: as `SIGReg`, whose seed, step counter, `generator=` and gradient convention it
    shares. With `group`, embeddings are gathered; ranks may hold different numbers of samples.

    Source: R. Balestriero and Y. LeCun, "LeJEPA", arXiv 2511.08544, definition 2 with any test of section 4.
    Difference from the released code: the sample axis of every test is the second to last, and directions
    come from a seed and a counter instead of one synchronised over ranks.

    Example:
        ```python
        import torch
        from leworld.normality import EppsPulley
        from leworld.regularizers import SIGReg, SlicedNormality

        embeddings = torch.randn(64, 16, generator=torch.Generator().manual_seed(0))
        value = SlicedNormality(EppsPulley(), 128)(embeddings)
        assert torch.allclose(value, SIGReg(128)(embeddings))
        ```
    """

    def __init__(
        self,
        test: UnivariateStatistic,
        num_slices: int = 1024,
        *,
        seed: int = 0,
        directions: str = "gaussian",
        group: "ProcessGroup | str | None" = None,
    ) -> None:
        super().__init__()
        if not isinstance(test, UnivariateStatistic):
            raise ConfigError(
                "SlicedNormality needs `test` to be a univariate statistic",
                f"`test` is {describe(test)}",
                "Pass an instance of a class of leworld.normality, such as `EppsPulley()`; statistics of all "
                "coordinates together go into `MultivariateNormality`",
            )
        check_group("SlicedNormality", group)
        check_kind("SlicedNormality", directions)
        self.directions = Directions("SlicedNormality", num_slices, seed=seed, kind=directions)
        self.test = test
        self.group = group

    @shapechecked
    def forward(
        self, embeddings: Float[Tensor, "*batch sample dim"], *, generator: torch.Generator | None = None
    ) -> Float[Tensor, ""]:
        """Return the statistic, averaged over directions and leading axes."""
        return self._judge(embeddings, generator)

    def _value(
        self, embeddings: Tensor, group: "ProcessGroup | None", generator: torch.Generator | None
    ) -> Tensor:
        directions = self.directions.for_embeddings(embeddings, generator)
        return sliced_statistic(self.test, all_samples(embeddings, group), directions=directions).mean()

    def extra_repr(self) -> str:
        """Show the settings that no submodule shows."""
        return f"num_slices={self.directions.num}, seed={self.directions.seed}"
