"""The value of being at a latent, with a copy of itself that follows slowly."""

import copy
from collections.abc import Sequence
from typing import Self, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import check_number
from .._config import configurable
from .._typing import shapechecked
from ._scalar import ScalarHead
from ._two_hot import TwoHot


@final
@configurable
class StateValue(nn.Module):
    """Predict what being at a latent is worth, and keep close to a slow copy of itself: DreamerV3's critic.

    It is a `ScalarHead` without actions. Its `loss` is the cross-entropy to the given returns plus that to
    what the slow copy predicts, which keeps values from chasing themselves. `update_target` moves the copy.

    Shapes:
        latents (*batch, embedding_dim) -> (*batch).

    Args:
        embedding_dim: Size of a latent.
        hidden_dims: Widths of the hidden layers.
        two_hot: The bins; DreamerV3's 255 when None.
        target_rate: Share by which an update moves the copy.

    Attributes:
        action_dim: None: it reads no actions, and `leworld.costs.ReturnCost` gives it none.

    Raises:
        ConfigError: If a size or share is out of range.
        ShapeError: If an axis has another size than it was built for.

    Randomness: initial weights from torch's global generator; those of the last layer are 0.

    Source: Hafner et al., DreamerV3, 2023 (arXiv 2301.04104), and its code.

    Example:
        ```python
        import torch
        from leworld.heads import StateValue

        value, latents = StateValue(8, hidden_dims=(16,)), torch.randn(4, 8)
        value.loss(latents, torch.ones(4)).mean().backward()
        value.update_target()
        assert value(latents).abs().max() < 1e-4
        ```
    """

    action_dim = None

    def __init__(
        self,
        embedding_dim: int,
        *,
        hidden_dims: Sequence[int] = (512, 512),
        two_hot: TwoHot | None = None,
        target_rate: float = 0.02,
    ) -> None:
        super().__init__()
        check_number("StateValue", "target_rate", target_rate, low=0.0, high=1.0)
        self.head = ScalarHead(
            embedding_dim,
            hidden_dims=hidden_dims,
            two_hot=TwoHot("symexp") if two_hot is None else two_hot,
            norm="rms",
            activation="silu",
        )
        self.target = copy.deepcopy(self.head).requires_grad_(False).eval()
        self.embedding_dim = embedding_dim
        self.target_rate = target_rate

    def train(self, mode: bool = True) -> Self:
        """Switch to training or evaluation; the copy stays in evaluation mode."""
        super().train(mode)
        self.target.eval()
        return self

    def forward(self, latents: Tensor) -> Float[Tensor, "*batch"]:
        """Return the values, in their own units."""
        return self.head(latents)

    @shapechecked
    def loss(
        self, latents: Float[Tensor, "*batch dim"], returns: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch"]:
        """Return the cross-entropy to `returns` and that to the slow copy, added, entry by entry.

        Args:
            latents: (*batch, embedding_dim).
            returns: What should be predicted; no gradient reaches it.
        """
        logits, two_hot = self.head.logits(latents), self.head.two_hot
        with torch.no_grad():
            slow = self.target(latents)
        return two_hot.loss(logits, returns) + two_hot.loss(logits, slow)

    @torch.no_grad()
    def update_target(self) -> None:
        """Move the copy towards the head."""
        pairs = zip(self.target.parameters(), self.head.parameters(), strict=True)
        for slow, online in pairs:
            slow.lerp_(online, self.target_rate)
