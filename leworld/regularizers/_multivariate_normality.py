"""MultivariateNormality: any statistic of all coordinates together, as a regularizer."""

from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import describe
from .._config import configurable
from .._distributed import check_group
from .._typing import shapechecked
from ..errors import ConfigError
from ..normality import MultivariateStatistic
from ._regularizer import Regularizer, all_samples

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@final
@configurable(omit=("group",))
class MultivariateNormality(Regularizer):
    """Any multivariate statistic of normality, averaged over the leading axes: no directions, no noise.

    Reach for it when the batch is small: every sample is compared with every other, which costs sample x
    sample x dim. It is also the way to hear about dependence that slices see faintly. In many dimensions look
    at the statistic's scale first: kernels of distances tend to 0 or 1 for all pairs alike.

        mean over leading axes of T(z_1, .., z_N)

    Shapes: embeddings (*batch, sample, dim) -> scalar.

    Args:
        test: What judges the embeddings. Its `null_mean` is the value of perfectly Gaussian ones.
        group: None judges the local batch; "world" or a process group the batch of all its ranks together.

    Raises:
        ShapeError: For fewer than 2 samples (or fewer than `test` needs), an empty axis, or integers.
        NonFiniteError: For NaN or infinite embeddings on a CPU; on an accelerator the result is NaN.
        ConfigError: For a `test` that is no `MultivariateStatistic`.

    Numerics: float16 and bfloat16 are judged in float32, also under autocast; float64 stays float64. A smooth
    statistic treats equal samples equally, so its gradient cannot pull a total collapse apart.

    Randomness and ranks: nothing is random; `generator` is accepted, as by every regularizer, and not used.
    With `group`, embeddings are gathered (ranks may hold different numbers of samples), every rank returns
    the value of the concatenated batch, and after DDP's average over ranks parameters have its exact
    gradient.

    Source: R. Balestriero and Y. LeCun, "LeJEPA", arXiv 2511.08544, appendix F lists the statistics.

    Example:
        ```python
        import torch
        from leworld.normality import BHEP
        from leworld.regularizers import MultivariateNormality

        embeddings = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
        regularizer = MultivariateNormality(BHEP(0.5))
        assert regularizer(embeddings) < regularizer(embeddings + 1)
        ```
    """

    def __init__(self, test: MultivariateStatistic, *, group: "ProcessGroup | str | None" = None) -> None:
        super().__init__()
        if not isinstance(test, MultivariateStatistic):
            raise ConfigError(
                "MultivariateNormality needs `test` to be a multivariate statistic",
                f"`test` is {describe(test)}",
                "Pass an instance of a multivariate class of leworld.normality; statistics of one coordinate "
                "go into `SlicedNormality`",
            )
        check_group("MultivariateNormality", group)
        self.test = test
        self.group = group

    @shapechecked
    def forward(
        self, embeddings: Float[Tensor, "*batch sample dim"], *, generator: torch.Generator | None = None
    ) -> Float[Tensor, ""]:
        """Return the statistic, averaged over leading axes."""
        return self._judge(embeddings, generator)

    def _value(
        self, embeddings: Tensor, group: "ProcessGroup | None", generator: torch.Generator | None
    ) -> Tensor:
        del generator
        return self.test(all_samples(embeddings, group)).mean()
