"""Mixtures of the sphere's characteristic function against mpmath and elementary cases."""

import math

import mpmath
import pytest
import torch

from leworld.kernels.sphere_mixture import Mixture, _native, mean_over_pairs, sphere_mixture
from leworld.kernels.sphere_mixture._reference import characteristic
from tests.kernels.conformance import draw

HAS_COMPILER = _native.obstacle(torch.zeros(1)) is None
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
        u = torch.linspace(0, reach, 501).square()
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


def naive_mean(mixture: Mixture, samples: torch.Tensor) -> torch.Tensor:
    """Every pair by its difference, in float64."""
    samples = samples.double()
    differences = samples.unsqueeze(-2) - samples.unsqueeze(-3)
    u = differences.square().sum(-1)
    return sphere_mixture(mixture, u, implementation="reference").mean((-2, -1))


@pytest.mark.parametrize(
    "name",
    [
        "reference",
        "table",
        pytest.param("native", marks=pytest.mark.skipif(not HAS_COMPILER, reason="no C compiler")),
    ],
)
@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 1, 2), (1, 129, 7), (3, 31, 192), (0, 4, 3)])
def test_mean_over_pairs(shape: tuple[int, int, int], offset: float, name: str) -> None:
    mixture = Mixture(shape[-1], MIXTURE.frequencies, MIXTURE.coefficients)
    samples = (draw(*shape, dtype=torch.float32) + offset).requires_grad_()
    value = mean_over_pairs(mixture, samples, implementation=name)
    doubled = samples.detach().double().requires_grad_()
    expected = naive_mean(mixture, doubled)
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-6)
    (gradient,) = torch.autograd.grad(value.sum(), samples)
    (reference,) = torch.autograd.grad(expected.sum(), doubled)
    torch.testing.assert_close(gradient.double(), reference, rtol=1e-4, atol=1e-6 / max(shape[1], 1))


def test_torch_library_is_satisfied() -> None:
    from leworld.kernels.sphere_mixture import _op

    samples = draw(2, 5, 3, dtype=torch.float32).requires_grad_()
    torch.library.opcheck(_op._pairs, (samples, 3, [0.5, 1.0], [1.0, 0.2], "auto"), atol=1e-3, rtol=1e-3)
    u = draw(2, 5, dtype=torch.float32).square().requires_grad_()
    torch.library.opcheck(_op._evaluate, (u, 3, [0.5, 1.0], [1.0, 0.2], "auto"), atol=1e-3, rtol=1e-3)


def test_nan_goes_through() -> None:
    samples = draw(1, 9, 4, dtype=torch.float32)
    samples[0, 3, 1] = math.nan
    for name in ("auto", "table", "reference"):
        value = mean_over_pairs(Mixture(4, (1.0,), (1.0,)), samples, implementation=name)
        assert value.isnan().all()
