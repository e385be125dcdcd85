"""What is known when planning begins: real frames and the blocks between them, or a model's state."""

from abc import abstractmethod
from typing import Any, Protocol, final, runtime_checkable

import torch
from torch import Tensor

from .._checks import check_finite, check_size, describe
from .._lending import copied, own_copy
from ..errors import ConfigError, ShapeError
from ..models import History, WorldModel
from ..nn import evaluation_mode


@runtime_checkable
class RolloutModel(Protocol):
    """Anything that predicts embeddings under candidate actions, such as a `leworld.models.WorldModel`.

    Example:
        ```python
        import torch
        from leworld.costs import RolloutModel

        class Integrator:
            def rollout(self, context, past_actions, actions):
                return context[:, None, -1:] + actions.cumsum(2)

        assert isinstance(Integrator(), RolloutModel)
        ```
    """

    @abstractmethod
    def rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        """Predict the embeddings after each of `actions`: -> "batch sample horizon *latent".

        Args:
            context: Embeddings of past frames, "batch time *latent".
            past_actions: Actions between them, "batch time-1 action".
            actions: Candidates, "batch sample horizon action"; step 0 leaves the last context frame.
        """
        ...


@final
class Start:
    """Where candidates begin, and the way from there.

    Args:
        owner: The cost that asks, for error messages.
        model: Predicts latents.
        context: Latents of the last real frames (batch, time, *latent), oldest first.
        past_actions: Blocks between them (batch, time - 1, action); may be left out for a single frame.
        state: What a `WorldModel`'s `observe` returned, in place of the two.
    """

    def __init__(
        self,
        owner: str,
        model: RolloutModel,
        *,
        context: Tensor | None,
        past_actions: Tensor | None,
        state: Any | None,
    ) -> None:
        self.owner = owner
        self.model = model
        self.state = None
        if (context is None) == (state is None) or (state is not None and past_actions is not None):
            raise ConfigError(
                f"{owner} needs either `context`, with `past_actions`, or `state`",
                f"`context` is {_given(context)}, `past_actions` {_given(past_actions)} and `state` "
                f"{_given(state)}",
                "Pass the latents of the last frames, or what the model's `observe` returned",
            )
        if isinstance(state, History):
            context, past_actions = state.latents, state.actions
        elif state is not None:
            if not isinstance(model, WorldModel):
                raise ConfigError(
                    f"{owner} needs a WorldModel to begin from a `state`",
                    f"`model` is {describe(model)}",
                    "Pass `context` and `past_actions` instead",
                )
            self.state = _copied(state)
            with evaluation_mode(model):
                context, past_actions = model.present(_copied(state)).unsqueeze(1), None
        if context is None:
            raise RuntimeError("unreachable: one of the two is given")
        _check_context(owner, context)
        self.context = own_copy(context)
        none = own_copy(self.context.new_zeros((len(context), 0, 0)))
        self.past_actions = none if past_actions is None else own_copy(past_actions)

    def check_history(self) -> "Start":
        """Raise unless frames and blocks are finite and fit together; return this."""
        context, past = self.context, self.past_actions
        if past.shape[1] != context.shape[1] - 1:
            raise ShapeError(
                f"{self.owner} needs one past action block between each two of {context.shape[1]} "
                "context frames",
                f"`past_actions` has time={past.shape[1]} instead of {context.shape[1] - 1}",
                "Pass the blocks that led from frame to frame; candidates start after the last frame",
            )
        for name, tensor in (("context", context), ("past_actions", past)):
            fix = "Check the frames that were encoded and the model's weights"
            check_finite(self.owner, name, tensor, fix=fix)
        return self

    @property
    def present(self) -> Tensor:
        """Latents of the present moment, (batch, *latent)."""
        return self.context[:, -1]

    def rollout(self, actions: Tensor) -> Tensor:
        """Return the latents that candidates lead to, (batch, sample, horizon, *latent)."""
        past_actions = self._matching_past(actions)
        # autograd sees to a model that edits actions with a gradient, and torch.compile wants them as leaves
        actions = actions if actions.requires_grad else actions.clone()
        with evaluation_mode(self.model):
            if self.state is not None and isinstance(self.model, WorldModel):
                return self.model.imagine(_copied(self.state), actions)
            return self.model.rollout(self.context.clone(), past_actions.clone(), actions)

    def transition(self, states: Tensor, actions: Tensor) -> Tensor:
        """Predict every step from the supposed latents before it, all steps side by side."""
        past_actions = self._matching_past(actions)
        with evaluation_mode(self.model):
            return _one_step_each(self.model, self.context, past_actions, states, actions)

    def _matching_past(self, actions: Tensor) -> Tensor:
        """Check candidates against the history and return the past blocks in their size."""
        batch, _, horizon, size = actions.shape
        if batch != len(self.context):
            raise ShapeError(
                f"{self.owner} needs candidates for its {len(self.context)} problems",
                f"`actions` is {describe(actions)}, i.e. batch={batch}",
                "Plan with the `batch` that the context has",
            )
        if horizon == 0:
            raise ShapeError(
                f"{self.owner} needs at least one planned step",
                f"`actions` is {describe(actions)}",
                "Plan with horizon >= 1",
            )
        known = self.past_actions.shape[1] > 0
        expected = self.past_actions.shape[2] if known else getattr(self.model, "action_dim", None)
        if isinstance(expected, int) and size != expected:
            raise ShapeError(
                f"{self.owner} needs action blocks of size {expected}",
                f"`actions` is {describe(actions)}, i.e. action={size}",
                "Plan with action_dim = frameskip x raw action components, the model's `action_dim`",
            )
        return self.past_actions if known else actions.new_zeros((batch, 0, size))


def _copied(state: Any) -> Any:
    """Return a state of the same parts that shares no memory with it, of normal tensors without gradient."""
    with torch.inference_mode(False), torch.no_grad():
        return copied(state)


def _given(value: object | None) -> str:
    return "left out" if value is None else "given"


def _check_context(owner: str, context: Tensor) -> None:
    check_size(owner, "context", context, 0, "batch", low=1, fix="Pass at least one problem")
    check_size(owner, "context", context, 1, "time", low=1, fix="Pass at least the present frame")


def _one_step_each(
    model: RolloutModel, context: Tensor, past_actions: Tensor, states: Tensor, actions: Tensor
) -> Tensor:
    """Predict every step from the states before it, all steps side by side.

    Prediction t sees the last `model.history_size` of the real frames and `states` 0 .. t - 1, so that on the
    states of a rollout it returns that rollout. A model that does not tell its `history_size` is taken to
    look back as far as `context` reaches.

    Args:
        model: Rolls out.
        context: (batch, time, *latent).
        past_actions: (batch, time - 1, action).
        states: Supposed states after steps 1 .. horizon - 1, (batch, sample, horizon - 1, *latent).
        actions: (batch, sample, horizon, action).

    Returns:
        Predictions of the states after steps 1 .. horizon, (batch, sample, horizon, *latent).
    """
    batch, samples, horizon, _ = actions.shape
    known = context.shape[1]
    history = getattr(model, "history_size", known)
    frames = torch.cat((_for_samples(context, samples), states), dim=2)
    blocks = torch.cat((_for_samples(past_actions, samples), actions), dim=2)
    lengths = [min(history, known + step) for step in range(horizon)]
    predicted = []
    for length in sorted(set(lengths)):
        ends = [known + step for step in range(horizon) if lengths[step] == length]
        windows = torch.stack([frames[:, :, end - length : end] for end in ends], dim=2).flatten(0, 2)
        taken = torch.stack([blocks[:, :, end - length : end] for end in ends], dim=2).flatten(0, 2)
        following = model.rollout(windows, taken[:, :-1], taken[:, None, -1:])[:, 0, 0]
        predicted.append(following.unflatten(0, (batch, samples, len(ends))))
    return torch.cat(predicted, dim=2)


def _for_samples(history: Tensor, samples: int) -> Tensor:
    return history.unsqueeze(1).expand(-1, samples, *history.shape[1:])
