"""A recurrent predictor, and the one of the original PLDM."""

from dataclasses import dataclass, replace
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_choice, check_number
from .._config import configurable
from .._transforms import transforming
from .._typing import shapechecked
from ..errors import ConfigError
from ..nn import Conditioning
from ._checks import check_frames, check_next, check_start
from ._incremental import IncrementalPredictor


@final
@dataclass(frozen=True)
class GRUMemory:
    """Where a rollout of `GRUPredictor` stands; its tensors are never changed in place.

    Args:
        states: Of each layer, (batch, sample or 1, hidden).
        conditions: The candidates' conditions, (batch, sample, horizon, condition).
        step: How many frames have been appended.
    """

    states: tuple[Tensor, ...]
    conditions: Tensor
    step: int = 0


class _GRUCell(nn.GRUCell):
    """Torch's cell, which torch.func and forward mode can see through."""

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Return the next state of (row, input) and (row, hidden)."""
        if hx is None or not transforming():
            return super().forward(input, hx)
        reset, update, new = F.linear(input, self.weight_ih, self.bias_ih).chunk(3, dim=-1)
        own_reset, own_update, own_new = F.linear(hx, self.weight_hh, self.bias_hh).chunk(3, dim=-1)
        new = torch.tanh(new + torch.sigmoid(reset + own_reset) * own_new)
        return torch.lerp(new, hx, torch.sigmoid(update + own_update))


@final
@configurable
class GRUPredictor(IncrementalPredictor):
    """Predict the next embedding with gated recurrent units: one cheap step a frame, and no window.

    Reach for it where rollouts are long or a history of a few frames does not tell the state. It has two
    forms. With `state="hidden"` it reads embeddings and conditions one after another into a hidden state of
    its own, which starts at zero:

        h_t    = GRU(input = Conditioning(z_t, c_t), state = h_t-1)
        output = Linear(h_t)

    With `state="embedding"` the embedding is the hidden state and the condition the only input, as in the
    original PLDM:

        output = GRU(input = c_t, state = z_t)

    This form remembers nothing but the embedding. Rolled out from one frame it is PLDM's predictor, whose
    hidden state starts at z_0 and goes on from its own output; on a sequence of frames, each output goes on
    from the real frame. PLDM's loss over 16 open-loop steps is taken on such a rollout.

    Shapes:
        embeddings (batch, time, embedding_dim), conditions (batch, time, condition_dim) ->
        (batch, time, embedding_dim), for any time from 1.

    Args:
        embedding_dim: Size of an embedding.
        history_size: The longest window that training sees. It bounds no sequence: see
            `IncrementalPredictor`.
        condition_dim: Size of an action embedding, or of a raw action block; embedding_dim when None.
        hidden_dim: Size of the hidden state; embedding_dim when None.
        num_layers: Number of recurrent layers, each fed with the one before.
        state: "hidden" or "embedding". The latter has one layer of the embedding's size.
        conditioning: How a condition meets the embedding of the same step, see `leworld.nn.Conditioning`. The
            state "embedding" has the condition as its input, which is "concatenate" with nothing.
        layer_norm: Whether a LayerNorm ends it, which PLDM's has. Outputs are then of the scale that an
            encoder's with a LayerNorm at its end have.

    Raises:
        ConfigError: If an option is unknown or out of range, or does not go with the state "embedding".
        ShapeError: If an axis has another size than it was built for, or there is no frame.

    Randomness: torch's usual initial weights, by its global generator.

    Source: Cho et al., 2014 (arXiv 1406.1078), in the form of torch's GRUCell; Sobal et al., 2025 (arXiv
    2502.14819), where the LayerNorm shares its weights with the encoder's and here has its own.

    Example:
        ```python
        import torch
        from leworld.predictors import GRUPredictor

        embeddings, actions = torch.randn(2, 5, 8), torch.randn(2, 5, 3)
        assert GRUPredictor(8, condition_dim=3, hidden_dim=16)(embeddings, actions).shape == (2, 5, 8)
        original = GRUPredictor(8, 16, condition_dim=3, state="embedding", layer_norm=True)
        assert torch.allclose(original(embeddings, actions).mean(-1), torch.zeros(2, 5), atol=1e-5)
        ```
    """

    slides = False

    def __init__(
        self,
        embedding_dim: int,
        history_size: int = 3,
        *,
        condition_dim: int | None = None,
        hidden_dim: int | None = None,
        num_layers: int = 1,
        state: Literal["hidden", "embedding"] = "hidden",
        conditioning: Literal["concatenate", "film", "adaln"] = "concatenate",
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        hidden = embedding_dim if hidden_dim is None else hidden_dim
        self.condition_dim = embedding_dim if condition_dim is None else condition_dim
        for name, value in (
            ("embedding_dim", embedding_dim),
            ("history_size", history_size),
            ("condition_dim", self.condition_dim),
            ("hidden_dim", hidden),
            ("num_layers", num_layers),
        ):
            check_number("GRUPredictor", name, value, low=1, integer=True)
        check_choice("GRUPredictor", "state", state, ("hidden", "embedding"))
        check_choice("GRUPredictor", "conditioning", conditioning, ("concatenate", "film", "adaln"))
        in_dim = self.condition_dim
        self.conditioning: Conditioning | None = None
        self.output: nn.Linear | None = None
        if state == "hidden":
            self.conditioning = Conditioning(embedding_dim, self.condition_dim, kind=conditioning)
            self.output = nn.Linear(hidden, embedding_dim)
            in_dim = self.conditioning.out_dim
        elif (hidden, num_layers, conditioning) != (embedding_dim, 1, "concatenate"):
            raise ConfigError(
                'GRUPredictor with `state="embedding"` needs one layer whose state is the embedding',
                f"`hidden_dim={hidden_dim}`, `num_layers={num_layers}` and `conditioning={conditioning!r}`",
                'Leave these three out, or take `state="hidden"`',
            )
        self.cells = nn.ModuleList(_GRUCell(hidden if i else in_dim, hidden) for i in range(num_layers))
        self.norm = nn.LayerNorm(embedding_dim) if layer_norm else None
        self.embedding_dim = embedding_dim
        self.history_size = history_size
        self.hidden_dim = hidden
        self.state = state

    @shapechecked
    def forward(
        self, embeddings: Float[Tensor, "batch time dim"], conditions: Float[Tensor, "batch time condition"]
    ) -> Float[Tensor, "batch time dim"]:
        """Predict the embedding that follows each time step."""
        check_frames(
            "GRUPredictor",
            embeddings,
            conditions,
            dim=self.embedding_dim,
            condition_dim=self.condition_dim,
        )
        if self.conditioning is None:
            rows = embeddings.flatten(0, 1), conditions.flatten(0, 1)
            return self._step(*rows, ())[0].unflatten(0, embeddings.shape[:2])
        states, outputs = self._zeros(embeddings), []
        for frame, condition in zip(embeddings.unbind(1), conditions.unbind(1), strict=True):
            output, states = self._step(frame, condition, states)
            outputs.append(output)
        return torch.stack(outputs, dim=1)

    @shapechecked
    def prepare(
        self,
        embeddings: Float[Tensor, "batch time dim"],
        past_conditions: Float[Tensor, "batch time condition"],
        conditions: Float[Tensor, "batch sample horizon condition"],
    ) -> GRUMemory:
        """Return the memory that a rollout starts from: the state after the known frames.

        Args:
            embeddings: The known frames before the newest.
            past_conditions: The action embeddings that leave them.
            conditions: The candidates' action embeddings.
        """
        check_start(
            "GRUPredictor",
            embeddings,
            past_conditions,
            conditions,
            latent=(self.embedding_dim,),
            condition_dim=self.condition_dim,
        )
        if self.conditioning is None:
            return GRUMemory((), conditions)
        states = self._zeros(embeddings)
        for frame, condition in zip(embeddings.unbind(1), past_conditions.unbind(1), strict=True):
            _, states = self._step(frame, condition, states)
        return GRUMemory(tuple(state.unsqueeze(1) for state in states), conditions)

    @shapechecked
    def extend(
        self, memory: GRUMemory, embeddings: Float[Tensor, "batch sample dim"]
    ) -> tuple[Float[Tensor, "batch sample dim"], GRUMemory]:
        """Append each candidate's newest frame and predict the next one, in one step.

        Args:
            memory: What `prepare` or the last `extend` returned.
            embeddings: The newest frame of each candidate.

        Raises:
            ShapeError: If `prepare` got conditions of fewer steps or of other rows.
        """
        step, conditions = memory.step, memory.conditions
        check_next("GRUPredictor", embeddings, conditions, step=step, latent=(self.embedding_dim,))
        rows = embeddings.shape[:2]
        known = tuple(state.expand(*rows, -1).flatten(0, 1) for state in memory.states)
        output, states = self._step(embeddings.flatten(0, 1), conditions[:, :, step].flatten(0, 1), known)
        after = tuple(state.unflatten(0, rows) for state in states)
        return output.unflatten(0, rows), replace(memory, states=after, step=step + 1)

    def _step(
        self, embeddings: Tensor, conditions: Tensor, states: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the prediction after (row, dim) and (row, condition), and the states then."""
        if self.conditioning is None or self.output is None:
            output, after = self.cells[0](conditions, embeddings), []
        else:
            layer, after = self.conditioning(embeddings, conditions), []
            for cell, state in zip(self.cells, states, strict=True):
                layer = cell(layer, state)
                after.append(layer)
            output = self.output(layer)
        return output if self.norm is None else self.norm(output), tuple(after)

    def _zeros(self, embeddings: Tensor) -> tuple[Tensor, ...]:
        """Return the states before the first frame."""
        shape = embeddings.shape[0], self.hidden_dim
        zero = torch.zeros(shape, dtype=embeddings.dtype, device=embeddings.device)
        return (zero,) * len(self.cells)
