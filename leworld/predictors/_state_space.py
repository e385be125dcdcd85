"""The sequence model and the prior of DreamerV3's recurrent state space."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_number
from .._config import configurable
from .._typing import shapechecked
from ..nn import BlockGRU, CategoricalLatents, NormedLinear, NormedMLP
from ._checks import check_last_axis
from ._recent import RecentFramesPredictor


@final
@configurable
class StateSpacePredictor(RecentFramesPredictor):
    r"""Predict a latent that is a recurrent state and several categorical variables: DreamerV3's dynamics.

    With the latent z = [h, s] of a state h and one-hot variables s,

        h' = BlockGRU(input = [f(h), g(s), k(action)], state = h)
        s' = the most likely classes of the prior, an MLP of h'

    where f, g and k are `NormedLinear` layers. Reach for it in a `leworld.models.RSSM`, whose posterior
    corrects s' by what is seen; h remembers what was seen and done before, so that one latent tells all.
    `advance`, `prior_logits` and `join` are its steps, for a caller that draws the classes.

    Shapes:
        embeddings (batch, time, embedding_dim), conditions (batch, time, condition_dim) ->
        (batch, time, embedding_dim), for any time from 1; an output sees its own frame only.

    Args:
        state_dim: Size of h, a multiple of num_blocks.
        history_size: Frames of a training window but one.
        condition_dim: Size of an action block.
        num_variables: Categorical variables.
        num_classes: Classes of each.
        hidden_dim: Width of the layers.
        num_blocks: Blocks of the `leworld.nn.BlockGRU`.
        unimix: Share of the uniform distribution, see `leworld.nn.CategoricalLatents`.
        action_limit: Actions larger than it are divided by their size over it; DreamerV3 has 1. None takes
            them as they are, which standardised actions need: those of a processor are often beyond 1.

    Attributes:
        embedding_dim: state_dim + num_variables * num_classes.

    Raises:
        ConfigError: If a size is below 1, or num_blocks does not divide state_dim.
        ShapeError: If an axis has another size than it was built for, or there is no frame.

    Numerics: RMSNorm with eps 1e-4 throughout, SiLU. Gradients pass the most likely classes as those of the
    probabilities.

    Randomness: initial weights by torch's global generator, see `leworld.nn.NormedLinear`.

    Source: Hafner et al., DreamerV3, 2023 (arXiv 2301.04104), and its code (danijar/dreamerv3, rssm.py): the
    prior has two hidden layers.

    Example:
        ```python
        import torch
        from leworld.predictors import StateSpacePredictor

        predictor = StateSpacePredictor(
            16, condition_dim=3, num_variables=2, num_classes=4, hidden_dim=8, num_blocks=4
        )
        latents = predictor(torch.zeros(2, 5, 24), torch.randn(2, 5, 3))
        assert latents[..., 16:].unflatten(-1, (2, 4)).sum(-1).eq(1).all()
        ```
    """

    def __init__(
        self,
        state_dim: int,
        history_size: int = 15,
        *,
        condition_dim: int,
        num_variables: int = 32,
        num_classes: int = 32,
        hidden_dim: int = 256,
        num_blocks: int = 8,
        unimix: float = 0.01,
        action_limit: float | None = None,
    ) -> None:
        for name, value in (
            ("state_dim", state_dim),
            ("num_variables", num_variables),
            ("num_classes", num_classes),
            ("hidden_dim", hidden_dim),
        ):
            check_number("StateSpacePredictor", name, value, low=1, integer=True)
        if action_limit is not None:
            check_number("StateSpacePredictor", "action_limit", action_limit, low=0.0, open_low=True)
        drawn = num_variables * num_classes
        super().__init__(state_dim + drawn, history_size, condition_dim)
        self.window = 1
        self.state_dim = state_dim
        self.num_variables = num_variables
        self.num_classes = num_classes
        self.hidden_dim = hidden_dim
        self.action_limit = action_limit
        sizes = {"state": state_dim, "variables": drawn, "action": condition_dim}
        for name, size in sizes.items():
            layer = NormedLinear(size, hidden_dim, norm="rms", activation="silu")
            self.register_module(f"read_{name}", layer)
        self.unit = BlockGRU(3 * hidden_dim, state_dim, num_blocks=num_blocks)
        self.prior = NormedMLP(
            state_dim, drawn, hidden_dims=(hidden_dim, hidden_dim), norm="rms", activation="silu"
        )
        self.variables = CategoricalLatents(unimix)

    @shapechecked
    def advance(
        self, latents: Float[Tensor, "*batch dim"], actions: Float[Tensor, "*batch action"]
    ) -> Float[Tensor, "*batch state"]:
        """Return the states h' after an action each.

        Args:
            latents: Where the actions are taken.
            actions: Action blocks.
        """
        check_last_axis("StateSpacePredictor", "latents", latents, self.embedding_dim)
        check_last_axis("StateSpacePredictor", "actions", actions, self.condition_dim)
        state, variables = latents.split((self.state_dim, self.embedding_dim - self.state_dim), dim=-1)
        if self.action_limit is not None:
            actions = actions / (actions.detach().abs() / self.action_limit).clamp(min=1.0)
        read = zip(("state", "variables", "action"), (state, variables, actions), strict=True)
        inputs = [self.get_submodule(f"read_{name}")(value) for name, value in read]
        return self.unit(torch.cat(inputs, dim=-1), state)

    @shapechecked
    def prior_logits(self, states: Float[Tensor, "*batch state"]) -> Float[Tensor, "*batch variable kind"]:
        """Return the logits of the variables that a state lets expect.

        Args:
            states: What `advance` returned.
        """
        check_last_axis("StateSpacePredictor", "states", states, self.state_dim)
        return self.prior(states).unflatten(-1, (self.num_variables, self.num_classes))

    @shapechecked
    def join(
        self, states: Float[Tensor, "*batch state"], variables: Float[Tensor, "*batch variable kind"]
    ) -> Float[Tensor, "*batch dim"]:
        """Return the latents of states and one-hot variables.

        Args:
            states: What `advance` returned.
            variables: What `variables` made of the prior's logits, or of a posterior's.
        """
        return torch.cat((states, variables.flatten(-2)), dim=-1)

    def _predict(self, frames: Tensor, conditions: Tensor) -> Tensor:
        states = self.advance(frames[..., -1, :], conditions[..., -1, :])
        return self.join(states, self.variables(self.prior_logits(states)))
