"""A network that tells which action block leads toward a goal."""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from .._checks import check_equal_size, check_number, check_size, plain_numbers
from .._config import configurable
from .._typing import shapechecked
from ..costs import GoalCost
from ..errors import ConfigError, ShapeError
from ..models import WorldModel
from ..nn import evaluation_mode


@final
@configurable
class GoalConditionedInverseModel(nn.Module):
    """Proposes the next action block from where one is, where one wants to be, and the blocks left.

    Amortised planning: what a search finds anew for every decision is learned once, on the embeddings of a
    frozen world model, and asked with one pass of a small network. Use it alone as an `InversePolicy`, or let
    it propose where a search begins: `MPCPolicy(..., propose=inverse)`, or `WarmStart(planner, lambda init:
    inverse.propose(cost, planner.horizon))`. It imitates the data's way to a goal, so it is only as
    good as the data are, and where several ways lead there it answers with their mean.

        block = MLP([z, goal, embedding of the blocks left])

    Shapes:
        embeddings (batch, dim), goals (batch, dim), remaining (batch) -> blocks (batch, action).

    Args:
        embedding_dim: Size of the world model's embeddings.
        action_dim: Size of its action blocks.
        max_steps: Largest number of blocks left that is told apart; more count as that many.
        hidden_dim: Width of the network.
        depth: Hidden layers.

    Raises:
        ShapeError: If an axis has another size than the network was built for.

    Source: goal-conditioned inverse dynamics model (GC-IDM) of "Latent geometry beyond search: amortizing
    planning in world models", 2026 (arXiv 2605.08732): current latent, goal latent and remaining horizon in,
    immediate action out. The layers and sizes here are ours.

    Example:
        ```python
        import torch
        from leworld.control import GoalConditionedInverseModel

        inverse = GoalConditionedInverseModel(4, 2, hidden_dim=16)
        embeddings, blocks = torch.randn(8, 5, 4), torch.randn(8, 5, 2)  # windows of a dataset
        inverse.loss(embeddings, blocks).backward()
        assert inverse(embeddings[:, 0], embeddings[:, 3], torch.full((8,), 3)).shape == (8, 2)
        ```
    """

    def __init__(
        self,
        embedding_dim: int,
        action_dim: int,
        *,
        max_steps: int = 50,
        hidden_dim: int = 512,
        depth: int = 3,
    ) -> None:
        super().__init__()
        sizes = {"embedding_dim": embedding_dim, "action_dim": action_dim, "max_steps": max_steps}
        for name, value in (sizes | {"hidden_dim": hidden_dim, "depth": depth}).items():
            check_number("GoalConditionedInverseModel", name, value, low=1, integer=True)
        self.embedding_dim = embedding_dim
        self.action_dim = action_dim
        self.max_steps = max_steps
        self.steps = nn.Embedding(max_steps, hidden_dim)
        self.enter = nn.Linear(2 * embedding_dim, hidden_dim)
        layers: list[nn.Module] = [nn.GELU()]
        for _ in range(depth - 1):
            layers += [nn.Linear(hidden_dim, hidden_dim), nn.GELU()]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden_dim, action_dim))

    @shapechecked
    def forward(
        self,
        embeddings: Float[Tensor, "batch dim"],
        goals: Float[Tensor, "batch dim"],
        remaining: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch action"]:
        """Return the next block for every row; embeddings are converted to the dtype of the weights.

        Args:
            embeddings: Where each row is.
            goals: Where it shall be.
            remaining: Blocks until then, from 1.
        """
        self._check_dim("embeddings", embeddings)
        left = remaining.clamp(1, self.max_steps) - 1
        known = torch.cat((embeddings, goals), dim=-1).to(self.enter.weight.dtype)
        return self.layers(self.enter(known) + self.steps(left))

    @shapechecked
    def loss(
        self, embeddings: Float[Tensor, "batch time dim"], actions: Float[Tensor, "batch time action"]
    ) -> Float[Tensor, ""]:
        """Return the mean squared error over all pairs of frames of each window, the later one as goal.

        Hindsight: the block that followed frame s in the data leads toward frame t, t - s blocks later, for
        every s < t. The last block is not used. Longer windows teach farther goals.

        Args:
            embeddings: Frozen embeddings of consecutive frames.
            actions: The block that leaves each of them.
        """
        fix = "Pass windows of at least two frames, the second of which is a goal for the first"
        check_size("GoalConditionedInverseModel.loss", "embeddings", embeddings, 1, "time", low=2, fix=fix)
        fix = "Use the blocks of the world model whose embeddings these are"
        owner = "GoalConditionedInverseModel.loss"
        check_equal_size(
            owner, "action", actions.shape[-1], self.action_dim, expected_by="its `action_dim`", fix=fix
        )
        time = embeddings.shape[1]
        first, later = torch.triu_indices(time, time, 1, dtype=torch.int64, device=embeddings.device)
        known = embeddings.detach()
        remaining = (later - first).expand(len(known), -1)
        blocks = self(known[:, first].flatten(0, 1), known[:, later].flatten(0, 1), remaining.flatten())
        return (blocks - actions[:, first].flatten(0, 1).to(blocks)).square().mean()

    @torch.no_grad()
    @plain_numbers
    def propose(self, cost: GoalCost, horizon: int) -> Float[Tensor, "batch horizon action"]:
        """Imagine following the network for `horizon` blocks under the cost's model, toward the cost's goal.

        Args:
            cost: Holds the model, the real frames and the goal embeddings.
            horizon: Blocks to propose, after which the goal is due.
        """
        check_number("GoalConditionedInverseModel.propose", "horizon", horizon, low=1, integer=True)
        if cost.readout is not None or cost.goal.ndim != 2:
            raise ShapeError(
                "GoalConditionedInverseModel.propose needs goal embeddings (batch, dim)",
                "the cost's goal has token axes or is told in a readout's space",
                "Use a GoalCost without `readout` on vector embeddings",
            )
        state, blocks = cost.context[:, -1], cost.context.new_zeros((len(cost.goal), 0, self.action_dim))
        goal = cost.goal.to(state)
        with evaluation_mode(self):
            for left in range(horizon, 0, -1):
                block = self(
                    state, goal, torch.full((len(goal),), left, dtype=torch.int64, device=goal.device)
                )
                blocks = torch.cat((blocks, block.unsqueeze(1).to(blocks)), dim=1)
                if left > 1:
                    state = cost.rollout(blocks.unsqueeze(1))[:, 0, -1]
        return blocks

    def check_fits(self, model: WorldModel, *, owner: str) -> None:
        """Raise `ConfigError` unless this network was built for the model's embeddings and blocks.

        Args:
            model: The world model.
            owner: Who asks, for the message.
        """
        due = (model.latent_shape, model.action_dim)
        if ((self.embedding_dim,), self.action_dim) != due:
            raise ConfigError(
                f"{owner} needs an inverse model for embedding_dim={model.embedding_dim} and "
                f"action_dim={model.action_dim}",
                f"it has {self.embedding_dim} and {self.action_dim}",
                "Train it on the embeddings and blocks of this very model",
            )

    def _check_dim(self, name: str, tensor: Tensor) -> None:
        check_equal_size(
            "GoalConditionedInverseModel",
            f"dim of `{name}`",
            tensor.shape[-1],
            self.embedding_dim,
            expected_by="its `embedding_dim`",
            fix="Use the embeddings of the model that it was built for",
        )
