"""EndpointInverseDynamics: which actions led from one embedding to another, some steps later?"""

from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import accumulation_dtype, check_number, check_size
from .._config import configurable
from .._typing import shapechecked
from ._inverse_dynamics import check_for_head
from ._trajectories import check_trajectories, finite_loss


@final
@configurable
class EndpointInverseDynamics(nn.Module):
    """Mean squared error of guessing all actions of a stretch from the embeddings at its two ends.

    A loss over trajectories, not a regularizer of samples: it takes a model's embeddings and actions as they
    are, and holds a head with parameters that are trained along with the model. What an action does may show
    only some steps later, as a push on something unstable does; a loss of one step (`InverseDynamics`) then
    lets go of it, and so does prediction with a regularizer of spread. Costs one pass through the head.

        mean_bsha (head([z_bs, z_b,s+H])_h - a_b,s+h)_a^2   for h = 0 .. H-1 and every s with s + H <= T-1

    Shapes: embeddings (*batch, time, dim) and actions (*batch, time, action), as in `leworld.data.Batch` ->
    scalar; at least H + 1 frames. Action t leaves frame t; the last one leaves the window and is not read.

    Args:
        embedding_dim: Size of an embedding, at least 1.
        action_dim: Size of an action (of an action block, for a model that takes blocks), at least 1.
        horizon: H, the actions of a stretch, at least 1. A model with history_size frames is trained on
            windows of one more, so that its history_size is the longest. 1 is `InverseDynamics`.
        hidden_dim: Width of the head's hidden layer with GELU, at least 1. Not published; ours.

    Raises:
        ShapeError: For fewer than H + 1 time steps, an empty axis, sizes other than the head's, integers, or
            inputs on another device than the head.
        NonFiniteError: For NaN or infinite inputs on a CPU; on an accelerator the result is NaN.
        ConfigError: For an option out of range.

    Numerics: as `InverseDynamics`.

    Randomness: initial weights come from torch's global generator.

    Source: L. Toso, Y. LeCun, J. Anderson and A. Bounou, "Preserving Unstable Modes Through Inverse Dynamics
    in JEPA World Models", arXiv 2610.07540 (EP-IDM), known to us by its abstract and by what others report.
    They prove that prediction with SIGReg can reach its minimum with controllable unstable directions
    collapsed, and report that this loss raises latent control of CartPole from 0 to 100 %; we have not
    checked either. The head's layers, and every start s in a window with equal weight, are ours.

    Example:
        ```python
        import torch
        from leworld.regularizers import EndpointInverseDynamics

        loss = EndpointInverseDynamics(8, 2, horizon=3, hidden_dim=16)
        value = loss(torch.randn(4, 5, 8), torch.randn(4, 5, 2))
        value.backward()
        assert value.shape == () and value > 0
        ```
    """

    reads: ClassVar[str] = "actions"

    def __init__(self, embedding_dim: int, action_dim: int, *, horizon: int, hidden_dim: int = 512) -> None:
        super().__init__()
        sizes = {"embedding_dim": embedding_dim, "action_dim": action_dim, "horizon": horizon}
        for name, value in (sizes | {"hidden_dim": hidden_dim}).items():
            check_number("EndpointInverseDynamics", name, value, low=1, integer=True)
        self.head = nn.Sequential(
            nn.Linear(2 * embedding_dim, hidden_dim), nn.GELU(), nn.Linear(hidden_dim, horizon * action_dim)
        )
        self.embedding_dim = embedding_dim
        self.action_dim = action_dim
        self.horizon = horizon

    @shapechecked
    def forward(
        self,
        embeddings: Float[Tensor, "*batch time dim"],
        actions: Float[Tensor, "*batch time action"],
        *,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, ""]:
        """Return the mean squared error of the guessed actions; `generator` is not used."""
        del generator
        owner, horizon = "EndpointInverseDynamics", self.horizon
        check_trajectories(owner, embeddings, low=horizon + 1)
        check_size(owner, "actions", actions, -1, "action", low=1, fix="Pass the actions")
        weight = next(self.head.parameters())
        check_for_head(owner, self, embeddings, actions, weight)
        starts = embeddings.shape[-2] - horizon
        ends = torch.cat((embeddings[..., :starts, :], embeddings[..., horizon:, :]), dim=-1)
        guessed = self.head(ends.to(weight.dtype))
        due = torch.cat([actions[..., step : step + starts, :] for step in range(horizon)], dim=-1)
        dtype = accumulation_dtype(guessed.dtype)
        value = (guessed.to(dtype) - due.to(dtype)).square().mean()
        return finite_loss(owner, value, embeddings=embeddings, actions=actions[..., :-1, :])
