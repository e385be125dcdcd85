"""RepReLU: exact zeros forward, GELU's slope backward."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._config import configurable
from .._typing import shapechecked


@final
@configurable
class RepReLU(nn.Module):
    """ReLU whose gradient is GELU's, so that no unit dies.

    Reach for it as the last step of a projector whose embeddings shall be sparse and not negative, as
    `leworld.regularizers.RDMReg` asks for; `Projector(..., rectify=True)` ends in it. Costs ReLU and GELU.

        value     max(0, x)
        gradient  Phi(x) + x phi(x), that of GELU

    Shapes: numbers (*batch) -> (*batch), any shape.

    Numerics: the value is exactly that of ReLU. It is not what its gradient is the slope of, so that finite
    differences disagree by design; where x is below 0 the gradient is small, and below -0.75 it is negative.

    Source: Y. Kuang et al., LpWM, arXiv 2608.22764, and its released code, after "Rectified LpJEPA", arXiv
    2602.01456.

    Example:
        ```python
        import torch
        from leworld.nn import RepReLU

        x = torch.tensor([-1.0, -0.5, 2.0], requires_grad=True)
        y = RepReLU()(x)
        y.sum().backward()
        assert y.tolist() == [0.0, 0.0, 2.0] and bool((x.grad != 0).all())
        ```
    """

    def __init__(self) -> None:
        super().__init__()

    @shapechecked
    def forward(self, numbers: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Rectify the numbers."""
        return rectify(numbers)


def rectify(numbers: Tensor) -> Tensor:
    """Return max(0, numbers), to which GELU's gradient belongs."""
    smooth = F.gelu(numbers)
    return (smooth - smooth.detach()) + F.relu(numbers).detach()
