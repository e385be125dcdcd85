"""Rollouts that compute nothing twice, for models whose predictor can be extended."""

from typing import TypeGuard

import torch
from torch import Tensor, nn

from ..nn import Frozen
from ..predictors import IncrementalPredictor


def can_roll_incrementally(predictor: nn.Module, *around: nn.Module) -> TypeGuard[IncrementalPredictor]:
    """Whether `incremental_rollout` may take the place of the plain rollout.

    Not in training mode, where dropout and batch statistics make a result depend on what else is computed.
    A frozen predictor remembers what the one inside does.

    Args:
        predictor: The model's predictor.
        around: Its action encoder and prediction projector.
    """
    inner: nn.Module = predictor
    while isinstance(inner, Frozen):
        if inner._forward_hooks or inner._forward_pre_hooks:  # which expect the calls of `forward`
            return False
        inner = inner.module
    if not isinstance(inner, IncrementalPredictor) or not inner.can_extend:
        return False
    return not any(module.training for part in around for module in part.modules())


def incremental_rollout(
    predictor: IncrementalPredictor,
    action_encoder: nn.Module,
    projector: nn.Module,
    *,
    context: Tensor,
    past_actions: Tensor,
    actions: Tensor,
) -> Tensor:
    """Return what `WorldModel._rollout` defines, to rounding, with less arithmetic.

    Every action is embedded once, and each step is one call of the predictor for the newest frame, which
    goes on from what it remembers of the earlier ones. Where the predictor's window does not slide, frames
    older than history_size still count, which the plain definition leaves out.

    Args:
        predictor: Predicts from embeddings and conditions.
        action_encoder: Action block to condition.
        projector: The predictor's output to an embedding.
        context: (batch, time, *latent).
        past_actions: (batch, time - 1, action).
        actions: (batch, sample, horizon, action).
    """
    batch, samples, horizon, _ = actions.shape
    if predictor.slides:  # no need to embed the actions of frames that it will not look at
        context = context[:, -predictor.history_size :]
    past_actions = past_actions[:, past_actions.shape[1] + 1 - context.shape[1] :]
    past = action_encoder(past_actions).clone() if past_actions.shape[1] else None
    conditions = action_encoder(actions.flatten(0, 1)).unflatten(0, (batch, samples))
    if past is None:
        past = conditions[:, 0, :0]
    memory = predictor.prepare(context[:, :-1], past, conditions)
    newest = context[:, -1:].expand(-1, samples, *context.shape[2:]).clone()
    frames = []
    for _ in range(horizon):
        output, memory = predictor.extend(memory, newest)
        newest = projector(output).clone()  # the projector may use its memory again, the predictor keep it
        frames.append(newest.clone())  # the predictor may do with it as it likes
    return torch.stack(frames, dim=2)
