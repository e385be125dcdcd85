"""PLDMs that are wrong in one way each: slips of ours, and of public code."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from leworld.data import Batch
from leworld.models import PLDM, Losses
from leworld.regularizers import PLDMTerms, TemporalVCReg, VCReg
from tests.models.cases import pldm


def spoiled(cls: type, **options: Any) -> PLDM:
    """The right small model with the class, and so the methods, of a wrong one, or its terms' class."""
    model = pldm(**options)
    (model.regularizer if issubclass(cls, PLDMTerms) else model).__class__ = cls
    return model


class RightTerms(PLDMTerms):
    pass


class TimeStdNotCentredOverTheBatch(PLDMTerms):
    def _value(self, name: str, embeddings: Tensor, actions: Tensor) -> Tensor:
        if name == "time_std":
            return TemporalVCReg(centred="time")(embeddings)
        return super()._value(name, embeddings, actions)


class TimeCovarianceCentredOverTime(PLDMTerms):
    def _value(self, name: str, embeddings: Tensor, actions: Tensor) -> Tensor:
        if name == "time_covariance":
            paths = embeddings if self.variant == "released" else embeddings[:, 1:]
            return TemporalVCReg(0.0, 1.0, centred="time")(paths)
        return super()._value(name, embeddings, actions)


class TwelveInUnitsOfDim(PLDMTerms):
    """The published weight times a covariance that is divided by dim."""

    def _value(self, name: str, embeddings: Tensor, actions: Tensor) -> Tensor:
        value = super()._value(name, embeddings, actions)
        return value * (embeddings.shape[-1] - 1) if name == "covariance" else value


class FramesPooled(PLDMTerms):
    """All frames of all trajectories as one sample, as eb_jepa has it."""

    def _value(self, name: str, embeddings: Tensor, actions: Tensor) -> Tensor:
        if name == "std":
            return VCReg(1.0, 0.0)(embeddings.flatten(0, 1))
        return super()._value(name, embeddings, actions)


class FirstFrameInBothVariants(PLDMTerms):
    def _value(self, name: str, embeddings: Tensor, actions: Tensor) -> Tensor:
        return super()._value(name, embeddings[:, :1] if name == "std" else embeddings, actions)


class EveryFrameInBothVariants(PLDMTerms):
    def _value(self, name: str, embeddings: Tensor, actions: Tensor) -> Tensor:
        return self.time_std(embeddings) if name == "time_std" else super()._value(name, embeddings, actions)


class SpreadOverTime(PLDMTerms):
    """Compares the frames of a trajectory in place of the trajectories at a frame."""

    def _value(self, name: str, embeddings: Tensor, actions: Tensor) -> Tensor:
        return self.std(embeddings) if name == "std" else super()._value(name, embeddings, actions)


class HeadReadsTheOtherOrder(PLDMTerms):
    def _value(self, name: str, embeddings: Tensor, actions: Tensor) -> Tensor:
        if name != "inverse_dynamics":
            return super()._value(name, embeddings, actions)
        blocks = torch.cat((actions[:, :-1].flip(1), actions[:, -1:]), dim=1)
        return super()._value(name, embeddings.flip(1), blocks)


class ComputesEverything(PLDMTerms):
    def values(self, embeddings: Tensor, actions: Tensor) -> dict[str, Tensor]:
        self.time_covariance(embeddings)
        return super().values(embeddings, actions)


class WeightsOfTheConstructor(PLDMTerms):
    @property
    def weights(self) -> dict[str, float]:
        return {name: self.config.arguments[f"{name}_weight"] for name in self.names}


class WeightsTwice(PLDMTerms):
    def values(self, embeddings: Tensor, actions: Tensor) -> dict[str, Tensor]:
        return {name: self.weights[name] * x for name, x in super().values(embeddings, actions).items()}


class TargetDetached(PLDM):
    def _loss(self, batch: Batch, generator: torch.Generator | None) -> Losses:
        losses = super()._loss(batch, generator)
        z = self._encode(batch.observations)
        prediction = F.mse_loss(self._predict(z[:, :-1], batch.actions[:, :-1]), z[:, 1:].detach())
        terms = {**losses.terms, "prediction": prediction}
        return Losses(terms, latents=losses.latents, values=losses.values)


class OpenLoopForgotten(PLDM):
    def _rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        return super()._rollout(context, past_actions, actions).flip(2)


# Each with the check that is there for it.
WRONG: dict[type, str] = {
    TimeStdNotCentredOverTheBatch: "check_loss_is_its_formula",
    TimeCovarianceCentredOverTime: "check_loss_is_its_formula",
    TwelveInUnitsOfDim: "check_loss_is_its_formula",
    FramesPooled: "check_loss_is_its_formula",
    FirstFrameInBothVariants: "check_loss_is_its_formula",
    EveryFrameInBothVariants: "check_loss_is_its_formula",
    SpreadOverTime: "check_the_batch_is_compared_frame_by_frame",
    HeadReadsTheOtherOrder: "check_loss_is_its_formula",
    TargetDetached: "check_gradients",
    OpenLoopForgotten: "check_open_loop_starts_from_the_first_frame",
    WeightsTwice: "check_loss_is_its_formula",
    ComputesEverything: "check_a_term_of_no_weight_costs_nothing",
    WeightsOfTheConstructor: "check_weights_are_read_when_the_loss_is_computed",
}
