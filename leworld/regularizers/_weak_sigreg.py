"""WeakSIGReg: a sketch of the covariance, pulled to the identity."""

import math
from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import accumulation_dtype, check_choice, check_number
from .._config import configurable
from .._distributed import check_group, gather_samples
from .._products import product
from .._samples import centred
from .._typing import shapechecked
from ._directions import Directions
from ._regularizer import Regularizer

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@final
@configurable(omit=("group",))
class WeakSIGReg(Regularizer):
    """Frobenius distance of a sketched covariance from the identity: second moments only.

    A cheap stabiliser for networks that need spread-out features and no Gaussian shape; published for
    supervised training. It sees neither the mean nor anything beyond second moments. Costs two matrix
    products: (sample, dim) with (dim, sketch), and that with itself.

    With embeddings z_1..z_N, a fresh sketch S of `sketch_dim` columns in dim dimensions (none when dim is at
    most `sketch_dim`) and x_n = S^T z_n:

        || sum_n (x_n - mean x)(x_n - mean x)^T / (N - 1) - I ||_F

    averaged over the leading axes, each of which is judged on its own.

    Shapes: embeddings (*batch, sample, dim) -> scalar.

    Args:
        sketch_dim: Size of the sketched covariance, from 1 to 16,384. 64 as published. With N samples of
            which fewer than `sketch_dim` + 1 are there, the value cannot fall below sqrt(sketch_dim + 1 - N).
        seed: Where the sketches start, at least 0.
        sketch: "gaussian" as published, entries of variance 1 / dim. Its columns are not orthonormal, so even
            embeddings of identity covariance score about sketch_dim / sqrt(dim). "orthogonal" has orthonormal
            columns, for which they score 0 but for sampling noise.
        group: None judges the local batch; "world" or a process group the batch of all its ranks together.

    Raises:
        ShapeError: For fewer than 2 samples, an empty axis, fewer than 2 axes, or integers.
        NonFiniteError: For NaN or infinite embeddings on a CPU; on an accelerator the result is NaN.
        ConfigError: For an option out of range.

    Numerics: float16 and bfloat16 are accumulated in float32, also under autocast; float64 stays float64. The
    norm is not squared: its gradient does not shrink as the covariance nears the identity, and is taken as 0
    at equality. At total collapse the value is sqrt(sketch_dim) and **the gradient is exactly zero**, because
    the covariance is quadratic in the spread; near a collapse the pull is proportional to the spread.

    Randomness and ranks: seed, step counter and `generator=` as in `SIGReg`; embeddings that are not sketched
    draw nothing. With `group`, embeddings are gathered; ranks may hold different numbers of samples.

    Source: H. Akbar, "Weak-SIGReg: Covariance Regularization for Stable Deep Learning", arXiv 2603.05924, and
    its released code, which draws `randn(sketch_dim, dim) / sqrt(dim)` every call. Difference: it divides by
    N - 1 + 1e-6, this by N - 1.

    Example:
        ```python
        import torch
        from leworld.regularizers import WeakSIGReg

        embeddings = torch.randn(256, 8, generator=torch.Generator().manual_seed(0))
        assert WeakSIGReg()(embeddings) < 1 < WeakSIGReg()(2 * embeddings)
        ```
    """

    def __init__(
        self,
        sketch_dim: int = 64,
        *,
        seed: int = 0,
        sketch: str = "gaussian",
        group: "ProcessGroup | str | None" = None,
    ) -> None:
        super().__init__()
        check_number("WeakSIGReg", "sketch_dim", sketch_dim, low=1, high=16_384, integer=True)
        check_choice("WeakSIGReg", "sketch", sketch, ("gaussian", "orthogonal"))
        check_group("WeakSIGReg", group)
        kind = "sketch" if sketch == "gaussian" else sketch
        self.directions = Directions("WeakSIGReg", sketch_dim, seed=seed, kind=kind)
        self.sketch = sketch
        self.group = group

    @shapechecked
    def forward(
        self, embeddings: Float[Tensor, "*batch sample dim"], *, generator: torch.Generator | None = None
    ) -> Float[Tensor, ""]:
        """Return the distance, averaged over leading axes."""
        return self._judge(embeddings, generator)

    def _value(
        self, embeddings: Tensor, group: "ProcessGroup | None", generator: torch.Generator | None
    ) -> Tensor:
        samples = embeddings.to(accumulation_dtype(embeddings.dtype))
        if samples.shape[-1] > self.directions.num:
            samples = product(samples, self.directions.for_embeddings(samples, generator))
        return _distance_from_identity(gather_samples(samples, group)).mean()

    def extra_repr(self) -> str:
        """Show the settings that no submodule shows."""
        return f"sketch_dim={self.directions.num}, seed={self.directions.seed}, sketch={self.sketch!r}"


def _distance_from_identity(samples: Tensor) -> Tensor:
    rest = centred(samples) / math.sqrt(samples.shape[-2] - 1)
    covariance = product(rest.mT, rest)
    identity = torch.eye(covariance.shape[-1], dtype=samples.dtype, device=samples.device)
    return torch.linalg.vector_norm(covariance - identity, dim=(-2, -1))
