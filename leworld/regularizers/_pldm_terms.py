"""PLDMTerms: what PLDM adds to the prediction error, by name."""

from typing import TYPE_CHECKING, ClassVar, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import check_choice, check_number, describe
from .._config import configurable
from .._typing import shapechecked
from ..errors import ConfigError
from ._temporal_similarity import TemporalSimilarity
from ._temporal_vcreg import TemporalVCReg
from ._vcreg import VCReg

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@final
@configurable(omit=("group",))
class PLDMTerms(nn.Module):
    """PLDM's terms beside the prediction error, each by name and with its weight, in published units.

    The regularizer of `leworld.models.PLDM`. A loss over trajectories, not a regularizer of samples: it takes
    a model's embeddings and actions as they are. A term of weight 0 is not computed.

        std               hinge on each coordinate's deviation over the batch, of every frame
        covariance        squared covariances over the batch between coordinates, of every frame
        time_std          hinge on the deviation over a trajectory's frames, each centred over the batch
        time_covariance   squared covariances over a trajectory's frames
        similarity        mean (z_t+1 - z_t)^2
        inverse_dynamics  mean (head([z_t+1, z_t]) - a_t)^2, a_t the normalised action block

    `VCReg`, `TemporalVCReg`, `TemporalSimilarity` and `InverseDynamics` define them; both covariances are
    divided by dim (dim - 1). With `variant="original"` std and covariance look at the first frame only,
    time_std and time_covariance at the frames after it, centred over time in place of the batch.

    Shapes: embeddings (batch, time, dim) and actions (batch, time, action), as in `leworld.data.Batch` ->
    scalar, the weighted sum. At least 2 trajectories of 2 frames, 3 for the original's terms over time.

    Args:
        std_weight: At least 0, like the five below. The defaults are the released ones.
        covariance_weight: See `std_weight`. In units of a division by dim it is 12 / (dim - 1).
        time_std_weight: See `std_weight`.
        time_covariance_weight: See `std_weight`.
        similarity_weight: See `std_weight`.
        inverse_dynamics_weight: See `std_weight`.
        inverse_dynamics: The head of that term, called with embeddings and actions; it is trained along. The
            released one is `InverseDynamics(192, 10, hidden_dim=512, layer_norm=True, next_first=True)`, the
            original `InverseDynamics(512, 2, hidden_dim=512, activation="relu")`.
        variant: "released" as in LeWorldModel's baseline, or "original" as by PLDM's authors.
        log_all: Whether `values` holds terms of weight 0 too, computed without gradient, for the log.
        group: None judges the local batch; "world" or a process group compares the batch of all its ranks
            (all terms but similarity and inverse dynamics, which compare nothing).

    Raises:
        ShapeError: For fewer than 2 trajectories or frames, an empty axis, integers, or other sizes than the
            head's.
        NonFiniteError: For NaN or infinite inputs on a CPU; on an accelerator the result is NaN.
        ConfigError: For an option out of range, or a weight of inverse dynamics without a head.

    Numerics, randomness and ranks: those of the parts; nothing is random.

    Source: stable-worldmodel 0.1.1, `PLDMLoss` and its training configuration, the baseline of Maes et al.,
    LeWorldModel, 2026 (arXiv 2603.19312), appendix C.2, whose search over 256 settings on Push-T chose the
    default weights; V. Sobal et al., "PLDM", arXiv 2502.14819, and its released code (`VICRegObjective`).

    Example:
        ```python
        import torch
        from leworld.regularizers import PLDMTerms

        terms = PLDMTerms()
        embeddings, actions = torch.randn(16, 4, 8), torch.zeros(16, 4, 2)
        values = terms.values(embeddings, actions)
        assert set(values) == {"std", "covariance", "time_std", "similarity"}
        total = sum(terms.weights[name] * value for name, value in values.items())
        assert torch.allclose(terms(embeddings, actions), total)
        ```
    """

    reads: ClassVar[str] = "actions"
    names: ClassVar[tuple[str, ...]] = (
        "std",
        "covariance",
        "time_std",
        "time_covariance",
        "similarity",
        "inverse_dynamics",
    )

    def __init__(
        self,
        std_weight: float = 18.0,
        covariance_weight: float = 12.0,
        *,
        time_std_weight: float = 0.7,
        time_covariance_weight: float = 0.0,
        similarity_weight: float = 0.2,
        inverse_dynamics_weight: float = 0.0,
        inverse_dynamics: nn.Module | None = None,
        variant: Literal["released", "original"] = "released",
        log_all: bool = False,
        group: "ProcessGroup | str | None" = None,
    ) -> None:
        super().__init__()
        check_choice("PLDMTerms", "variant", variant, ("released", "original"))
        self.std_weight = std_weight
        self.covariance_weight = covariance_weight
        self.time_std_weight = time_std_weight
        self.time_covariance_weight = time_covariance_weight
        self.similarity_weight = similarity_weight
        self.inverse_dynamics_weight = inverse_dynamics_weight
        for name, weight in self.weights.items():
            check_number("PLDMTerms", f"{name}_weight", weight, low=0.0)
        if inverse_dynamics is not None and not isinstance(inverse_dynamics, nn.Module):
            raise ConfigError(
                "PLDMTerms needs `inverse_dynamics` to be a module or None",
                f"it is {describe(inverse_dynamics)}",
                "Pass for example `InverseDynamics(dim, action_dim, hidden_dim=512)`",
            )
        self.variant = variant
        self.log_all = log_all
        centred = "batch" if variant == "released" else "time"
        self.std = VCReg(1.0, 0.0, group=group)
        self.covariance = VCReg(0.0, 1.0, covariance_scale="pairs", group=group)
        self.time_std = TemporalVCReg(1.0, 0.0, centred=centred, group=group)
        self.time_covariance = TemporalVCReg(0.0, 1.0, centred=centred, group=group)
        self.similarity = TemporalSimilarity()
        self.register_module("inverse_dynamics", inverse_dynamics)
        self._check_head()

    @property
    def weights(self) -> dict[str, float]:
        """The weight of every term by its name, as it is now."""
        return {name: getattr(self, f"{name}_weight") for name in self.names}

    @shapechecked
    def forward(
        self,
        embeddings: Float[Tensor, "batch time dim"],
        actions: Float[Tensor, "batch time action"],
        *,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, ""]:
        """Return the weighted sum of the terms; `generator` is not used."""
        del generator
        weights = self.weights
        weighted = [weights[name] * value for name, value in self.values(embeddings, actions).items()]
        return sum(weighted, embeddings.new_zeros(()))

    @shapechecked
    def values(
        self,
        embeddings: Float[Tensor, "batch time dim"],
        actions: Float[Tensor, "batch time action"],
    ) -> dict[str, Tensor]:
        """Return the terms before their weights, by name: those with a weight, with `log_all` every one.

        Args:
            embeddings: (batch, time, dim).
            actions: (batch, time, action); the last one leaves the window and is not looked at.
        """
        self._check_head()
        found = {}
        for name, weight in self.weights.items():
            if weight:
                found[name] = self._value(name, embeddings, actions)
            elif self.log_all and getattr(self, name) is not None:
                with torch.no_grad():
                    found[name] = self._value(name, embeddings, actions)
        return found

    def _value(self, name: str, embeddings: Tensor, actions: Tensor) -> Tensor:
        part, released = getattr(self, name), self.variant == "released"
        if name == "inverse_dynamics":
            return part(embeddings, actions)
        if name == "similarity":
            return part(embeddings)
        if name in ("std", "covariance"):
            return part((embeddings if released else embeddings[:, :1]).transpose(0, 1))
        return part(embeddings if released else embeddings[:, 1:])

    def _check_head(self) -> None:
        if self.inverse_dynamics_weight and self.inverse_dynamics is None:
            raise ConfigError(
                "PLDMTerms needs its head `inverse_dynamics` where `inverse_dynamics_weight` is not 0",
                f"the weight is {self.inverse_dynamics_weight} and the head None",
                "Pass `inverse_dynamics=InverseDynamics(dim, action_dim, hidden_dim=512)`, or the weight 0",
            )

    def extra_repr(self) -> str:
        """Show the settings."""
        weights = ", ".join(f"{name}_weight={weight}" for name, weight in self.weights.items())
        return f"{weights}, variant={self.variant!r}, log_all={self.log_all}"
