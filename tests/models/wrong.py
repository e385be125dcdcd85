"""LeWMs that are wrong in one way each. Every one has been seen in the wild or is one slip away."""

import torch
from torch import Tensor
from torch.nn import functional as F

from leworld.data import Batch
from leworld.models import LeWM, Losses
from tests.models.cases import lewm


def spoiled(cls: type[LeWM]) -> LeWM:
    """The right small model with the class, and so the methods, of a wrong one."""
    model = lewm()
    model.__class__ = cls
    return model


class WindowNotSlid(LeWM):
    """Keeps the first frames of the window instead of the last."""

    def _rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        return _roll(self, context, past_actions, actions, first=lambda now: 0, frames=self.history_size)


class WindowOneShort(LeWM):
    """Looks at one frame fewer than it could."""

    def _rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        size = self.history_size - 1
        return _roll(self, context, past_actions, actions, first=lambda now: max(0, now - size), frames=size)


class PositionsNotReassigned(LeWM):
    """A frame keeps the position at which it entered, as a cache of keys and values would have it."""

    def _rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        size, plain = self.history_size, self.predictor.positions.data

        def first(now: int) -> int:
            start = max(0, now - size)
            self.predictor.positions.data = plain.roll(-start, dims=1)
            return start

        try:
            return _roll(self, context, past_actions, actions, first=first, frames=size)
        finally:
            self.predictor.positions.data = plain


class RolloutActionShifted(LeWM):
    """Pairs each frame with the action after its own."""

    def _rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        return super()._rollout(context, past_actions, actions.roll(-1, dims=2))


class SamplesMixed(LeWM):
    """Repeats the context along the wrong axis, so that candidates continue another trajectory."""

    def _rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        samples = actions.shape[1]
        mixed = context.repeat(samples, 1, 1).unflatten(0, actions.shape[:2])
        mixed_past = past_actions.repeat(samples, 1, 1).unflatten(0, actions.shape[:2])
        rows = [
            super(SamplesMixed, self)._rollout(mixed[:, s], mixed_past[:, s], actions[:, s : s + 1])
            for s in range(samples)
        ]
        return torch.cat(rows, dim=1)


class _WrongLoss(LeWM):
    def _terms(self, embeddings: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        predictions = self._predict(embeddings[:, :-1], batch.actions[:, :-1])
        return F.mse_loss(predictions, embeddings[:, 1:]), embeddings.transpose(0, 1)

    def _loss(self, batch: Batch, generator: torch.Generator | None) -> Losses:
        embeddings = self._encode(batch.observations)
        prediction, judged = self._terms(embeddings, batch)
        regularizer = self.regularizer(judged, generator=generator)
        terms = {"prediction": prediction, "regularizer": self.regularizer_weight * regularizer}
        return Losses(terms, latents=embeddings.detach(), values={"regularizer": regularizer})


class StopGradientOnTheTarget(_WrongLoss):
    def _terms(self, embeddings: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        predictions = self._predict(embeddings[:, :-1], batch.actions[:, :-1])
        return F.mse_loss(predictions, embeddings[:, 1:].detach()), embeddings.transpose(0, 1)


class StopGradientOnTheContext(_WrongLoss):
    def _terms(self, embeddings: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        predictions = self._predict(embeddings[:, :-1].detach(), batch.actions[:, :-1])
        return F.mse_loss(predictions, embeddings[:, 1:]), embeddings.transpose(0, 1)


class LossActionShifted(_WrongLoss):
    def _terms(self, embeddings: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        predictions = self._predict(embeddings[:, :-1], batch.actions[:, 1:])
        return F.mse_loss(predictions, embeddings[:, 1:]), embeddings.transpose(0, 1)


class PredictsItsInput(_WrongLoss):
    def _terms(self, embeddings: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        predictions = self._predict(embeddings[:, :-1], batch.actions[:, :-1])
        return F.mse_loss(predictions, embeddings[:, :-1]), embeddings.transpose(0, 1)


class RegularizesOverTime(_WrongLoss):
    """Compares the frames of a trajectory with each other instead of the trajectories at a time step."""

    def _terms(self, embeddings: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        return super()._terms(embeddings, batch)[0], embeddings


class SumsOverDim(_WrongLoss):
    def _terms(self, embeddings: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        prediction, judged = super()._terms(embeddings, batch)
        return prediction * embeddings.shape[-1], judged


class NotCausal(LeWM):
    """Lets the predictor look ahead: predictions in training see their own target."""

    def _predict(self, embeddings: Tensor, actions: Tensor) -> Tensor:
        for block in self.predictor.blocks:
            block.attention.causal = False
        return super()._predict(embeddings, actions)


class RegularizerForgotten(_WrongLoss):
    def _loss(self, batch: Batch, generator: torch.Generator | None) -> Losses:
        losses = super()._loss(batch, generator)
        prediction = {"prediction": losses.terms["prediction"]}
        return Losses(prediction, latents=losses.latents, values=losses.values)


def _roll(model: LeWM, context: Tensor, past: Tensor, actions: Tensor, *, first, frames: int) -> Tensor:
    samples, horizon = actions.shape[1:3]
    seen = context.repeat_interleave(samples, dim=0)
    blocks = torch.cat([past.repeat_interleave(samples, dim=0), actions.flatten(0, 1)], dim=1)
    for now in range(context.shape[1], context.shape[1] + horizon):
        start = first(now)
        window = slice(start, min(now, start + frames))
        seen = torch.cat([seen, model._predict(seen[:, window], blocks[:, window])[:, -1:]], dim=1)
    return seen[:, context.shape[1] :].unflatten(0, actions.shape[:2])


# Each with the check that is there for it.
WRONG: dict[type[LeWM], str] = {
    WindowNotSlid: "check_rollout_is_the_hand_loop",
    WindowOneShort: "check_rollout_is_the_hand_loop",
    PositionsNotReassigned: "check_rollout_is_the_hand_loop",
    RolloutActionShifted: "check_rollout_is_causal",
    SamplesMixed: "check_rollout_is_the_hand_loop",
    StopGradientOnTheTarget: "check_gradient_is_the_slope",
    StopGradientOnTheContext: "check_gradient_is_the_slope",
    LossActionShifted: "check_loss_is_its_formula",
    PredictsItsInput: "check_loss_is_its_formula",
    RegularizesOverTime: "check_loss_is_its_formula",
    SumsOverDim: "check_loss_is_its_formula",
    NotCausal: "check_loss_is_its_formula",
    RegularizerForgotten: "check_loss_is_its_formula",
}
