"""Predictors on the last frames, against their formulas and against the order of the window."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from leworld.predictors import LinearPredictor, MLPPredictor
from tests.predictors import checks
from tests.predictors.cases import CONDITION, DIM, TIME, awake, mlp

Predict = Callable[[LinearPredictor, Tensor, Tensor], Tensor]


def check_difference_equation(predict: Predict) -> None:
    """An oscillator by its second-order equation: z_t+1 = 2 cos(w) z_t - z_t-1 + c_t, oldest frame first."""
    predictor = LinearPredictor(1, 2, condition_dim=1).double()
    cosine = torch.tensor(0.3, dtype=torch.float64).cos()
    predictor.linear.weight.data = torch.tensor([[-1.0, 2 * cosine, 0.0, 1.0]], dtype=torch.float64)
    predictor.linear.bias.data.zero_()
    t = torch.arange(12, dtype=torch.float64)
    wave, push = torch.sin(0.3 * t + 1)[None, :, None], torch.zeros(1, 12, 1, dtype=torch.float64)
    push[0, 7] = 0.5
    due = wave[:, 2:] + push[:, 1:-1]
    torch.testing.assert_close(predict(predictor, wave, push)[:, 1:-1], due)


def right(predictor: LinearPredictor, embeddings: Tensor, conditions: Tensor) -> Tensor:
    return predictor(embeddings, conditions)


def window_reversed(predictor: LinearPredictor, embeddings: Tensor, conditions: Tensor) -> Tensor:
    frames, pushes = (predictor._windows(tensor).flip(2) for tensor in (embeddings, conditions))
    return predictor._predict(frames, pushes)


def conditions_one_late(predictor: LinearPredictor, embeddings: Tensor, conditions: Tensor) -> Tensor:
    return predictor(embeddings, conditions.roll(1, dims=1))


def window_and_components_mixed(predictor: LinearPredictor, embeddings: Tensor, conditions: Tensor) -> Tensor:
    both = torch.stack([predictor._windows(embeddings), predictor._windows(conditions)], dim=-1).flatten(2)
    return predictor.linear(both)


def test_an_oscillator_is_predicted() -> None:
    check_difference_equation(right)


@pytest.mark.parametrize("wrong", [window_reversed, conditions_one_late, window_and_components_mixed])
def test_a_window_in_a_wrong_order_is_rejected(wrong) -> None:
    with pytest.raises(AssertionError):
        check_difference_equation(wrong)


@pytest.mark.parametrize("history_size", [1, 3])
def test_before_training_linear_dynamics_predict_no_change(history_size: int) -> None:
    predictor = LinearPredictor(DIM, history_size, condition_dim=CONDITION)
    torch.nn.init.zeros_(predictor.linear.bias)
    embeddings, conditions = checks.inputs(time=7)
    torch.testing.assert_close(predictor(embeddings, 0 * conditions), embeddings)
    assert not torch.allclose(predictor(embeddings, conditions), embeddings, atol=0.1)


@pytest.mark.parametrize("conditioning", ["concatenate", "film", "adaln"])
def test_mlp_is_its_formula(conditioning) -> None:
    predictor = awake(mlp(conditioning=conditioning))
    embeddings, conditions = checks.inputs(time=6)
    for t in range(6):
        frames = [embeddings[:, s] if s >= 0 else 0 * embeddings[:, 0] for s in range(t - TIME + 1, t + 1)]
        told = torch.cat(
            [conditions[:, s] if s >= 0 else 0 * conditions[:, 0] for s in range(t - TIME + 1, t + 1)], dim=-1
        )
        values = torch.cat(frames, dim=-1)
        for i, (layer, join) in enumerate(zip(predictor.layers, predictor.conditionings, strict=True)):
            if i:
                values = F.gelu(values)
            if conditioning == "concatenate":
                values = torch.cat([values, told], dim=-1)
            elif conditioning == "film":
                shift, scale = join.linear(told).chunk(2, dim=-1)
                values = values * (1 + scale) + shift
            else:
                shift, scale = join.linear(F.silu(told)).chunk(2, dim=-1)
                values = F.layer_norm(values, values.shape[-1:], eps=1e-6) * (1 + scale) + shift
            values = layer(values)
        torch.testing.assert_close(predictor(embeddings, conditions)[:, t], embeddings[:, t] + values)


def test_sizes() -> None:
    assert sum(p.numel() for p in LinearPredictor(8, 2, condition_dim=3).parameters()) == 8 * 2 * 11 + 8
    predictor = MLPPredictor(8, 2, condition_dim=3, hidden_dim=16, depth=1)
    assert sum(p.numel() for p in predictor.parameters()) == 16 * (2 * 11 + 1) + 8 * (16 + 2 * 3 + 1)
    assert MLPPredictor(8).condition_dim == 8
