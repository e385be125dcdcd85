"""DINO-WMs that are wrong in one way each. Every one is a reading of the paper or one slip away."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leworld.data import Batch
from leworld.models import DINOWM, Losses
from tests.models.dinowm import dinowm


def spoiled(cls: type[DINOWM]) -> DINOWM:
    """The right small model with the class, and so the methods, of a wrong one."""
    model = dinowm(proprio_weight=0.3)
    model.__class__ = cls
    return model


class FeltByTheFirstToken(DINOWM):
    """Gives what is felt to one token, and zeros to the others."""

    def _encode(self, observations: Any) -> Tensor:
        latents = super()._encode(observations)
        first = torch.arange(latents.shape[2]) == 0
        felt = latents[..., 6:] * first[:, None]
        return torch.cat([latents[..., :6], felt], dim=-1)


class _WrongLoss(DINOWM):
    def _errors(self, predictions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        targets = targets.detach()
        return F.mse_loss(predictions[..., :6], targets[..., :6]), F.mse_loss(
            predictions[..., 6:], targets[..., 6:]
        )

    def _share(self) -> float:
        return 6 / 8

    def _blocks(self, actions: Tensor) -> Tensor:
        return actions[:, :-1]

    def _loss(self, batch: Batch, generator: torch.Generator | None) -> Losses:
        latents = self._encode(batch.observations)
        predictions = self._predict(latents[:, :-1], self._blocks(batch.actions))
        visual, proprio = self._errors(predictions, latents[:, 1:])
        share = self._share()
        terms = {"visual": share * visual, "proprio": (1 - share) * proprio}
        return Losses(terms, latents=latents.detach(), values={"visual": visual, "proprio": proprio})


class TargetsPassGradient(_WrongLoss):
    def _errors(self, predictions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return F.mse_loss(predictions[..., :6], targets[..., :6]), F.mse_loss(
            predictions[..., 6:], targets[..., 6:]
        )


class PartsCountAlike(_WrongLoss):
    def _share(self) -> float:
        return 0.5


class LossReadsTheFirstToken(_WrongLoss):
    def _errors(self, predictions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return super()._errors(predictions[..., :1, :], targets[..., :1, :])


class LossActionShifted(_WrongLoss):
    def _blocks(self, actions: Tensor) -> Tensor:
        return actions[:, 1:]


class DistanceSums(DINOWM):
    def latent_distance(self, one: Tensor, other: Tensor) -> Tensor:
        return (one - other).square().sum((-1, -2))


class DistanceReadsAllTokens(DINOWM):
    def latent_distance(self, one: Tensor, other: Tensor) -> Tensor:
        square = (one - other).square()
        return square[..., :6].mean((-1, -2)) + self.proprio_weight * square[..., 6:].mean((-1, -2))


class DistanceForgetsTheWeight(DINOWM):
    def latent_distance(self, one: Tensor, other: Tensor) -> Tensor:
        square = (one - other).square()
        return square[..., :6].mean((-1, -2)) + square[..., 0, 6:].mean(-1)


class EncoderThawed(DINOWM):
    def train(self, mode: bool = True) -> "EncoderThawed":
        return nn.Module.train(self, mode)


class EncoderLearns(DINOWM):
    def _encode(self, observations: Any) -> Tensor:
        self.encoder.requires_grad_(True)
        with torch.enable_grad():
            visual = self.encoder(observations["pixels"].flatten(0, 1))
        visual = visual.unflatten(0, observations["pixels"].shape[:2])
        return torch.cat([visual, super()._encode(observations)[..., 6:]], dim=-1)


class PiecesSwapped(DINOWM):
    """Puts the candidates back in another order than they came."""

    def _rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        return super()._rollout(context, past_actions, actions).roll(1, dims=1)


class PastOfTheNextFrame(DINOWM):
    def _rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        return super()._rollout(context, past_actions.roll(1, dims=1), actions)


class WindowOneShort(DINOWM):
    def _rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        return super()._rollout(context[:, -2:], past_actions[:, -1:], actions)


class PositionsNotReassigned(DINOWM):
    """Keeps keys and values over a window that slides, as if a frame kept its position."""

    def _roll(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        predictor, plain = self.predictor, self.predictor.positions.data
        steps = context.shape[1] + actions.shape[2]
        predictor.history_size = steps
        predictor.positions.data = plain.repeat(1, steps, 1)[:, : steps * predictor.num_tokens]
        try:
            return super()._roll(context, past_actions, actions)
        finally:
            predictor.history_size, predictor.positions.data = self.history_size, plain


# Each with the check that is there for it, here or in the contract.
WRONG: dict[type[DINOWM], str] = {
    FeltByTheFirstToken: "check_tokens_are_features_and_what_is_felt",
    TargetsPassGradient: "check_targets_pass_no_gradient",
    PartsCountAlike: "check_loss_is_its_formula",
    LossReadsTheFirstToken: "check_loss_is_its_formula",
    LossActionShifted: "check_loss_is_its_formula",
    DistanceSums: "check_distance_is_the_objective",
    DistanceReadsAllTokens: "check_distance_is_the_objective",
    DistanceForgetsTheWeight: "check_distance_is_the_objective",
    EncoderThawed: "check_encoder_is_frozen",
    EncoderLearns: "check_encoder_is_frozen",
    PiecesSwapped: "check_rollout_is_the_hand_loop",
    PastOfTheNextFrame: "check_rollout_is_the_hand_loop",
    WindowOneShort: "check_rollout_is_the_hand_loop",
    PositionsNotReassigned: "check_rollout_is_the_hand_loop",
}
RIGHT = (DINOWM, _WrongLoss)
