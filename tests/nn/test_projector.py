import numpy as np
import pytest
import torch

from leworld.errors import ShapeError
from leworld.nn import Projector
from tests.nn import oracles


def formula(projector: Projector, x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    w1, b1, scale, shift, w2, b2 = (p.detach().numpy() for p in projector.parameters())
    hidden = (x @ w1.T + b1 - mean) / np.sqrt(variance + 1e-5) * scale + shift
    return oracles.gelu(hidden) @ w2.T + b2


def awake(*sizes: int) -> Projector:
    projector = Projector(sizes[0], sizes[1], hidden_dim=sizes[2]).double()
    for parameter in projector.parameters():
        torch.nn.init.normal_(parameter)
    return projector


def test_training_uses_the_statistics_of_all_leading_axes() -> None:
    projector = awake(3, 4, 7)
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    flat = x.reshape(10, 3).numpy()
    w1, b1 = (p.detach().numpy() for p in (projector.widen.weight, projector.widen.bias))
    hidden = flat @ w1.T + b1
    expected = formula(projector, flat, hidden.mean(0), hidden.var(0))
    np.testing.assert_allclose(projector(x).detach().numpy(), expected.reshape(5, 2, 4), atol=1e-10)
    np.testing.assert_allclose(projector.norm.running_mean.numpy(), 0.1 * hidden.mean(0), atol=1e-12)


def test_evaluation_uses_the_running_statistics() -> None:
    projector = awake(3, 4, 7).eval()
    torch.nn.init.normal_(projector.norm.running_mean)
    torch.nn.init.uniform_(projector.norm.running_var, 0.5, 2)
    x = torch.randn(5, 3, dtype=torch.float64)
    expected = formula(
        projector, x.numpy(), projector.norm.running_mean.numpy(), projector.norm.running_var.numpy()
    )
    np.testing.assert_allclose(projector(x).detach().numpy(), expected, atol=1e-10)


def test_one_sample_in_training_says_what_to_do() -> None:
    with pytest.raises(ShapeError, match=r"at least 2 samples.*1 in all.*\.eval\(\)"):
        Projector(4, hidden_dim=8)(torch.randn(1, 1, 4))
    assert Projector(4, hidden_dim=8).eval()(torch.randn(1, 1, 4)).shape == (1, 1, 4)


def test_a_single_vector_is_one_sample() -> None:
    assert Projector(4, 3, hidden_dim=8).eval()(torch.randn(4)).shape == (3,)
