"""What is known when planning begins: real frames, the blocks between them, and steps from there."""

import torch
from torch import Tensor

from .._checks import check_finite, check_size, describe
from ..errors import ShapeError
from ._model import RolloutModel


def check_context(owner: str, context: Tensor) -> None:
    """Raise `ShapeError` unless there is a problem and a frame."""
    check_size(owner, "context", context, 0, "batch", low=1, fix="Pass at least one problem")
    check_size(owner, "context", context, 1, "time", low=1, fix="Pass at least the present frame")


def check_history(owner: str, context: Tensor, past_actions: Tensor | None) -> Tensor:
    """Check real frames and the blocks between them, and return these (none for a single frame)."""
    check_context(owner, context)
    if past_actions is None:
        past_actions = context.new_zeros((len(context), 0, 0))
    if past_actions.shape[1] != context.shape[1] - 1:
        raise ShapeError(
            f"{owner} needs one past action block between each two of {context.shape[1]} context frames",
            f"`past_actions` has time={past_actions.shape[1]} instead of {context.shape[1] - 1}",
            "Pass the blocks that led from frame to frame; candidates start after the last frame",
        )
    for name, tensor in (("context", context), ("past_actions", past_actions)):
        check_finite(owner, name, tensor, fix="Check the frames that were encoded and the model's weights")
    return past_actions.detach()


def matching_past(
    owner: str, model: RolloutModel, context: Tensor, past_actions: Tensor, actions: Tensor
) -> Tensor:
    """Check candidates against the history and return the past blocks in their size."""
    batch, _, horizon, size = actions.shape
    if batch != len(context):
        raise ShapeError(
            f"{owner} needs candidates for its {len(context)} problems",
            f"`actions` is {describe(actions)}, i.e. batch={batch}",
            "Plan with the `batch` that the context has",
        )
    if horizon == 0:
        raise ShapeError(
            f"{owner} needs at least one planned step",
            f"`actions` is {describe(actions)}",
            "Plan with horizon >= 1",
        )
    expected = getattr(model, "action_dim", None)
    if past_actions.shape[1]:
        expected = past_actions.shape[2]
    if isinstance(expected, int) and size != expected:
        raise ShapeError(
            f"{owner} needs action blocks of size {expected}",
            f"`actions` is {describe(actions)}, i.e. action={size}",
            "Plan with action_dim = frameskip x raw action components, the model's `action_dim`",
        )
    if past_actions.shape[1]:
        return past_actions
    return actions.new_zeros((batch, 0, size))


def one_step_each(
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
