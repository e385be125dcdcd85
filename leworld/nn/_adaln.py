"""AdaLN-zero: a condition that shifts, scales and gates the branches of a transformer block."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_number, plain_numbers
from .._typing import shapechecked
from ._checks import check_last_axis


@shapechecked
def modulate(
    values: Float[Tensor, "*batch dim"],
    *,
    shift: Float[Tensor, "*batch dim"],
    scale: Float[Tensor, "*batch dim"],
) -> Float[Tensor, "*batch dim"]:
    """Scale and shift normalised values, `values * (1 + scale) + shift`.

    A zero scale and shift leave the values as they are, which is what AdaLN-zero starts from.

    Args:
        values: Normalised activations.
        shift: Added to each component.
        scale: Relative change of each component.

    Source: Peebles and Xie, Scalable Diffusion Models with Transformers, 2022 (arXiv 2212.09748), section
    3.2.

    Example:
        ```python
        import torch
        from leworld.nn import modulate

        values = torch.randn(2, 3)
        assert torch.equal(modulate(values, shift=torch.zeros(2, 3), scale=torch.zeros(2, 3)), values)
        ```
    """
    return _modulate(values, shift, scale)


def _modulate(values: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return torch.addcmul(values + shift, values, scale)


@final
@plain_numbers
class AdaLNZero(nn.Module):
    """Turn a condition into the six modulations of a transformer block: shift, scale and gate, twice.

    One linear layer after a SiLU makes all six, in the order shift, scale, gate of the attention branch and
    then of the MLP branch. Weight and bias start at zero, so that every gate is zero and the block is the
    identity.

        modulations = Linear(SiLU(condition))

    Shapes:
        condition (*batch, condition_dim) -> six tensors (*batch, dim).

    Args:
        dim: Width of the block that is modulated.
        condition_dim: Size of the condition.

    Numerics: at the start the gates block the gradient to the branches and to the condition; the gates
    themselves receive one, and after a single optimiser step everything does.

    Source: Peebles and Xie, Scalable Diffusion Models with Transformers, 2022 (arXiv 2212.09748), section
    3.2.

    Example:
        ```python
        import torch
        from leworld.nn import AdaLNZero

        modulations = AdaLNZero(dim=8, condition_dim=4)(torch.randn(2, 3, 4))
        assert len(modulations) == 6
        assert all(torch.equal(m, torch.zeros(2, 3, 8)) for m in modulations)
        ```
    """

    def __init__(self, dim: int, condition_dim: int) -> None:
        super().__init__()
        check_number("AdaLNZero", "dim", dim, low=1, integer=True)
        check_number("AdaLNZero", "condition_dim", condition_dim, low=1, integer=True)
        self.condition_dim = condition_dim
        self.linear = nn.Linear(condition_dim, 6 * dim)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    @shapechecked
    def forward(
        self, condition: Float[Tensor, "*batch condition"]
    ) -> tuple[Float[Tensor, "*batch dim"], ...]:
        """Return shift, scale and gate of the attention branch, then of the MLP branch."""
        check_last_axis("AdaLNZero", "condition", condition, self.condition_dim, "condition_dim")
        return self.linear(F.silu(condition)).chunk(6, dim=-1)
