"""A number a latent, or a latent and an action: rewards and values."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import check_equal_size, check_finite, check_number, check_size, describe
from .._config import configurable
from .._typing import shapechecked
from ..errors import ConfigError
from ..nn import NormedMLP
from ._two_hot import TwoHot


@final
@configurable
class ScalarHead(nn.Module):
    """Predict a number from a latent, or from a latent and an action, as a `TwoHot` distribution.

    With `action_dim` it is the reward of leaving a latent by an action, as in TD-MPC2, or a value of both;
    without, the reward of arriving at a latent, as in DreamerV3, or the value of being there. Before training
    it predicts 0 everywhere.

    Shapes:
        latents (*batch, embedding_dim), actions (*batch, action_dim) -> (*batch).

    Args:
        embedding_dim: Size of a latent.
        action_dim: Size of an action (block) that is read as well; None reads none.
        hidden_dims: Widths of the hidden layers.
        two_hot: The bins; TD-MPC2's 101 when None.
        norm: "layer" or "rms", see `leworld.nn.NormedLinear`, like the activation.
        activation: "mish" or "silu".
        dropout: In the first hidden layer.

    Raises:
        ConfigError: If a size is below 1, or actions are given to a head that reads none, or the reverse.
        ShapeError: If an axis has another size than it was built for.

    Randomness: initial weights from torch's global generator; those of the last layer are 0.

    Source: Hansen, Su and Wang, TD-MPC2, 2024 (arXiv 2310.16828); Hafner et al., DreamerV3, 2023 (arXiv
    2301.04104).

    Example:
        ```python
        import torch
        from leworld.heads import ScalarHead

        reward = ScalarHead(8, 2, hidden_dims=(16,))
        latents, actions = torch.randn(4, 3, 8), torch.randn(4, 3, 2)
        loss = reward.loss(latents, torch.ones(4, 3), actions=actions).mean()
        loss.backward()
        assert reward(latents, actions).abs().max() < 1e-5
        ```
    """

    def __init__(
        self,
        embedding_dim: int,
        action_dim: int | None = None,
        *,
        hidden_dims: Sequence[int] = (512, 512),
        two_hot: TwoHot | None = None,
        norm: str = "layer",
        activation: str = "mish",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_number("ScalarHead", "embedding_dim", embedding_dim, low=1, integer=True)
        if action_dim is not None:
            check_number("ScalarHead", "action_dim", action_dim, low=1, integer=True)
        if two_hot is not None and not isinstance(two_hot, TwoHot):
            raise ConfigError(
                "ScalarHead needs `two_hot` to be a TwoHot, or None",
                f"it is {describe(two_hot)}",
                "Pass for example `TwoHot('symexp')`",
            )
        self.embedding_dim = embedding_dim
        self.action_dim = action_dim
        self.two_hot = TwoHot() if two_hot is None else two_hot
        self.network = NormedMLP(
            embedding_dim + (action_dim or 0),
            self.two_hot.num_bins,
            hidden_dims=hidden_dims,
            norm=norm,  # pyright: ignore[reportArgumentType] -- checked there
            activation=activation,  # pyright: ignore[reportArgumentType]
            dropout=dropout,
        )
        nn.init.zeros_(self.network.layers[-1].get_parameter("weight"))

    def forward(self, latents: Tensor, actions: Tensor | None = None) -> Float[Tensor, "*batch"]:
        """Predict a number, in its own units."""
        return self.two_hot.decode(self.logits(latents, actions))

    @shapechecked
    def logits(
        self,
        latents: Float[Tensor, "*batch dim"],
        actions: Float[Tensor, "*batch action"] | None = None,
    ) -> Float[Tensor, "*batch bin"]:
        """Return the distribution's logits."""
        return self.network(joined("ScalarHead", latents, actions, self.embedding_dim, self.action_dim))

    def loss(self, latents: Tensor, values: Tensor, *, actions: Tensor | None = None) -> Tensor:
        """Return the cross-entropy to `values` (*batch), entry by entry.

        Args:
            latents: (*batch, embedding_dim).
            values: What should be predicted, in its own units.
            actions: (*batch, action_dim) for a head that reads them.
        """
        return self.two_hot.loss(self.logits(latents, actions), values)

    @torch.inference_mode(False)
    @shapechecked
    def fit(
        self,
        latents: Float[Tensor, "row dim"],
        values: Float[Tensor, " row"],
        *,
        actions: Float[Tensor, "row action"] | None = None,
        num_steps: int = 1000,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        seed: int = 0,
    ) -> None:
        """Learn from the latents of a frozen model, by Adam; it is in evaluation mode afterwards.

        Args:
            latents: As `leworld.models.embed_rows` gives them.
            values: What each should predict.
            actions: For a head that reads them.
            num_steps: Steps of Adam.
            batch_size: Rows a step, drawn with replacement.
            learning_rate: Of Adam, falling to 0 along half a cosine.
            seed: Of the rows that are drawn.

        Raises:
            NonFiniteError: If a latent, a value or an action is NaN or infinite.
        """
        check_number("ScalarHead.fit", "num_steps", num_steps, low=1, integer=True)
        check_number("ScalarHead.fit", "batch_size", batch_size, low=1, integer=True)
        check_number("ScalarHead.fit", "learning_rate", learning_rate, low=0.0, open_low=True)
        check_number("ScalarHead.fit", "seed", seed, low=0, integer=True)
        check_size("ScalarHead.fit", "latents", latents, 0, "row", low=1, fix="Pass some rows")
        for name, given in (("latents", latents), ("values", values), ("actions", actions)):
            if given is not None:
                check_finite("ScalarHead.fit", name, given)
        weight = next(self.parameters())
        latents, values = latents.detach().to(weight), values.detach().to(weight)
        generator = torch.Generator().manual_seed(seed)
        self.train()
        optimizer = torch.optim.Adam(self.parameters(), lr=learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_steps)
        with torch.enable_grad():
            for _ in range(num_steps):
                rows = torch.randint(
                    len(latents), (batch_size,), generator=generator, dtype=torch.int64, device="cpu"
                )
                rows = rows.to(latents.device)
                taken = None if actions is None else actions.detach().to(weight)[rows]
                optimizer.zero_grad()
                self.loss(latents[rows], values[rows], actions=taken).mean().backward()
                optimizer.step()
                schedule.step()
        self.eval()


def joined(
    owner: str, latents: Tensor, actions: Tensor | None, embedding_dim: int, action_dim: int | None
) -> Tensor:
    """Return latents with actions behind them, after a look at both sizes."""
    check_equal_size(
        owner,
        "the last axis of `latents`",
        latents.shape[-1],
        embedding_dim,
        expected_by="its `embedding_dim`",
        fix="Pass latents of the model that it was built for",
    )
    if (actions is None) != (action_dim is None):
        raise ConfigError(
            f"{owner} needs `actions` where it was built with an `action_dim`, and only there",
            f"`action_dim={action_dim}` and `actions` is {describe(actions)}",
            "Leave them out, or build it for actions",
        )
    if actions is None:
        return latents
    check_equal_size(
        owner,
        "the last axis of `actions`",
        actions.shape[-1],
        action_dim or 0,
        expected_by="its `action_dim`",
        fix="Pass action blocks of the model that it was built for",
    )
    return torch.cat((latents, actions), dim=-1)
