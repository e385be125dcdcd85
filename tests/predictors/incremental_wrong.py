"""Incremental predictors that are wrong in one way each, made from right ones."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from leworld.predictors import EnsemblePredictor, IncrementalPredictor, LinearPredictor, TransformerPredictor
from tests.predictors.cases import CONDITION, DIM, SMALL, TIME, awake, gru
from tests.predictors.gru import UserGRU


class Recurrent(UserGRU):
    """The right one of its kind; subclasses spoil it."""

    def __init__(self) -> None:
        super().__init__(DIM, TIME, condition_dim=CONDITION)


class Windowed(IncrementalPredictor):
    """The right one of its kind; subclasses spoil it."""

    history_size, slides = TIME, True

    def __init__(self) -> None:
        super().__init__()
        self.inner = TransformerPredictor(DIM, TIME, **SMALL)

    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        return self.inner(embeddings, conditions)

    def prepare(self, embeddings: Tensor, past_conditions: Tensor, conditions: Tensor) -> Any:
        return self.inner.prepare(embeddings, past_conditions, conditions)

    def extend(self, memory: Any, embeddings: Tensor) -> tuple[Tensor, Any]:
        return self.inner.extend(memory, embeddings)


class ChangesMemoryInPlace(Recurrent):
    def extend(self, memory: Any, embeddings: Tensor) -> tuple[Tensor, Any]:
        output, (state, rest) = super().extend(memory, embeddings)
        memory[0].data.copy_(state)
        return output, (memory[0], rest)


class ChangesTheFrame(Recurrent):
    def extend(self, memory: Any, embeddings: Tensor) -> tuple[Tensor, Any]:
        result = super().extend(memory, embeddings)
        embeddings.data.zero_()
        return result


class DoesNotSlide(Windowed):
    """Its window grows on, over positions that `forward` never sees."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = TransformerPredictor(DIM, 32, **SMALL)


class SlidesAgainstItsWord(Windowed):
    slides = False

    def __init__(self) -> None:
        super().__init__()
        self.longer = TransformerPredictor(DIM, 32, **SMALL)
        for part in ("positions", "blocks", "norm"):
            setattr(self.inner, part, getattr(self.longer, part))

    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        return self.longer(embeddings, conditions)


class RemembersAgainstItsWord(Recurrent):
    slides = True


class StartsAnewWhenTheWindowSlides(Windowed):
    """Forgets the frames before the newest once the window is full."""

    def extend(self, memory: Any, embeddings: Tensor) -> tuple[Tensor, Any]:
        if memory.step > TIME:
            memory = replace(memory, frames=tuple(torch.zeros_like(frame) for frame in memory.frames))
        return self.inner.extend(memory, embeddings)


class ConditionsOffByOne(Recurrent):
    def prepare(self, embeddings: Tensor, past_conditions: Tensor, conditions: Tensor) -> Any:
        return super().prepare(embeddings, past_conditions, conditions.roll(1, dims=2))


class PastConditionsOffByOne(Windowed):
    def prepare(self, embeddings: Tensor, past_conditions: Tensor, conditions: Tensor) -> Any:
        return super().prepare(embeddings, past_conditions.roll(1, dims=1), conditions)


class PastForTheFirstCandidateOnly(Recurrent):
    def prepare(self, embeddings: Tensor, past_conditions: Tensor, conditions: Tensor) -> Any:
        state, rest = super().prepare(embeddings, past_conditions, conditions)
        first = torch.arange(state.shape[1]) % conditions.shape[1] == 0
        return state * first[:, None], rest


class PastOfAnotherTrajectory(Recurrent):
    """Repeats the states in the order of `tile`, so that candidates get each other's."""

    def prepare(self, embeddings: Tensor, past_conditions: Tensor, conditions: Tensor) -> Any:
        samples = conditions.shape[1]
        state, rest = super().prepare(embeddings, past_conditions, conditions)
        return state[:, ::samples].repeat(1, samples, 1), rest


class ConditionsOfTheFirstCandidate(Windowed):
    def prepare(self, embeddings: Tensor, past_conditions: Tensor, conditions: Tensor) -> Any:
        return super().prepare(embeddings, past_conditions, conditions[:, :1].expand_as(conditions))


class ForgetsThePast(Windowed):
    def prepare(self, embeddings: Tensor, past_conditions: Tensor, conditions: Tensor) -> Any:
        return super().prepare(embeddings[:, :0], past_conditions[:, :0], conditions)


class CutsTheGradient(Recurrent):
    def extend(self, memory: Any, embeddings: Tensor) -> tuple[Tensor, Any]:
        output, (state, rest) = super().extend(memory, embeddings)
        return output, (state.detach(), rest)


class AlwaysSaysItCan(Recurrent):
    can_extend = True


class Recent(LinearPredictor):
    """The right one of its kind; subclasses spoil it."""

    def __init__(self) -> None:
        super().__init__(DIM, TIME, condition_dim=CONDITION)


class WindowReversed(Recent):
    """Rolls out with the newest frame first."""

    def extend(self, memory: Any, embeddings: Tensor) -> tuple[Tensor, Any]:
        right = self._predict
        self._predict = lambda frames, conditions: right(frames.flip(-2), conditions.flip(-2))
        try:
            return super().extend(memory, embeddings)
        finally:
            del self._predict


class KeepsTheOldestFrames(Recent):
    """Cuts the known frames at the wrong end."""

    def _before(self, values: Tensor) -> Tensor:
        size = self.history_size - 1
        return super()._before(values[:, :size])


class MeanOfTheFirstMembers(EnsemblePredictor):
    """Rolls out with two of three."""

    def __init__(self) -> None:
        super().__init__([gru() for _ in range(3)])

    def extend(self, memory: Any, embeddings: Tensor) -> tuple[Tensor, Any]:
        outputs, _ = zip(
            *(self.predictors[i].extend(memory.members[i], embeddings) for i in range(2)), strict=True
        )
        return torch.stack(outputs).mean(0), super().extend(memory, embeddings)[1]


RIGHT = [Recurrent, Windowed, Recent]
WRONG = {
    WindowReversed: "check_extend_is_forward",
    KeepsTheOldestFrames: "check_extend_is_forward",
    MeanOfTheFirstMembers: "check_extend_is_forward",
    ChangesMemoryInPlace: "check_memory_serves_several_continuations",
    ChangesTheFrame: "check_memory_serves_several_continuations",
    DoesNotSlide: "check_extend_is_forward",
    SlidesAgainstItsWord: "check_extend_is_forward",
    RemembersAgainstItsWord: "check_extend_is_forward",
    StartsAnewWhenTheWindowSlides: "check_extend_is_forward",
    ConditionsOffByOne: "check_extend_is_forward",
    PastConditionsOffByOne: "check_extend_is_forward",
    PastForTheFirstCandidateOnly: "check_extend_is_forward",
    PastOfAnotherTrajectory: "check_extend_is_forward",
    ConditionsOfTheFirstCandidate: "check_extend_is_forward",
    ForgetsThePast: "check_extend_is_forward",
    CutsTheGradient: "check_gradients_are_those_of_forward",
    AlwaysSaysItCan: "check_it_says_when_it_cannot",
}


def fresh(kind: type[IncrementalPredictor]) -> IncrementalPredictor:
    return awake(kind())
