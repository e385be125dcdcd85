"""The encoder of action blocks."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_equal_size, check_number
from .._config import configurable
from .._typing import shapechecked


@final
@configurable
class ActionEncoder(nn.Module):
    """Embed an action block: the `frameskip` normalised actions between two kept frames, as one vector.

        ActionEncoder(a) = Linear_2(SiLU(Linear_1(Linear_0(a))))

    The first layer mixes the block down to a few numbers, whatever the frameskip; each block is embedded on
    its own, without a view of its neighbours.

    Shapes:
        actions (*batch, action_dim) -> (*batch, embedding_dim).

    Args:
        action_dim: Size of an action block, frameskip times the number of action components.
        embedding_dim: Size of the embedding, i.e. of the predictor's condition.
        smoothed_dim: Size after the first layer; 10 is the released one.
        hidden_dim: Width of the hidden layer; 4 * embedding_dim when None, as released.

    Raises:
        ShapeError: If the last axis is not action_dim.

    Source: the released LeWorldModel code (Maes et al., 2026, arXiv 2603.19312; the paper does not describe
    this part). There the first layer is a convolution with kernel 1 over time, which is this linear layer.

    Example:
        ```python
        import torch
        from leworld.encoders import ActionEncoder

        assert ActionEncoder(10, 32)(torch.randn(4, 3, 10)).shape == (4, 3, 32)
        ```
    """

    def __init__(
        self, action_dim: int, embedding_dim: int, *, smoothed_dim: int = 10, hidden_dim: int | None = None
    ) -> None:
        super().__init__()
        check_number("ActionEncoder", "embedding_dim", embedding_dim, low=1, integer=True)
        hidden_dim = 4 * embedding_dim if hidden_dim is None else hidden_dim
        for name, value in (
            ("action_dim", action_dim),
            ("smoothed_dim", smoothed_dim),
            ("hidden_dim", hidden_dim),
        ):
            check_number("ActionEncoder", name, value, low=1, integer=True)
        self.smooth = nn.Linear(action_dim, smoothed_dim)
        self.widen = nn.Linear(smoothed_dim, hidden_dim)
        self.narrow = nn.Linear(hidden_dim, embedding_dim)
        self.action_dim = action_dim
        self.embedding_dim = embedding_dim

    @shapechecked
    def forward(self, actions: Float[Tensor, "*batch action"]) -> Float[Tensor, "*batch dim"]:
        """Embed each action block."""
        check_equal_size(
            "ActionEncoder",
            "the last axis of `actions`",
            actions.shape[-1],
            self.action_dim,
            expected_by="its `action_dim`",
            fix="Pass action blocks: frameskip consecutive actions joined into one vector",
        )
        return self.narrow(F.silu(self.widen(self.smooth(actions))))
