"""Rollouts that compute nothing twice, for models whose predictor can be extended."""

from typing import TypeGuard

import torch
from torch import Tensor, nn

from ..predictors._incremental import Conditions, IncrementalPredictor

_STEPS_AT_ONCE = 8


def can_roll_incrementally(predictor: nn.Module, *around: nn.Module) -> TypeGuard[IncrementalPredictor]:
    """Whether `incremental_rollout` returns what the plain rollout does.

    Not in training mode, where dropout and batch statistics make a result depend on what else is computed.

    Args:
        predictor: The model's predictor.
        around: Its action encoder and prediction projector.
    """
    if not isinstance(predictor, IncrementalPredictor) or not predictor.can_extend:
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

    - Every action is embedded once, and turned into modulations once.
    - While the window grows, a step appends one frame to what the predictor remembers. Once it slides, every
      frame moves to another position and the window is computed anew.
    - Frames that are the same for all candidates, because the action that leaves them has been executed, are
      computed once a trajectory.
    - The last block's queries, its MLP and the projector see the newest frame only.

    Nothing that a gradient needs is changed in place, so that gradients reach the actions; nothing is read
    back from an accelerator or copied to it, so that a CUDA graph can capture it.

    Args:
        predictor: Predicts from embeddings and conditions.
        action_encoder: Action block to condition.
        projector: The predictor's output to an embedding.
        context: (batch, time, dim).
        past_actions: (batch, time - 1, action).
        actions: (batch, sample, horizon, action).
    """
    batch, samples, horizon, _ = actions.shape
    size = predictor.history_size
    context = context[:, -size:].unsqueeze(1)
    known = context.shape[2] - 1
    shared, newest = context[:, :, :known], context[:, :, known]
    shared_conditions = None
    if known:
        past = action_encoder(past_actions[:, -known:]).unsqueeze(1)
        shared_conditions = predictor.prepare_conditions(past)
    encoded = action_encoder(actions.flatten(0, 1)).unflatten(0, (batch, samples))

    frames = [newest.expand(-1, samples, -1)]
    conditions, start, stop, memory = None, 0, 0, None
    for step in range(horizon):
        first = known + step + 1 - size  # of the window, counted from the start of the context
        begin = step  # of the candidates' own frames, the first that is to be computed
        if step == 0 or first > 0:
            begin, memory = max(0, first - known), None
            if shared_conditions is not None and first < known:
                window = slice(max(0, first), known)
                _, memory = predictor.extend(shared[:, :, window], shared_conditions[window])
        if conditions is None or step >= stop:
            start, stop = begin, min(horizon, begin + size + _STEPS_AT_ONCE)
            conditions = predictor.prepare_conditions(encoded[:, :, start:stop])
        embeddings = torch.stack(frames[begin:], dim=2)
        part: Conditions = conditions[begin - start : step + 1 - start]
        output, memory = predictor.extend(embeddings, part, memory=memory)
        frames.append(projector(output))
    return torch.stack(frames[1:], dim=2)
