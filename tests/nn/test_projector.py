import numpy as np
import pytest
import scipy.stats
import torch

from leworld.errors import ShapeError
from leworld.nn import Projector, RepReLU
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


# PyTorch's own forward mode calls what it has deprecated.
@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
def test_reprelu_is_relu_with_the_gradient_of_gelu() -> None:
    x = torch.linspace(-4, 4, 81, dtype=torch.float64, requires_grad=True)
    y = RepReLU()(x)
    assert torch.equal(y, x.detach().clamp(min=0))
    (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    grid = x.detach().numpy()
    due = scipy.stats.norm.cdf(grid) + grid * scipy.stats.norm.pdf(grid)
    np.testing.assert_allclose(slope.detach().numpy(), due, rtol=1e-12, atol=1e-15)
    tangent = torch.func.jvp(RepReLU(), (x.detach(),), (torch.ones_like(x),))[1]
    torch.testing.assert_close(tangent, slope)


def test_a_rectified_projector_has_exact_zeros_and_lets_every_unit_learn() -> None:
    torch.manual_seed(0)
    plain, rectified = Projector(6, 5, hidden_dim=8), Projector(6, 5, hidden_dim=8, rectify=True)
    rectified.load_state_dict(plain.state_dict())
    inputs = torch.randn(40, 6)
    found = rectified(inputs)
    assert torch.equal(found, plain(inputs).clamp(min=0))
    assert 0.1 < (found == 0).double().mean() < 0.9
    (gradient,) = torch.autograd.grad(found.sum(), rectified.narrow.bias)
    assert (gradient != 0).all()
