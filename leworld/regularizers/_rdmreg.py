"""RDMReg: embeddings that are sparse and not negative, matched to a rectified distribution slice by slice."""

from typing import TYPE_CHECKING, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import accumulation_dtype, check_choice, check_number
from .._config import configurable
from .._distributed import check_group
from .._products import product
from .._random import fold_seed
from .._typing import shapechecked
from ._directions import Directions
from ._regularizer import Regularizer, all_samples
from ._samplers import check_kind

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

_TARGETS = 1  # mixed into the seed: target samples share nothing with directions


@final
@configurable(omit=("group",))
class RDMReg(Regularizer):
    """Sliced Wasserstein distance of embeddings from a rectified distribution, such as a rectified Laplace.

    The regularizer of LpWM and Rectified LpJEPA: instead of a Gaussian it asks for embeddings of which a
    share is exactly zero. They must not be negative: let both projectors end in a `leworld.nn.RepReLU`
    (`Projector(..., rectify=True)`). Costs the matrix product of SIGReg twice and two sorts of every
    projection in place of sines and cosines.

    With embeddings z_1..z_N, fresh samples y_n of the target, whose coordinates are independent
    max(0, location + x), x of mean 0 and variance 1, and fresh unit directions a_1..a_S:

        RDMReg = mean_s mean_n (sorted <z, a_s> - sorted <y, a_s>)_n^2

    averaged over the leading axes, each of which is judged on its own. It is the squared 2-Wasserstein
    distance of two samples along each direction.

    Shapes: embeddings (*batch, sample, dim) -> scalar.

    Args:
        num_slices: Directions a call, from 1 to a million. 512 as published.
        target: Distribution of x: "laplace" (p = 1 in the paper) as published for world models, or "gaussian"
            (p = 2).
        location: Shift of x before it is rectified. At 0 half of all entries are zero; below it more are.
        seed: Where directions and target samples start, at least 0.
        directions: "gaussian", "orthogonal" or "sobol", as in `SIGReg`.
        group: None judges the local batch; "world" or a process group the batch of all its ranks together.

    Raises:
        ShapeError: For fewer than 2 samples, an empty axis, fewer than 2 axes, or integers.
        NonFiniteError: For NaN or infinite embeddings on a CPU; on an accelerator the result is NaN.
        ConfigError: For an option out of range.

    Numerics: float16 and bfloat16 are projected and judged in float32, also under autocast; float64 stays
    float64. There is no factor N: its weight is not tied to the batch size. Two samples of one distribution
    differ, so that the value is above 0 also for embeddings that match; that floor falls with N. At a
    collapse the gradient does not vanish: equal projections are sorted by position, so that equal samples
    are pulled apart.

    Randomness and ranks: seed, step counter and `generator=` as in `SIGReg`; the generator gives directions
    first, then target samples. All leading indices are compared with the same target samples. With `group`,
    embeddings are gathered; ranks may hold different numbers of samples, and need equal seeds and counters.

    Source: Y. Kuang et al., "LpWM", arXiv 2608.22764, and "Rectified LpJEPA", arXiv 2602.01456, and their
    released code. They report up to 57 points more success than dense embeddings with small or linear
    predictors, and none with LeWorldModel's predictor; we have not checked that. Differences: theirs draws
    target samples for every time step apart and takes any p; its division of the target by its root mean
    square (off by default) is left out.

    Example:
        ```python
        import torch
        from leworld.regularizers import RDMReg

        generator = torch.Generator().manual_seed(0)
        first, second = torch.empty(2, 256, 8).exponential_(generator=generator)
        sparse = (first - second).relu() / 2**0.5
        regularizer = RDMReg(64).eval()
        assert regularizer(sparse) < 0.05 < regularizer(torch.randn(256, 8, generator=generator))
        ```
    """

    def __init__(
        self,
        num_slices: int = 512,
        *,
        target: Literal["laplace", "gaussian"] = "laplace",
        location: float = 0.0,
        seed: int = 0,
        directions: str = "gaussian",
        group: "ProcessGroup | str | None" = None,
    ) -> None:
        super().__init__()
        check_choice("RDMReg", "target", target, ("laplace", "gaussian"))
        check_number("RDMReg", "location", location)
        check_group("RDMReg", group)
        check_kind("RDMReg", directions)
        self.directions = Directions("RDMReg", num_slices, seed=seed, kind=directions)
        kind = "laplace" if target == "laplace" else "normal"
        self.targets = Directions("RDMReg", 1, seed=fold_seed(seed, _TARGETS), kind=kind)
        self.location = location
        self.group = group

    @shapechecked
    def forward(
        self, embeddings: Float[Tensor, "*batch sample dim"], *, generator: torch.Generator | None = None
    ) -> Float[Tensor, ""]:
        """Return the squared distance, averaged over directions and leading axes."""
        return self._judge(embeddings, generator)

    def _value(
        self, embeddings: Tensor, group: "ProcessGroup | None", generator: torch.Generator | None
    ) -> Tensor:
        directions = self.directions.for_embeddings(embeddings, generator)
        samples = all_samples(embeddings, group)
        count, dim = samples.shape[-2:]
        drawn = self.targets(
            dim,
            num=count,
            device=embeddings.device,
            dtype=accumulation_dtype(embeddings.dtype),
            generator=generator,
        )
        due = product((drawn.T + self.location).relu(), directions).sort(dim=-2).values
        found = product(samples, directions).sort(dim=-2, stable=True).values
        return (found - due).square().mean()

    def extra_repr(self) -> str:
        """Show the settings that no submodule shows."""
        return (
            f"num_slices={self.directions.num}, target={self.targets.kind!r}, location={self.location}, "
            f"seed={self.directions.seed}"
        )
