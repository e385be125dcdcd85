"""ExactSIGReg against the Monte Carlo mean of SIGReg, and where it must agree to the last digit."""

import math

import numpy as np
import pytest
import torch
from scipy.special import gammaln, jv
from torch import Tensor

from leworld.normality import EppsPulley
from leworld.regularizers import ExactSIGReg, SIGReg
from tests.regularizers.conformance import draw


@pytest.mark.parametrize("dim", [2, 8, 192])
@pytest.mark.parametrize("kind", ["gaussian", "shifted", "laplace", "low_rank"])
def test_is_the_mean_over_random_directions(dim: int, kind: str) -> None:
    samples = draw(48, dim)
    if kind == "shifted":
        samples = samples + 0.3
    elif kind == "laplace":
        samples = samples.sign() * samples.abs().square()
    elif kind == "low_rank":
        samples = samples[:, :1] * draw(1, dim, seed=4)
    directions = draw(dim, 8192, seed=9)
    per_slice = EppsPulley()(samples @ (directions / directions.norm(dim=0)))
    standard_error = per_slice.std().item() / math.sqrt(8192)
    assert abs(ExactSIGReg()(samples).item() - per_slice.mean().item()) <= 5.5 * standard_error


def test_one_dimension_is_epps_pulley() -> None:
    samples = draw(3, 33, 1) * 1.2 + 0.3
    expected = EppsPulley()(samples).mean()
    torch.testing.assert_close(ExactSIGReg()(samples), expected, rtol=1e-12, atol=0)


def test_two_dimensions_by_a_fine_circle() -> None:
    """Equally spaced directions integrate a smooth periodic function to machine precision."""
    samples = draw(21, 2) * 1.5 - 0.2
    angle = torch.arange(256, dtype=torch.float64) * (math.pi / 256)
    directions = torch.stack([angle.cos(), angle.sin()])
    expected = EppsPulley()(samples @ directions).mean()
    torch.testing.assert_close(ExactSIGReg()(samples), expected, rtol=1e-12, atol=0)


def test_rotation_changes_nothing() -> None:
    samples = draw(2, 40, 6) + 0.2
    rotation = torch.linalg.qr(draw(6, 6, seed=2)).Q
    torch.testing.assert_close(ExactSIGReg()(samples @ rotation), ExactSIGReg()(samples), rtol=1e-12, atol=0)


def test_gradient_is_the_mean_gradient() -> None:
    samples = draw(32, 12).requires_grad_()
    (exact,) = torch.autograd.grad(ExactSIGReg()(samples), samples)
    sigreg = SIGReg(8192)
    (sliced,) = torch.autograd.grad(sigreg(samples), samples)
    cosine = torch.nn.functional.cosine_similarity(exact.flatten(), sliced.flatten(), dim=0)
    assert cosine > 0.99


@pytest.mark.parametrize("dim", [2, 3, 64, 192, 1024, 4096])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 10.0, 1e3, 1e6])
def test_every_dimension_and_distance_is_finite_and_right(dim: int, scale: float) -> None:
    samples = draw(6, dim, dtype=torch.float32) * scale
    fast = samples.clone().requires_grad_()
    slow = samples.double().requires_grad_()
    value, expected = ExactSIGReg()(fast), ExactSIGReg()(slow)
    rounding = 4e-8 * scale * math.sqrt(dim) if dim < 41 else 0
    assert abs(value.item() - expected.item()) <= 1e-5 + 20 * rounding
    (gradient,) = torch.autograd.grad(value, fast)
    (reference,) = torch.autograd.grad(expected, slow)
    assert gradient.isfinite().all()
    # A distance r is known to a relative 6e-8, and L(t r) turns with the phase t r, up to 3 r.
    phase = 3 * scale * math.sqrt(2 * dim) * 6e-8
    if phase < 0.01:
        assert (gradient - reference).norm() <= (1e-5 + 20 * phase) * reference.norm() + 1e-11


def by_bessel(samples: Tensor) -> tuple[float, Tensor]:
    """Value and gradient from scipy: L(s) = gamma(a + 1) (2 / s)^a J_a(s) with a = dim / 2 - 1."""
    statistic = EppsPulley()
    points = samples.double().numpy()
    num, dim = points.shape
    order = dim / 2 - 1

    def sphere(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """L and its derivative, -gamma(a + 1) (2 / s)^a J_(a+1)(s)."""
        factor = np.exp(gammaln(order + 1) + order * np.log(2 / s))
        return factor * jv(order, s), -factor * jv(order + 1, s)

    value, gradient = 0.0, np.zeros_like(points)
    difference = points[:, None] - points[None]
    distance = np.linalg.norm(difference, axis=-1) + np.eye(num)
    radius = np.linalg.norm(points, axis=-1)
    for t, weight, target in zip(
        statistic.knots[1:], statistic.weights[1:], statistic.targets[1:], strict=True
    ):
        pair, pair_slope = sphere(t * distance)
        far, far_slope = sphere(t * radius)
        pair[np.eye(num, dtype=bool)], pair_slope[np.eye(num, dtype=bool)] = 1, 0
        value += weight * (num * (pair.mean() - 2 * target * far.mean() + target**2))
        gradient += weight * t * 2 / num * (pair_slope[..., None] * difference / distance[..., None]).sum(1)
        gradient -= weight * t * 2 * target * (far_slope / radius)[:, None] * points
    return value, torch.from_numpy(gradient)


@pytest.mark.parametrize("dim", [2, 3, 5, 16, 64, 192])
@pytest.mark.parametrize("scale", [0.3, 1.0, 10.0, 300.0, 1e4, 1e6])
def test_value_and_gradient_by_bessel_functions(dim: int, scale: float) -> None:
    """Far pairs keep their gradient: it falls like a power of the distance and is not cut off."""
    samples = (draw(5, dim) * scale).requires_grad_()
    expected, reference = by_bessel(samples.detach())
    value = ExactSIGReg()(samples)
    (gradient,) = torch.autograd.grad(value, samples)
    assert abs(value.item() - expected) <= 1e-10
    assert (gradient - reference).norm() <= 1e-8 * reference.norm() + 1e-13


def test_null_mean() -> None:
    values = torch.stack([ExactSIGReg()(draw(1, 20, 64, 16, seed=i, dtype=torch.float32)) for i in range(30)])
    assert abs(values.mean().item() - 1.05246) <= 6 * values.std().item() / math.sqrt(30)


def test_total_collapse_has_no_gradient() -> None:
    embeddings = torch.zeros(64, 8, requires_grad=True)
    loss = ExactSIGReg()(embeddings)
    loss.backward()
    assert loss.item() == pytest.approx(0.40205 * 64, rel=1e-4)
    assert embeddings.grad is not None
    assert (embeddings.grad == 0).all()


def test_compiles_as_one_graph() -> None:
    embeddings = draw(2, 16, 5, dtype=torch.float32).requires_grad_()
    compiled = torch.compile(ExactSIGReg(), fullgraph=True, backend="aot_eager")
    value, expected = compiled(embeddings), ExactSIGReg()(embeddings)
    torch.testing.assert_close(value, expected)
    (left,) = torch.autograd.grad(value, embeddings)
    (right,) = torch.autograd.grad(expected, embeddings)
    torch.testing.assert_close(left, right)


def test_settings_are_recorded() -> None:
    assert ExactSIGReg(9, t_max=2.0).config.arguments["num_knots"] == 9
