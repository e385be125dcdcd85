"""How a condition, such as an embedded action, meets the activations that it shall change."""

from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_choice, check_number, plain_numbers
from .._typing import shapechecked
from ._adaln import _modulate
from ._checks import check_last_axis

_EPS = 1e-6


@final
@plain_numbers
class Conditioning(nn.Module):
    """Join a condition to activations: beside them, or as a scale and a shift of each component.

    | kind | result |
    |---|---|
    | "concatenate" | [values, condition] |
    | "film" | values * (1 + scale) + shift, with [shift, scale] = Linear(condition) |
    | "adaln" | N(values) * (1 + scale) + shift, with [shift, scale] = Linear(SiLU(condition)) |

    N is the LayerNorm without weights. Concatenation has no weights, and makes the next layer wider. The
    other two keep the width, can gate a component by the condition, and start with zero weights, so that the
    condition changes nothing before training. AdaLN forgets mean and scale of the values: take it where they
    say nothing, as behind another LayerNorm, or inside a residual branch.

    Shapes:
        values (*batch, dim), condition (*batch, condition_dim) -> (*batch, out_dim).

    Args:
        dim: Size of the values.
        condition_dim: Size of the condition.
        kind: "concatenate", "film" or "adaln".

    Attributes:
        out_dim: dim + condition_dim for concatenation, else dim.

    Raises:
        ConfigError: If the kind is unknown or a size below 1.
        ShapeError: If a last axis has another size.

    Numerics: N uses eps 1e-6.

    Source: Perez et al., FiLM, 2017 (arXiv 1709.07871), equation 2, with 1 added to the scale; Peebles and
    Xie, Scalable Diffusion Models with Transformers, 2022 (arXiv 2212.09748), section 3.2, without the gate.

    Example:
        ```python
        import torch
        from leworld.nn import Conditioning

        values, condition = torch.randn(2, 3, 8), torch.randn(2, 3, 4)
        assert Conditioning(8, 4)(values, condition).shape == (2, 3, 12)
        assert torch.equal(Conditioning(8, 4, kind="film")(values, condition), values)
        ```
    """

    def __init__(
        self,
        dim: int,
        condition_dim: int,
        *,
        kind: Literal["concatenate", "film", "adaln"] = "concatenate",
    ) -> None:
        super().__init__()
        check_number("Conditioning", "dim", dim, low=1, integer=True)
        check_number("Conditioning", "condition_dim", condition_dim, low=1, integer=True)
        check_choice("Conditioning", "kind", kind, ("concatenate", "film", "adaln"))
        self.dim, self.condition_dim, self.kind = dim, condition_dim, kind
        self.out_dim = dim
        self.linear: nn.Linear | None = None
        if kind == "concatenate":
            self.out_dim = dim + condition_dim
        else:
            self.linear = nn.Linear(condition_dim, 2 * dim)
            nn.init.zeros_(self.linear.weight)
            nn.init.zeros_(self.linear.bias)

    @shapechecked
    def forward(
        self, values: Float[Tensor, "*batch dim"], condition: Float[Tensor, "*batch condition"]
    ) -> Float[Tensor, "*batch out"]:
        """Join the condition to the values."""
        check_last_axis("Conditioning", "values", values, self.dim, "dim")
        check_last_axis("Conditioning", "condition", condition, self.condition_dim, "condition_dim")
        if self.linear is None:
            return torch.cat([values, condition], dim=-1)
        if self.kind == "adaln":
            values, condition = F.layer_norm(values, (self.dim,), eps=_EPS), F.silu(condition)
        shift, scale = self.linear(condition).chunk(2, dim=-1)
        return _modulate(values, shift, scale)
