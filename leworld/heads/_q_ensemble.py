"""Several values of a latent and an action, and slow copies of them as targets."""

import copy
from collections.abc import Sequence
from typing import Literal, Self, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from .._checks import check_choice, check_number, describe, plain_numbers
from .._config import configurable
from .._typing import shapechecked
from ..errors import ConfigError
from ._scalar import ScalarHead
from ._two_hot import TwoHot


@final
@configurable
class QEnsemble(nn.Module):
    r"""An ensemble of `ScalarHead`s that judge an action at a latent, with targets that follow slowly.

    A temporal-difference target takes the least of a few members drawn at random,

    $$ r + \gamma \, (1 - d) \min_{i \in \{i_1, i_2\}} Q'_i(z', a') $$

    which keeps values from running away without being as low as the least of all; a policy is trained on the
    mean of such a draw. `update_targets` moves the targets Q' towards Q by the share `target_rate`.

    Shapes:
        latents (*batch, embedding_dim), actions (*batch, action_dim) -> (*batch).

    Args:
        embedding_dim: Size of a latent.
        action_dim: Size of an action (block).
        num_members: Heads, at least 1.
        num_drawn: Members of a draw, at most all.
        hidden_dims: Widths of a head's hidden layers.
        two_hot: The bins; TD-MPC2's 101 when None.
        dropout: In the first hidden layer of the heads, never of the targets.
        target_rate: Share by which an update moves the targets.

    Raises:
        ConfigError: If a size or share is out of range, or a member does not exist.
        ShapeError: If an axis has another size than it was built for.

    Randomness: initial weights and dropout from torch's global generator; members as `draw` is told.

    Source: Hansen, Su and Wang, TD-MPC2, 2024 (arXiv 2310.16828), section 3.1, after Chen et al., REDQ, 2021
    (arXiv 2101.05982).

    Example:
        ```python
        import torch
        from leworld.heads import QEnsemble

        q = QEnsemble(8, 2, num_members=5, hidden_dims=(16,))
        latents, actions = torch.randn(4, 8), torch.randn(4, 2)
        target = 1.0 + 0.99 * q(latents, actions, reduce="min", members=q.draw(), target=True)
        q.loss(latents, target, actions=actions).mean().backward()
        q.update_targets()
        assert target.shape == (4,) and not target.requires_grad
        ```
    """

    def __init__(
        self,
        embedding_dim: int,
        action_dim: int,
        *,
        num_members: int = 5,
        num_drawn: int = 2,
        hidden_dims: Sequence[int] = (512, 512),
        two_hot: TwoHot | None = None,
        dropout: float = 0.01,
        target_rate: float = 0.01,
    ) -> None:
        super().__init__()
        check_number("QEnsemble", "action_dim", action_dim, low=1, integer=True)
        check_number("QEnsemble", "num_members", num_members, low=1, integer=True)
        check_number("QEnsemble", "num_drawn", num_drawn, low=1, high=num_members, integer=True)
        check_number("QEnsemble", "target_rate", target_rate, low=0.0, high=1.0)
        two_hot = TwoHot() if two_hot is None else two_hot
        options = {"hidden_dims": hidden_dims, "two_hot": two_hot, "dropout": dropout}
        heads = [ScalarHead(embedding_dim, action_dim, **options) for _ in range(num_members)]
        self.heads = nn.ModuleList(heads)
        self.targets = copy.deepcopy(self.heads).requires_grad_(False).eval()
        self.two_hot = two_hot
        self.embedding_dim = embedding_dim
        self.action_dim = action_dim
        self.num_drawn = num_drawn
        self.target_rate = target_rate

    def train(self, mode: bool = True) -> Self:
        """Switch to training or evaluation; the targets stay in evaluation mode."""
        super().train(mode)
        self.targets.eval()
        return self

    def draw(self, generator: torch.Generator | None = None) -> tuple[int, ...]:
        """Draw `num_drawn` members, each another one; from torch's global generator when None."""
        source = "cpu" if generator is None else generator.device
        order = torch.randperm(len(self.heads), generator=generator, device=source, dtype=torch.int64)
        return tuple(order[: self.num_drawn].tolist())

    @plain_numbers
    def forward(
        self,
        latents: Tensor,
        actions: Tensor,
        *,
        reduce: Literal["mean", "min"] = "mean",
        members: Sequence[int] | None = None,
        target: bool = False,
        frozen: bool = False,
    ) -> Float[Tensor, "*batch"]:
        """Return the mean or the least value, in its own units.

        Args:
            latents: (*batch, embedding_dim).
            actions: (*batch, action_dim).
            reduce: "mean" or "min".
            members: Which are asked, such as those of a `draw`; all when None.
            target: Whether the targets are asked.
            frozen: Whether gradients pass to latents and actions only.
        """
        check_choice("QEnsemble", "reduce", reduce, ("mean", "min"))
        logits = self.logits(latents, actions, members=members, target=target, frozen=frozen)
        values = self.two_hot.decode(logits)
        return values.mean(0) if reduce == "mean" else values.amin(0)

    @shapechecked
    def logits(
        self,
        latents: Float[Tensor, "*batch dim"],
        actions: Float[Tensor, "*batch action"],
        *,
        members: Sequence[int] | None = None,
        target: bool = False,
        frozen: bool = False,
    ) -> Float[Tensor, "member *batch bin"]:
        """Return the logits of each member; the arguments are those of a call."""
        heads = self.targets if target else self.heads
        chosen = range(len(heads)) if members is None else members
        for member in chosen:
            if not 0 <= member < len(heads):
                raise ConfigError(
                    f"QEnsemble needs `members` from 0 to {len(heads) - 1}",
                    f"they are {describe(list(chosen))}",
                    "Take those of `draw`",
                )
        return torch.stack([_logits(heads[member], latents, actions, frozen) for member in chosen])

    @shapechecked
    def loss(
        self,
        latents: Float[Tensor, "*batch dim"],
        values: Float[Tensor, "*batch"],
        *,
        actions: Float[Tensor, "*batch action"],
    ) -> Float[Tensor, "*batch"]:
        """Return the cross-entropy to `values`, the mean over members.

        Args:
            latents: (*batch, embedding_dim).
            values: Targets; no gradient reaches them.
            actions: (*batch, action_dim).
        """
        logits = self.logits(latents, actions)
        return self.two_hot.loss(logits, values.expand(logits.shape[:-1])).mean(0)

    @torch.no_grad()
    def update_targets(self) -> None:
        """Move the targets towards the heads."""
        pairs = zip(self.targets.parameters(), self.heads.parameters(), strict=True)
        for target, online in pairs:
            target.lerp_(online, self.target_rate)


def _logits(head: nn.Module, latents: Tensor, actions: Tensor, frozen: bool) -> Tensor:
    if not isinstance(head, ScalarHead):
        raise RuntimeError("unreachable: the constructor makes the heads")
    if not frozen:
        return head.logits(latents, actions)
    weights = {name: weight.detach() for name, weight in head.network.named_parameters()}
    return functional_call(head.network, weights, (torch.cat((latents, actions), dim=-1),))
