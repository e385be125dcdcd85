"""Mixtures of the sphere's characteristic function against mpmath and elementary cases."""

import math

import mpmath
import pytest
import torch

from leworld.kernels.sphere_mixture import Mixture, _native, _op, sphere_discrepancy, sphere_mixture
from leworld.kernels.sphere_mixture._reference import characteristic
from tests.kernels.conformance import draw

BUILT = _native.obstacle(torch.zeros(1)) is None
MIXTURE = Mixture(192, (3 / 16, 1.0, 3.0), (0.5, 0.3, 0.2))


def exact(dim: int, phase: float) -> float:
    with mpmath.workdps(40):
        order, s = mpmath.mpf(dim) / 2 - 1, mpmath.mpf(phase)
        return float(mpmath.gamma(order + 1) * (2 / s) ** order * mpmath.besselj(order, s)) if s else 1.0


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 7, 40, 41, 192, 1000, 4096])
def test_characteristic_function_in_every_dimension(dim: int) -> None:
    phases = [0.0, 1e-9, 0.1, 1.0, 5.0, 30.0, 100.0, 191.0, 193.0] + ([1e4, 3e5] if dim <= 40 else [])
    values = characteristic(dim, torch.tensor(phases, dtype=torch.float64))
    for phase, value in zip(phases, values.tolist(), strict=True):
        assert abs(value - exact(dim, phase)) < 5e-14, phase


def test_elementary_dimensions() -> None:
    s = torch.linspace(0.01, 400, 997, dtype=torch.float64)
    torch.testing.assert_close(characteristic(1, s), s.cos(), rtol=0, atol=1e-12)
    torch.testing.assert_close(characteristic(3, s), s.sin() / s, rtol=0, atol=1e-12)
    wide = characteristic(4096, s)
    torch.testing.assert_close(wide, torch.exp(-s.square() / 8192), rtol=0, atol=2e-3)


@pytest.mark.parametrize("dim", [2, 24, 192, 4096])
def test_table_follows_the_quadrature_near_and_far(dim: int) -> None:
    mixture = Mixture(dim, MIXTURE.frequencies, MIXTURE.coefficients)
    for reach in (3.0, 40.0, 4000.0):
        u = torch.linspace(0, reach, 501, dtype=torch.float32).square()
        table = sphere_mixture(mixture, u, implementation="table")
        reference = sphere_mixture(mixture, u, implementation="reference")
        phase_rounding = 3 * reach * 6e-8 * (1 if dim == 2 else 0.1)
        torch.testing.assert_close(table, reference, rtol=0, atol=3e-7 + phase_rounding)


def test_derivatives_of_every_order() -> None:
    u = torch.tensor([0.0, 0.3, 2.0, 9.0], dtype=torch.float64, requires_grad=True)
    mixture = Mixture(5, (0.5, 1.5), (1.0, -0.4))

    def value(u: torch.Tensor) -> torch.Tensor:
        return sphere_mixture(mixture, u, implementation="auto")

    shifted = (u + 0.01).detach().requires_grad_()
    assert torch.autograd.gradcheck(value, (shifted,))
    assert torch.autograd.gradgradcheck(value, (shifted,))
    (slope,) = torch.autograd.grad(value(u)[0], u)
    by_series = -(0.25 - 0.4 * 2.25) / 10
    assert math.isclose(slope[0].item(), by_series, rel_tol=1e-12), "the slope at distance 0 is finite"


OWN = (0.25, -0.4, 0.1)


def naive(samples: torch.Tensor) -> torch.Tensor:
    """The discrepancy with every pair by its difference, in float64."""
    samples = samples.double()
    mixtures = [Mixture(samples.shape[-1], MIXTURE.frequencies, c) for c in (MIXTURE.coefficients, OWN)]
    differences = samples.unsqueeze(-2) - samples.unsqueeze(-3)
    u = differences.square().sum(-1), samples.square().sum(-1)
    pairs, points = (
        sphere_mixture(m, v, implementation="reference") for m, v in zip(mixtures, u, strict=True)
    )
    return samples.shape[-2] * (pairs.mean((-2, -1)) - 2 * points.mean(-1) + 0.7).mean()


def discrepancy(samples: torch.Tensor, name: str) -> torch.Tensor:
    dim = samples.shape[-1]
    pairs, points = (Mixture(dim, MIXTURE.frequencies, c) for c in (MIXTURE.coefficients, OWN))
    return sphere_discrepancy(pairs, points, 0.7, samples, implementation=name)


NAMES = [
    "reference",
    "table",
    pytest.param("native", marks=pytest.mark.skipif(not BUILT, reason="its C was not built")),
]
SHAPES = [(2, 3, 5), (1, 1, 2), (1, 129, 7), (3, 31, 192), (1, 7, 17), (1, 8, 3), (2, 24, 40), (1, 523, 6)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_discrepancy(shape: tuple[int, int, int], offset: float, name: str) -> None:
    samples = (draw(*shape, dtype=torch.float32) + offset).requires_grad_()
    value = discrepancy(samples, name)
    doubled = samples.detach().double().requires_grad_()
    expected = naive(doubled)
    far = offset * math.sqrt(shape[2])  # a phase t r is known to a relative 6e-8, and r may be that large
    torch.testing.assert_close(value.double(), expected, rtol=1e-6, atol=(1e-6 + 1e-7 * far) * shape[1])
    (gradient,) = torch.autograd.grad(value, samples)
    (reference,) = torch.autograd.grad(expected, doubled)
    torch.testing.assert_close(gradient.double(), reference, rtol=1e-4, atol=1e-6 + 1e-7 * far)


@pytest.mark.parametrize("name", NAMES)
def test_layouts(name: str) -> None:
    samples = draw(5, 3, 6, dtype=torch.float32).transpose(0, 1)
    poisoned = torch.full((3, 5, 8), math.nan, dtype=torch.float32)
    poisoned[..., 1:7] = samples
    expanded = samples[:1].expand(3, -1, -1)
    for view in (samples, poisoned[..., 1:7], expanded, samples.mT.contiguous().mT):
        plain = view.contiguous()
        torch.testing.assert_close(discrepancy(view, name), discrepancy(plain, name))
        gradients = []
        for tensor in (view, plain):
            leaf = tensor.detach().requires_grad_()
            gradients.append(torch.autograd.grad(discrepancy(leaf, name), leaf)[0])
        torch.testing.assert_close(*gradients)


def test_discrepancy_differentiates_twice() -> None:
    samples = draw(2, 4, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: discrepancy(z, "auto"), (samples,))
    assert torch.autograd.gradgradcheck(lambda z: discrepancy(z, "auto"), (samples,))


@pytest.mark.parametrize("with_gradient", [True, False])
def test_the_gradient_is_made_on_request_only(with_gradient: bool) -> None:
    _, gradient = _op._discrepancy(draw(2, 5, 3), [0.5], [1.0], [0.2], 0.1, "auto", with_gradient)
    assert gradient.shape == ((2, 5, 3) if with_gradient else (0,))


def test_torch_library_is_satisfied() -> None:
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        samples = draw(2, 5, 3).to(dtype).requires_grad_()
        settings = ([0.5, 1.0], [1.0, 0.2], [0.3, 0.1], 0.4, "auto", True)
        torch.library.opcheck(_op._discrepancy, (samples, *settings), atol=1e-3, rtol=1e-3)
    u = draw(2, 5, dtype=torch.float32).square().requires_grad_()
    torch.library.opcheck(_op._evaluate, (u, 3, [0.5, 1.0], [1.0, 0.2], "auto"), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_goes_through(bad: float) -> None:
    samples = draw(1, 9, 4, dtype=torch.float32)
    samples[0, 3, 1] = bad
    for name in ("auto", "table", "reference"):
        assert discrepancy(samples, name).isnan()
