"""SubspaceSIGReg: SIGReg inside frozen random subspaces."""

from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_number
from .._config import configurable
from .._distributed import check_group
from .._typing import shapechecked
from ..errors import ShapeError
from ..kernels import check_implementation
from ..normality import EppsPulley
from ._directions import MOST_SLICES, Directions
from ._regularizer import Regularizer
from ._samplers import check_kind
from ._sigreg import sliced_epps_pulley
from ._subspaces import embed_directions

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@final
@configurable(omit=("group",))
class SubspaceSIGReg(Regularizer):
    """SIGReg inside random subspaces that never change: the regularizer of Sub-JEPA.

    Reach for it where embeddings should live on a manifold of few dimensions, as in small control tasks: only
    what the subspaces show has to look Gaussian. Costs what SIGReg with num_subspaces x num_slices directions
    does.

    With K subspaces of d dimensions, spanned by the orthonormal columns of A_k (dim x d), fresh unit
    directions a_ks inside them and SIGReg's statistic T of N projections:

        mean_k mean_s T(<z_1, A_k a_ks>, .., <z_N, A_k a_ks>)

    averaged over the leading axes, each of which is judged on its own. In one subspace of all dimensions it
    is SIGReg.

    Shapes: embeddings (*batch, sample, dim) -> scalar.

    Args:
        num_subspaces: K, from 1 to 65,536. 32 in the released configuration.
        subspace_dim: d, at least 1 and at most dim; None takes dim / K rounded down, at least 1. The released
            configuration has 192 / 32 = 6.
        num_slices: Directions a call in each subspace, at least 1, and in all of them at most a million.
            Published with 1024; the mean of the value is the same for any number, and 32 in each of 32
            subspaces are as many as SIGReg's 1024.
        num_knots: Quadrature points on [0, t_max], from 2 to 65,536. 17 as published.
        t_max: Largest frequency, above 0. 3 as published.
        seed: Where subspaces and directions start, at least 0.
        directions: How they are drawn inside a subspace: "gaussian", "orthogonal" or "sobol", as in `SIGReg`.
        implementation: Which kernel computes the sums, see `leworld.kernels.ecf_sums`.
        group: None judges the local batch; "world" or a process group the batch of all its ranks together.

    Raises:
        ShapeError: For fewer than 2 samples, an empty axis, integers, or dim below `subspace_dim`.
        NonFiniteError: For NaN or infinite embeddings on a CPU; on an accelerator the result is NaN.
        ConfigError: For an option out of range.
        KernelUnavailableError: For a named implementation that cannot run here.

    Numerics, scale and collapse: as `SIGReg`: the mean over standard normal embeddings is 1.0525, a misfit
    counts in proportion to N, and at total collapse the gradient is exactly zero. Directions that no subspace
    contains are free.

    Randomness and ranks: the subspaces are a function of `seed`, `num_subspaces` and the two dimensions. They
    are equal on every device and rank, and need no place in a checkpoint. Directions follow from seed and
    step counter as in `SIGReg`; `generator=` replaces those and leaves the subspaces. `group` as in `SIGReg`.

    Source: "Sub-JEPA: Subspace Gaussian Regularization for Stable End-to-End World Models", arXiv 2605.09241,
    and its released code with `init_mode="orthogonal_frozen"`: subspaces are independent of each other, each
    spanned by the Q of a Gaussian matrix. Differences: dim need not be a multiple of the number of subspaces,
    and fewer slices a subspace by default. The trainable projections of that code are left out:
    the paper freezes them, so that encoder and regularizer cannot adapt to each other.

    Example:
        ```python
        import torch
        from leworld.regularizers import SubspaceSIGReg

        embeddings = torch.randn(128, 32, generator=torch.Generator().manual_seed(0))
        regularizer = SubspaceSIGReg(num_subspaces=8)
        assert regularizer(embeddings) < 1.5 < regularizer(0.1 * embeddings)
        ```
    """

    def __init__(
        self,
        num_subspaces: int = 32,
        subspace_dim: int | None = None,
        *,
        num_slices: int = 32,
        num_knots: int = 17,
        t_max: float = 3.0,
        seed: int = 0,
        directions: str = "gaussian",
        implementation: str = "auto",
        group: "ProcessGroup | str | None" = None,
    ) -> None:
        super().__init__()
        check_number("SubspaceSIGReg", "num_subspaces", num_subspaces, low=1, high=65_536, integer=True)
        most = MOST_SLICES // num_subspaces
        check_number("SubspaceSIGReg", "num_slices", num_slices, low=1, high=most, integer=True)
        if subspace_dim is not None:
            check_number("SubspaceSIGReg", "subspace_dim", subspace_dim, low=1, integer=True)
        check_implementation("ecf_sums", implementation, owner="SubspaceSIGReg")
        check_group("SubspaceSIGReg", group)
        check_kind("SubspaceSIGReg", directions)
        self.directions = Directions("SubspaceSIGReg", num_subspaces * num_slices, seed=seed, kind=directions)
        self.statistic = EppsPulley(num_knots, t_max)
        self.num_subspaces = int(num_subspaces)
        self.subspace_dim = subspace_dim
        self.implementation = implementation
        self.group = group

    @shapechecked
    def forward(
        self, embeddings: Float[Tensor, "*batch sample dim"], *, generator: torch.Generator | None = None
    ) -> Float[Tensor, ""]:
        """Return the statistic, averaged over subspaces, directions and leading axes."""
        return self._judge(embeddings, generator)

    def _value(
        self, embeddings: Tensor, group: "ProcessGroup | None", generator: torch.Generator | None
    ) -> Tensor:
        dim = embeddings.shape[-1]
        inside = self.directions.for_embeddings(embeddings, generator, dim=self._subspace_dim(dim))
        return sliced_epps_pulley(
            embeddings,
            embed_directions(inside, self.directions.seed, dim, self.num_subspaces),
            statistic=self.statistic,
            implementation=self.implementation,
            group=group,
        )

    def _subspace_dim(self, dim: int) -> int:
        if self.subspace_dim is None:
            return max(1, dim // self.num_subspaces)
        if self.subspace_dim > dim:
            raise ShapeError(
                f"SubspaceSIGReg needs at least `subspace_dim` = {self.subspace_dim} dimensions",
                f"`embeddings` has dim={dim}",
                "Choose smaller subspaces, or None for dim / num_subspaces",
            )
        return self.subspace_dim

    def extra_repr(self) -> str:
        """Show the settings that no submodule shows."""
        slices = self.directions.num // self.num_subspaces
        return (
            f"num_subspaces={self.num_subspaces}, subspace_dim={self.subspace_dim}, num_slices={slices}, "
            f"seed={self.directions.seed}"
        )
