"""InverseDynamics: which action led from one embedding to the next?"""

from typing import ClassVar, Literal, Protocol, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import (
    accumulation_dtype,
    check_choice,
    check_equal_size,
    check_number,
    check_one_device,
    check_size,
)
from .._config import configurable
from .._typing import shapechecked
from ._trajectories import check_trajectories, finite_loss


@final
@configurable
class InverseDynamics(nn.Module):
    """Mean squared error of guessing each action from the embeddings before and after it.

    A loss over trajectories, not a regularizer of samples: it takes a model's embeddings and actions as they
    are, and holds a head with parameters that are trained along with the model. It keeps in the embeddings
    what the actions change, and lets go of what they do not. Costs one pass through the head.

        mean_bta (head([z_bt, z_b,t+1]) - a_bt)_a^2   for t = 1 .. T-1

    `EndpointInverseDynamics` guesses all actions of a stretch from its two ends.

    Shapes: embeddings (*batch, time, dim) and actions (*batch, time, action), as in `leworld.data.Batch` ->
    scalar. Action t leaves frame t; the last one leaves the window and is not looked at.

    Args:
        embedding_dim: Size of an embedding, at least 1.
        action_dim: Size of an action (of an action block, for a model that takes blocks), at least 1.
        hidden_dim: Width of the head's hidden layer, at least 1; None for a linear head, as PLDM's
            configuration for the maze has it. 512 in stable-worldmodel's PLDM and in PLDM's for Wall.
        layer_norm: Whether a LayerNorm follows the hidden layer, as in stable-worldmodel's PLDM.
        activation: Behind it, "gelu" as in stable-worldmodel's or "relu" as in PLDM's.
        next_first: Whether the head reads [z_b,t+1, z_bt], as in stable-worldmodel's PLDM.

    Raises:
        ShapeError: For fewer than 2 time steps, an empty axis, sizes other than the head's, integers, or
            inputs on another device than the head.
        NonFiniteError: For NaN or infinite inputs on a CPU (an action after an episode's end is NaN in raw
            data: normalise actions with the model's `processor`); on an accelerator the result is NaN.
        ConfigError: For an option out of range.

    Numerics: the head computes in the dtype of its parameters, or of autocast; the error is accumulated in
    float32 (float64 for float64). At a total collapse the gradient differs between samples with different
    actions, so it can pull them apart; the head's weights scale it, and zero weights stop it.

    Randomness: initial weights come from torch's global generator.

    Source: V. Sobal et al., "PLDM", arXiv 2502.14819, the inverse dynamics term, on encoded (not predicted)
    embeddings, after D. Pathak et al., "Curiosity-driven Exploration", arXiv 1705.05363; stable-worldmodel
    0.1.1, `PLDMLoss`, and its training script.

    Example:
        ```python
        import torch
        from leworld.regularizers import InverseDynamics

        loss = InverseDynamics(8, 2, hidden_dim=16)
        value = loss(torch.randn(4, 5, 8), torch.randn(4, 5, 2))
        value.backward()
        assert value.shape == () and value > 0
        ```
    """

    reads: ClassVar[str] = "actions"

    def __init__(
        self,
        embedding_dim: int,
        action_dim: int,
        *,
        hidden_dim: int | None = None,
        layer_norm: bool = False,
        activation: Literal["gelu", "relu"] = "gelu",
        next_first: bool = False,
    ) -> None:
        super().__init__()
        check_number("InverseDynamics", "embedding_dim", embedding_dim, low=1, integer=True)
        check_number("InverseDynamics", "action_dim", action_dim, low=1, integer=True)
        check_choice("InverseDynamics", "activation", activation, ("gelu", "relu"))
        if hidden_dim is not None:
            check_number("InverseDynamics", "hidden_dim", hidden_dim, low=1, integer=True)
            first, last = nn.Linear(2 * embedding_dim, hidden_dim), nn.Linear(hidden_dim, action_dim)
            norm = (nn.LayerNorm(hidden_dim),) if layer_norm else ()
            bend = nn.GELU() if activation == "gelu" else nn.ReLU()
            self.head: nn.Module = nn.Sequential(first, *norm, bend, last)
        else:
            self.head = nn.Linear(2 * embedding_dim, action_dim)
        self.embedding_dim = embedding_dim
        self.action_dim = action_dim
        self.next_first = next_first

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
        check_trajectories("InverseDynamics", embeddings, low=2)
        check_size("InverseDynamics", "actions", actions, -1, "action", low=1, fix="Pass the actions")
        weight = next(self.head.parameters())
        check_for_head("InverseDynamics", self, embeddings, actions, weight)
        before, after = embeddings[..., :-1, :], embeddings[..., 1:, :]
        pairs = torch.cat((after, before) if self.next_first else (before, after), dim=-1)
        guessed = self.head(pairs.to(weight.dtype))
        dtype = accumulation_dtype(guessed.dtype)
        value = (guessed.to(dtype) - actions[..., :-1, :].to(dtype)).square().mean()
        return finite_loss("InverseDynamics", value, embeddings=embeddings, actions=actions[..., :-1, :])


class _Sized(Protocol):
    embedding_dim: int
    action_dim: int


def check_for_head(owner: str, head: _Sized, embeddings: Tensor, actions: Tensor, weight: Tensor) -> None:
    """Refuse embeddings and actions of other sizes than a head's, or on another device."""
    for name, tensor, size in (("dim", embeddings, head.embedding_dim), ("action", actions, head.action_dim)):
        check_equal_size(
            owner,
            f"`{name}`",
            tensor.shape[-1],
            size,
            expected_by="from its constructor",
            fix="Build it with the model's `embedding_dim` and `action_dim`",
        )
    check_one_device(owner, embeddings=embeddings, actions=actions, weight=weight)
