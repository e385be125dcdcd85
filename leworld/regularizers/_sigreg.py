"""SIGReg: the sliced Epps-Pulley statistic with fresh directions every step."""

from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Float
from torch import Tensor

from .._config import configurable
from .._distributed import check_group, sum_over_ranks
from .._typing import shapechecked
from ..kernels import check_implementation, ecf_sums
from ..normality import EppsPulley
from ._directions import Directions
from ._regularizer import Regularizer
from ._samplers import check_kind

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@final
@configurable(omit=("group",))
class SIGReg(Regularizer):
    """Distance of embeddings from an isotropic Gaussian, seen along fresh random directions.

    The regularizer of LeWorldModel and LeJEPA: the one term that keeps their encoders from collapsing. Costs
    one matrix product of (sample, dim) with (dim, slice) each way and, through `leworld.kernels.ecf_sums`,
    one or two sines and cosines a projection; nothing of size sample x slice x knot is stored.

    With embeddings z_1..z_N in dim dimensions, unit directions a_1..a_S, phi(t) = exp(-t^2 / 2), knots t_j
    and doubled trapezoid weights q_j (see `leworld.normality.EppsPulley`):

        SIGReg = mean_s N sum_j q_j phi(t_j) | mean_n exp(i t_j <z_n, a_s>) - phi(t_j) |^2

    averaged over the leading axes, each of which is judged on its own. The directions are drawn anew each
    call.

    Shapes: embeddings (*batch, sample, dim) -> scalar. A model's embeddings are (batch, time, dim): pass
    `embeddings.transpose(0, 1)`, so that each time step is judged over the batch, as LeWorldModel does.

    The scale, and what it does to the weight: the statistic is multiplied by N, so that its mean over
    standard normal embeddings is 1.0525 whatever N. For any fixed misfit it grows in proportion to N, and so
    does its pull against a loss that is a mean over samples: **lambda is tied to the batch size** (0.09 in
    LeWorldModel's released configuration, 0.1 in its text, both with 128 samples). Other public versions
    scale as follows:

    - le-wm, stable-worldmodel, torch-world, LeJEPA's minimal example: as here (256 slices in the example).
    - lejepa, stable-pretraining: N is the global batch, local batch times ranks; stable-pretraining also
      pools views into one sample axis. lightly: global N when it gathers, else as here.
    - eb_jepa: no factor N, and a trapezoid of 10 knots over [-3, 3]; multiply by N to compare (null 1.0503).
    - LeJEPA's and lightly's objectives are convex, (1 - lambda) prediction + lambda SIGReg; LeWorldModel's is
      prediction + lambda SIGReg.

    Args:
        num_slices: Directions a call, from 1 to a million. 1024 as published; fewer are cheaper and noisier.
        num_knots: Quadrature points on [0, t_max], from 2 to 65,536. 17 as published.
        t_max: Largest frequency, above 0. 3 as published.
        seed: Where the directions start, at least 0.
        directions: "gaussian" as published; "orthogonal" in blocks of `dim` orthonormal ones; "sobol" from a
            scrambled Sobol sequence (LeJEPA, appendix D), which fills spheres of few dimensions evenly and is
            drawn on the CPU. Each single direction is uniform in all three, so they share their mean and
            differ in noise.
        implementation: Which kernel computes the sums, see `leworld.kernels.ecf_sums`.
        group: None judges the local batch; "world" or a process group the batch of all its ranks together.

    Raises:
        ShapeError: For fewer than 2 samples, an empty axis, fewer than 2 axes, or integers.
        NonFiniteError: For NaN or infinite embeddings on a CPU. On an accelerator this check would wait for
            the device, so there the result is NaN instead.
        ConfigError: For an option out of range.
        KernelUnavailableError: For a named implementation that cannot run here.

    Numerics: float16 and bfloat16 are projected and accumulated in float32, also under autocast; float64
    stays float64; the result has the accumulation dtype. The gradient is bounded. At total collapse (all
    embeddings zero) the value is 0.402 N and **the gradient is exactly zero**: SIGReg keeps embeddings from
    collapsing but cannot lift them out of an exact collapse. Far out (embeddings of huge norm) it scatters
    about 1.26 N, and its gradient points nowhere. A CPU computes projections above about 1000 in float64.

    Randomness and ranks: directions follow from `seed` and a step counter on the CPU that advances with each
    call in training mode and travels in the state dict as extra state, so a resumed run draws what an
    uninterrupted one would, and ranks agree without communication. `generator=` replaces both for one call; a
    generator in the state of a torch global generator gives the directions of the published formula, which
    draws `randn(dim, num_slices)` and divides columns by their norms (`directions="gaussian"`). A model
    rebuilt from a checkpoint without the counter starts at step 0.

    With `group`, sums over samples are added over ranks (one all-reduce of 2 x knot x slice numbers a leading
    index; ranks may hold different numbers of samples): every rank returns the statistic of the concatenated
    batch, and after DDP's average over ranks parameters have its exact gradient. Until then a rank's gradient
    is the ranks' number times its share. Ranks need equal seeds and counters.

    Source: R. Balestriero and Y. LeCun, "LeJEPA", arXiv 2511.08544, definition 2 and algorithm 1; L. Maes et
    al., "LeWorldModel", arXiv 2603.19312, equation 2. The papers' texts differ from their code in range and
    number of knots (17 on [-5, 5]; nodes on [0.2, 4]); this follows the code, whose knots are 17 on [0, 3].

    Example:
        ```python
        import torch
        from leworld import SIGReg

        embeddings = torch.randn(128, 32, generator=torch.Generator().manual_seed(0))
        sigreg = SIGReg()
        assert sigreg(embeddings) < 1.5 < sigreg(0.1 * embeddings)
        ```
    """

    def __init__(
        self,
        num_slices: int = 1024,
        num_knots: int = 17,
        *,
        t_max: float = 3.0,
        seed: int = 0,
        directions: str = "gaussian",
        implementation: str = "auto",
        group: "ProcessGroup | str | None" = None,
    ) -> None:
        super().__init__()
        check_implementation("ecf_sums", implementation, owner="SIGReg")
        check_group("SIGReg", group)
        check_kind("SIGReg", directions)
        self.directions = Directions("SIGReg", num_slices, seed=seed, kind=directions)
        self.statistic = EppsPulley(num_knots, t_max)
        self.implementation = implementation
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
        return sliced_epps_pulley(
            embeddings,
            self.directions.for_embeddings(embeddings, generator),
            statistic=self.statistic,
            implementation=self.implementation,
            group=group,
        )

    def extra_repr(self) -> str:
        """Show the settings that no submodule shows."""
        return f"num_slices={self.directions.num}, seed={self.directions.seed}"


def sliced_epps_pulley(
    embeddings: Tensor,
    directions: Tensor,
    *,
    statistic: EppsPulley,
    implementation: str,
    group: "ProcessGroup | None",
) -> Tensor:
    """Return the statistic, averaged over directions (dim, slice) and leading axes, of all ranks' samples."""
    sums = ecf_sums(
        embeddings,
        directions,
        spacing=statistic.spacing,
        num_knots=statistic.num_knots - 1,
        implementation=implementation,
    )
    num_samples: int | Tensor = embeddings.shape[-2]
    if group is not None:
        total = sum_over_ranks(torch.cat([sums.flatten(), sums.new_full((1,), num_samples)]), group)
        sums, num_samples = total[:-1].view_as(sums), total[-1]
    return statistic.from_sums(sums, num_samples).mean()
