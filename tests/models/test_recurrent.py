"""A recurrent predictor in LeWM: one step a step, and a past that no window cuts off."""

import pytest
import torch
from torch import Tensor

from leworld.encoders import ActionEncoder, ConvEncoder
from leworld.models import LeWM, WorldModel
from leworld.nn import Projector
from tests.predictors.gru import UserGRU

HORIZON = 20


class Counting(UserGRU):
    """Notes the frames that each call sees."""

    def __init__(self, history_size: int) -> None:
        super().__init__(5, history_size, condition_dim=7)
        self.forward_frames: list[int] = []
        self.extend_frames: list[int] = []

    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        self.forward_frames.append(embeddings.shape[1])
        return super().forward(embeddings, conditions)

    def extend(self, memory, embeddings: Tensor):
        self.extend_frames.append(1)
        return super().extend(memory, embeddings)


def recurrent(history_size: int) -> LeWM:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LeWM(
            ConvEncoder(8, 6, channels=(4, 4)),
            Counting(history_size),
            action_encoder=ActionEncoder(4, 7, smoothed_dim=3),
            projector=Projector(6, 5, hidden_dim=9),
            prediction_projector=Projector(5, hidden_dim=9),
        )


def inputs(time: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = (2, time, 5), (2, time - 1, 4), (2, 3, HORIZON, 4)
    return [torch.randn(shape, generator=generator) for shape in shapes]


@torch.no_grad()
def test_a_step_costs_one_step() -> None:
    model = recurrent(HORIZON).eval()
    arguments = inputs(1)
    rolled = model.rollout(*arguments)
    assert model.predictor.extend_frames == [1] * 20
    assert model.predictor.forward_frames == []
    plain = WorldModel._rollout(model, *arguments)
    assert len(model.predictor.extend_frames) == 20
    assert model.predictor.forward_frames == list(range(1, 21))
    assert sum(model.predictor.forward_frames) == 210
    torch.testing.assert_close(rolled, plain, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("time", [1, 2, 5])
@torch.no_grad()
def test_a_short_history_forgets_nothing(time: int) -> None:
    """With history_size 2 it imagines what windows of every frame would give, and windows of 2 would not."""
    model, longest = recurrent(2).eval(), recurrent(100).eval()
    longest.load_state_dict(model.state_dict())
    arguments = inputs(time)
    rolled = model.rollout(*arguments)
    torch.testing.assert_close(rolled, WorldModel._rollout(longest, *arguments), atol=1e-5, rtol=1e-5)
    assert (rolled - WorldModel._rollout(model, *arguments)).abs().max() > 1e-3


def test_in_training_mode_it_sees_windows() -> None:
    model = recurrent(2)
    model.rollout(*inputs(1))
    assert model.predictor.extend_frames == []
    assert model.predictor.forward_frames == [1] + [2] * 19
