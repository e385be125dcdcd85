"""Linear layers that are normalised before they are activated, and perceptrons of them."""

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias, final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_choice, check_number, describe, plain_numbers
from .._config import configurable
from .._typing import shapechecked
from ..errors import ConfigError, ShapeError
from ._checks import check_last_axis

Norm: TypeAlias = Literal["layer", "rms"]
Activation: TypeAlias = Literal["mish", "silu"]


@final
@plain_numbers
class SimNorm(nn.Module):
    r"""Make every group of `group_dim` components a distribution, by a softmax: the latents of TD-MPC2.

    $$ y_{g,i} = \frac{e^{x_{g,i}}}{\sum_j e^{x_{g,j}}} $$

    with groups g of consecutive components. So a latent is bounded, without a loss that asks for it, and its
    components add up to dim / group_dim. It has no parameters.

    Shapes:
        values (*batch, dim) -> (*batch, dim), where group_dim divides dim.

    Args:
        group_dim: Components of a group.

    Raises:
        ConfigError: If group_dim is below 1.
        ShapeError: If group_dim does not divide the last axis.

    Source: Hansen, Su and Wang, TD-MPC2, 2024 (arXiv 2310.16828), section 3.1, temperature 1.

    Example:
        ```python
        import torch
        from leworld.nn import SimNorm

        latents = SimNorm(4)(torch.randn(2, 12))
        assert torch.allclose(latents.unflatten(-1, (3, 4)).sum(-1), torch.ones(2, 3))
        ```
    """

    def __init__(self, group_dim: int = 8) -> None:
        super().__init__()
        check_number("SimNorm", "group_dim", group_dim, low=1, integer=True)
        self.group_dim = group_dim

    @shapechecked
    def forward(self, values: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Normalise each group."""
        if values.shape[-1] % self.group_dim:
            raise ShapeError(
                f"SimNorm needs `values` whose last axis is a multiple of `group_dim={self.group_dim}`",
                f"`values` is {describe(values)}",
                "Build it with a size that divides the axis",
            )
        return _in_groups(values, self.group_dim)

    def extra_repr(self) -> str:
        """Say the size of a group."""
        return f"group_dim={self.group_dim}"


@final
@plain_numbers
class NormedLinear(nn.Module):
    """A linear layer, normalised and then activated: the layer of TD-MPC2 and of DreamerV3.

        y = activation(norm(dropout(W x + b)))

    Shapes:
        values (*batch, in_dim) -> (*batch, out_dim).

    Args:
        in_dim: Size of what comes in.
        out_dim: Size of what goes out.
        norm: "layer" for LayerNorm with eps 1e-5 (TD-MPC2), "rms" for RMSNorm with eps 1e-4 (DreamerV3).
        activation: "mish" (TD-MPC2) or "silu" (DreamerV3).
        simnorm_dim: Size of the groups of a `SimNorm` that takes the activation's place, if any.
        dropout: Probability of dropping a number in training, before the norm.

    Raises:
        ConfigError: If a size is below 1 or an option unknown.
        ShapeError: If the last axis is not in_dim.

    Randomness: weights are drawn from torch's global generator, from a normal distribution of standard
    deviation 0.02 with "layer", of 1 / sqrt(in_dim) and without its tails with "rms". Biases are 0.

    Source: Hansen, Su and Wang, TD-MPC2, 2024 (arXiv 2310.16828), and Hafner et al., DreamerV3, 2023 (arXiv
    2301.04104), as in their code.

    Example:
        ```python
        import torch
        from leworld.nn import NormedLinear

        assert NormedLinear(4, 8, simnorm_dim=4)(torch.randn(2, 4)).sum(-1).allclose(torch.tensor(2.0))
        ```
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        *,
        norm: Norm = "layer",
        activation: Activation = "mish",
        simnorm_dim: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for name, value in (("in_dim", in_dim), ("out_dim", out_dim)):
            check_number("NormedLinear", name, value, low=1, integer=True)
        _check_kind("NormedLinear", norm, activation, dropout)
        _check_groups("NormedLinear", out_dim, simnorm_dim)
        self.linear = nn.Linear(in_dim, out_dim)
        initialise(self.linear, norm)
        self.norm = nn.LayerNorm(out_dim) if norm == "layer" else nn.RMSNorm(out_dim, eps=1e-4)
        self.simnorm = None if simnorm_dim is None else SimNorm(simnorm_dim)
        self.in_dim = in_dim
        self.activation = activation
        self.dropout = dropout

    @shapechecked
    def forward(self, values: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch out"]:
        """Apply the layer."""
        check_last_axis("NormedLinear", "values", values, self.in_dim, "in_dim")
        hidden = self.linear(values)
        if self.training and self.dropout:
            hidden = F.dropout(hidden, self.dropout)
        hidden = self.norm(hidden)
        if self.simnorm is not None:
            return _in_groups(hidden, self.simnorm.group_dim)
        return F.mish(hidden) if self.activation == "mish" else F.silu(hidden)


@final
@configurable
class NormedMLP(nn.Module):
    """A perceptron of `NormedLinear` layers, with a plain linear layer, or one with SimNorm, at its end.

    Reach for it as the encoder of a state in a `TDMPC2`, with `simnorm_dim`; the heads of `leworld.heads` are
    made of it.

    Shapes:
        values (*batch, in_dim) -> (*batch, out_dim).

    Args:
        in_dim: Size of what comes in.
        out_dim: Size of what goes out.
        hidden_dims: Widths of the hidden layers, possibly none.
        norm: As in `NormedLinear`, like the activation.
        activation: Of the hidden layers.
        simnorm_dim: Size of the groups if the output shall pass LayerNorm and `SimNorm`.
        dropout: Probability of dropping a number in training, in the first hidden layer only.
        part: Name of the part of an observation that it reads where it is a model's encoder.

    Attributes:
        embedding_dim: out_dim, by which models ask.
        observation_parts: `part`, for models.

    Raises:
        ConfigError: If a size is below 1 or an option unknown.
        ShapeError: If the last axis is not in_dim.

    Source: Hansen, Su and Wang, TD-MPC2, 2024 (arXiv 2310.16828), as in its code.

    Example:
        ```python
        import torch
        from leworld.nn import NormedMLP

        assert NormedMLP(4, 3, hidden_dims=(8, 8))(torch.randn(2, 5, 4)).shape == (2, 5, 3)
        ```
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        *,
        hidden_dims: Sequence[int] = (512, 512),
        norm: Norm = "layer",
        activation: Activation = "mish",
        simnorm_dim: int | None = None,
        dropout: float = 0.0,
        part: str = "proprio",
    ) -> None:
        super().__init__()
        for name, value in (("in_dim", in_dim), ("out_dim", out_dim)):
            check_number("NormedMLP", name, value, low=1, integer=True)
        for width in hidden_dims:
            check_number("NormedMLP", "hidden_dims", width, low=1, integer=True)
        _check_kind("NormedMLP", norm, activation, dropout)
        _check_groups("NormedMLP", out_dim, simnorm_dim)
        widths = (in_dim, *hidden_dims)
        layers: list[nn.Module] = [
            NormedLinear(
                before,
                after,
                norm=norm,
                activation=activation,
                dropout=0.0 if i else dropout,
            )
            for i, (before, after) in enumerate(zip(widths, hidden_dims, strict=False))
        ]
        if simnorm_dim is None:
            output = nn.Linear(widths[-1], out_dim)
            initialise(output, norm)
            layers.append(output)
        else:
            layers.append(NormedLinear(widths[-1], out_dim, norm=norm, simnorm_dim=simnorm_dim))
        self.layers = nn.ModuleList(layers)
        self.in_dim = in_dim
        self.out_dim = self.embedding_dim = out_dim
        self.observation_parts = (part,)

    @shapechecked
    def forward(self, values: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch out"]:
        """Transform each row."""
        check_last_axis("NormedMLP", "values", values, self.in_dim, "in_dim")
        for layer in self.layers:
            values = layer(values)
        return values


def _in_groups(values: Tensor, group_dim: int) -> Tensor:
    return values.unflatten(-1, (-1, group_dim)).softmax(-1).flatten(-2)


def initialise(layer: nn.Linear, norm: Norm) -> None:
    """Draw a layer's weights as TD-MPC2 ("layer") or DreamerV3 ("rms") does; its bias is 0."""
    if norm == "layer":
        nn.init.normal_(layer.weight, std=0.02)
    else:
        std = 1.1368 / math.sqrt(layer.in_features)  # 1 / sqrt(in_features) is left by the cut
        nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
    nn.init.zeros_(layer.bias)


def _check_kind(owner: str, norm: str, activation: str, dropout: float) -> None:
    check_choice(owner, "norm", norm, ("layer", "rms"))
    check_choice(owner, "activation", activation, ("mish", "silu"))
    check_number(owner, "dropout", dropout, low=0.0, high=1.0)


def _check_groups(owner: str, out_dim: int, simnorm_dim: int | None) -> None:
    if simnorm_dim is None:
        return
    check_number(owner, "simnorm_dim", simnorm_dim, low=1, integer=True)
    if out_dim % simnorm_dim:
        raise ConfigError(
            f"{owner} needs `simnorm_dim` to divide `out_dim`",
            f"they are {simnorm_dim} and {out_dim}",
            "Take a multiple of the group's size",
        )
