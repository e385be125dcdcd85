"""What is derived: every regularizer, statistic and kernel by name; and the check of all its derivatives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from leworld.kernels import ecf_sums
from leworld.normality import Watson, sliced_statistic
from leworld.regularizers import (
    ExactSIGReg,
    SIGReg,
    TemporalSimilarity,
    TemporalStraightening,
    TemporalVCReg,
    VICReg,
)
from tests.normality.conformance import STATISTICS
from tests.normality.multivariate import MULTIVARIATE
from tests.regularizers.conformance import REGULARIZERS
from tests.regularizers.family import FAMILY, LinearHead, Terms

Function = Callable[[Tensor], Tensor]
# Whose gradient takes a scale as given, so that finite differences disagree by design.
STOPS = ("visreg",)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SLICES = torch.nn.functional.normalize(draw(4, 3, seed=6), dim=0)


def sums(implementation: str) -> Function:
    directions = torch.nn.functional.normalize(draw(4, 3, seed=5), dim=0)
    return lambda x: ecf_sums(
        x, directions.to(x), spacing=0.2, num_knots=5, implementation=implementation
    ).sin()


def fixed(make: Callable[[], nn.Module]) -> Function:
    """In evaluation mode, so that directions are the same at every call."""
    return make().eval()


REGULARIZING: dict[str, Callable[[], nn.Module]] = {
    **REGULARIZERS,
    **{name: make for name, (make, _) in FAMILY.items()},
    "sigreg_reference": lambda: SIGReg(16, implementation="reference"),
    "sigreg_16": lambda: SIGReg(16),
    "sigreg_cpu": lambda: SIGReg(16, implementation="cpu"),
    "exact_sigreg_reference": lambda: ExactSIGReg(implementation="reference"),
}


def of_trajectories(loss: Function) -> Function:
    """A loss over trajectories, as a function of the samples of one frame of three."""
    return lambda x: loss(torch.stack([x, 0.5 * x + 0.1 * x.sin(), 0.2 * x.flip(0)], dim=1))


FUNCTIONS: dict[str, Function] = {
    **{name: fixed(make) for name, make in REGULARIZING.items()},
    "similarity": TemporalSimilarity(),
    "straightening": TemporalStraightening(),
    "inverse_dynamics": LinearHead(4),
    "time_vcreg": of_trajectories(TemporalVCReg(1.0, 0.5)),
    "time_vcreg_own": TemporalVCReg(1.0, 0.5, centred="time"),
    "pldm_terms": of_trajectories(Terms()),
    "pldm_terms_original": of_trajectories(Terms("original")),
    **STATISTICS,
    **MULTIVARIATE,
    "vicreg": lambda x: VICReg()(x, x.flip(0) * 0.9),
    "sliced_statistic": lambda x: sliced_statistic(Watson(), x, directions=SLICES.to(x)),
    "ecf_sums": sums("auto"),
    "ecf_sums_cpu": sums("cpu"),
    "ecf_sums_reference": sums("reference"),
}
# In float32, where the fast kernels run: their derivatives are compared with those of float64.
SINGLE: dict[str, Function] = {
    "sigreg_native": fixed(lambda: SIGReg(16, implementation="native")),
    "exact_sigreg_native": fixed(lambda: ExactSIGReg(implementation="native")),
    "exact_sigreg_table": fixed(lambda: ExactSIGReg(implementation="table")),
    "ecf_sums_native": sums("native"),
}


@dataclass(frozen=True)
class Accuracy:
    """What may differ: between ways to the same derivative, and from finite differences."""

    close: float = 1e-7
    differences: float | None = 1e-5


def agree(found: Tensor, due: Tensor, bound: float, what: str) -> None:
    error, size = (found - due).abs().max().item(), due.abs().max().item()
    assert error <= bound * (size + 1e-3), f"{what}: off by {error:.3g} of {size:.3g}"


def check_derivatives(function: Function, x: Tensor, accuracy: Accuracy) -> None:
    """First and second derivatives of every kind along one direction, and vmap, agree with one another."""
    y = function(x).detach()
    v, u = draw(*x.shape, seed=8).to(x), draw(*y.shape, seed=9).to(x)

    def scalar(a: Tensor) -> Tensor:
        return (function(a) * u).sum()

    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(scalar(leaf), leaf, create_graph=True)
    (second,) = torch.autograd.grad((gradient * v).sum(), leaf)
    gradient = gradient.detach()
    slope = (gradient * v).sum()
    close = accuracy.close
    if accuracy.differences is not None:
        step = 1e-5
        either = [x + sign * step * v for sign in (1, -1)]
        forward = [scalar(a).detach() for a in either]
        agree(slope, (forward[0] - forward[1]) / (2 * step), accuracy.differences, "backward mode")
        slopes = [torch.autograd.grad(scalar(b := a.clone().requires_grad_()), b)[0] for a in either]
        agree(second, (slopes[0] - slopes[1]) / (2 * step), accuracy.differences, "double backward")
    agree(torch.func.jvp(scalar, (x,), (v,))[1], slope, close, "torch.func.jvp")
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(scalar(forward_ad.make_dual(x, v))).tangent
        assert tangent is not None, "forward mode: the derivative is lost"
        agree(tangent, slope, close, "forward mode")
    agree(torch.func.grad(scalar)(x), gradient, close, "torch.func.grad")
    agree(torch.func.vjp(function, x)[1](u)[0], gradient, close, "torch.func.vjp")
    along = torch.func.jvp(torch.func.grad(scalar), (x,), (v,))[1]
    agree(along, second, close, "forward over backward")
    twice = torch.func.grad(lambda a: (torch.func.grad(scalar)(a) * v).sum())(x)
    agree(twice, second, close, "torch.func.grad of grad")
    rows = torch.stack([x, 0.7 * x + 0.1 * v, x - 0.3 * v])
    agree(torch.func.vmap(function)(rows), torch.stack([function(row) for row in rows]), close, "vmap")
    each = torch.stack([torch.func.grad(scalar)(row) for row in rows])
    agree(torch.func.vmap(torch.func.grad(scalar))(rows), each, close, "vmap of grad")
    agree(torch.func.jacfwd(scalar)(x), gradient, close, "torch.func.jacfwd")
    agree(torch.func.jacrev(scalar)(x), gradient, close, "torch.func.jacrev")


class Wrong(torch.autograd.Function):
    """The square, with the gradient of its double."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.square()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return 4 * ctx.saved_tensors[0] * grads[0]

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> Tensor:
        return 4 * ctx.saved_tensors[0] * tangents[0]


class Forgetful(Wrong):
    """The square, right in backward mode, without a tangent in forward mode."""

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return 2 * ctx.saved_tensors[0] * grads[0]

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> Tensor:
        return torch.zeros_like(tangents[0])
