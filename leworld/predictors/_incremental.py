"""The interface of a predictor that can go on from where it stopped."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn


class IncrementalPredictor(nn.Module, ABC):
    """A predictor that appends one frame at a time to what it has seen, at the price of one step.

    `LeWM` rolls out with `prepare` and `extend` while `can_extend` holds, so that a horizon of 20 is 20 calls
    of `extend`. Otherwise it calls `forward` on whole windows, which for the last step of that horizon are
    20 frames long. What a predictor keeps from step to step is its own affair: keys and values of a window,
    or the hidden state of a recurrent network. Callers hand the memory on and never look into it.

    What `extend` returns is the last output of `forward`, to rounding,

    - on the frames so far and their conditions, while these are at most history_size;
    - beyond that, on the last history_size frames where `slides` is True, and on all frames where it is
      False. A recurrent predictor forgets nothing: for it history_size is only the longest window that
      training sees, and a rollout equals `forward` on the whole sequence, from a zero state. Where
      `can_extend` does not hold, the model's rollout has nothing but windows of history_size frames for it.

    Shapes:
        forward: embeddings (batch, time, dim), conditions (batch, time, condition) -> (batch, time, dim),
        causal. prepare and extend: see there.

    Attributes:
        history_size: The most frames in a window.
        slides: Whether `extend` sees the last history_size frames only.

    Example:
        ```python
        import torch
        from torch import nn
        from leworld.predictors import IncrementalPredictor

        class Recurrent(IncrementalPredictor):
            embedding_dim, condition_dim, history_size, slides = 8, 4, 3, False

            def __init__(self):
                super().__init__()
                self.gru = nn.GRU(12, 8, batch_first=True)

            def forward(self, embeddings, conditions):
                return self.gru(torch.cat([embeddings, conditions], dim=-1))[0]

            def prepare(self, embeddings, past_conditions, conditions):
                batch, samples = conditions.shape[:2]
                state = embeddings.new_zeros(1, batch, 8)
                if embeddings.shape[1]:
                    state = self.gru(torch.cat([embeddings, past_conditions], dim=-1))[1]
                return state.repeat_interleave(samples, dim=1), conditions

            def extend(self, memory, embeddings):
                state, conditions = memory
                inputs = torch.cat([embeddings, conditions[:, :, 0]], dim=-1)
                output, state = self.gru(inputs.flatten(0, 1).unsqueeze(1), state)
                return output.view_as(embeddings), (state, conditions[:, :, 1:])

        predictor = Recurrent().eval()
        embeddings, conditions = torch.randn(2, 7, 8), torch.randn(2, 7, 4)
        memory = predictor.prepare(embeddings[:, :2], conditions[:, :2], conditions[:, None, 2:])
        for t in range(2, 7):
            output, memory = predictor.extend(memory, embeddings[:, None, t])
        assert torch.allclose(output[:, 0], predictor(embeddings, conditions)[:, -1], atol=1e-6)
        ```
    """

    history_size: int
    slides: bool

    @property
    def can_extend(self) -> bool:
        """Whether `extend` would now compute what `forward` does.

        Not so while a part is in training mode, where dropout draws anew at each call, or has a forward hook,
        which expects the calls that `forward` makes.
        """
        return not any(m.training or m._forward_hooks or m._forward_pre_hooks for m in self.modules())

    @abstractmethod
    def prepare(self, embeddings: Tensor, past_conditions: Tensor, conditions: Tensor) -> Any:
        """Return the memory that a rollout starts from.

        Args:
            embeddings: (batch, time, dim), the known frames before the newest, which all candidates share;
                time may be 0.
            past_conditions: (batch, time, condition), the conditions that leave them.
            conditions: (batch, sample, horizon, condition), the candidates; step 0 leaves the newest frame.
        """

    @abstractmethod
    def extend(self, memory: Any, embeddings: Tensor) -> tuple[Tensor, Any]:
        """Append each candidate's newest frame; return the prediction of the next one, and the memory then.

        The first call takes the newest known frame, expanded over the candidates. Nothing in `memory` is
        changed in place: several continuations may start from the same one.

        Args:
            memory: What `prepare` or the last `extend` returned.
            embeddings: (batch, sample, dim).
        """
