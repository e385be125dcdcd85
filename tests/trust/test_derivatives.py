"""Every regularizer, statistic and kernel: right in every mode of differentiation, and from 1e-8 to 1e8."""

import inspect
from typing import Any

import pytest
import scipy.special
import torch
from torch import Tensor, nn

from leworld.normality import AndersonDarling, OrderStatisticLikelihood
from leworld.normality._order import log_normal_cdf
from leworld.regularizers import SIGReg
from leworld.regularizers._directions import Directions
from tests._source import public_objects
from tests.trust.derivatives import (
    FUNCTIONS,
    SINGLE,
    STOPS,
    Accuracy,
    Forgetful,
    Function,
    Wrong,
    check_derivatives,
    draw,
)

# PyTorch's own forward mode calls what it has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
SAMPLES = draw(7, 4) * 1.3 + 0.2


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_mode_of_differentiation_agrees(name: str) -> None:
    accuracy = Accuracy(differences=None if name in STOPS else 2e-5)
    check_derivatives(FUNCTIONS[name], SAMPLES, accuracy)


@pytest.mark.parametrize("name", SINGLE)
def test_kernels_of_float32_agree_in_every_mode(name: str) -> None:
    check_derivatives(SINGLE[name], SAMPLES.float(), Accuracy(close=2e-4, differences=None))


def test_every_public_one_is_derived() -> None:
    """A statistic, regularizer or kernel that nobody added to the table fails here."""
    derived = {type(function).__name__ for function in FUNCTIONS.values()}
    derived |= {
        "Centred",
        "EndpointInverseDynamics",
        "InverseDynamics",
        "PLDMTerms",
        "VICReg",
        "ecf_sums",
        "sliced_statistic",
    }  # within functions of the table
    for path, value in public_objects().items():
        _, room, name = path.split(".")
        if room in ("normality", "regularizers") and not inspect.isabstract(value):
            assert name in derived, f"{path} is derived nowhere"


def _reads(x: Tensor) -> Tensor:
    return x.square().sum() if x.sum().item() > -1e9 else x.sum()


def _coarse(x: Tensor) -> Tensor:
    """Right once, wrong twice: what the gradient is made of has no gradient."""
    return 2 * (x.detach() * x).sum() - x.detach().square().sum() + 0 * x.pow(3).sum()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda x: Wrong.apply(x).sum(), "backward mode"),
        (lambda x: Forgetful.apply(x).sum(), "jvp"),
        (_coarse, "double backward"),
        (_reads, "vmap"),
    ],
)
def test_a_wrong_one_is_rejected(wrong: Function, said: str) -> None:
    with pytest.raises((AssertionError, RuntimeError), match=said):
        check_derivatives(wrong, SAMPLES, Accuracy())


# Inputs on which float32 must come near float64: every scale, and what is mixed, equal or few.
BASE = draw(34, 3).float()
INPUTS: dict[str, Tensor] = {
    **{f"1e{power}": BASE * 10.0**power for power in range(-8, 9, 2)},
    "far outlier": torch.cat([torch.full((1, 3), 1e8), BASE[1:]]),
    "outlier": torch.cat([BASE[:-1], torch.full((1, 3), -1e4)]),
    "two clusters": torch.cat([BASE[:17] + 1e5, BASE[17:] - 1e5]),
    "constant column": torch.cat([BASE[:, :2], torch.full((34, 1), 0.1)], dim=1),
    "equal": torch.full((34, 3), 0.1),
    "equal and far": torch.full((34, 3), 1e8),
    "zero": torch.zeros(34, 3),
    "offset": BASE + 1e4,
    "ties": (BASE * 2).round() / 2,
    "few": BASE[:7],
}
# Squares of sixth powers: float32 ends before float64 does (documented at the class).
OVERFLOWS = ("moments",)
FAR: dict[str, Function] = {
    name: function
    for name, function in FUNCTIONS.items()
    if not name.startswith(("ecf_sums", "sliced_statistic", "inverse", "endpoint", "vicreg", "pldm"))
} | {name: function for name, function in SINGLE.items() if name.startswith(("sigreg", "exact"))}


def value_and_gradient(function: Function, x: Tensor) -> tuple[Tensor, Tensor]:
    leaf = x.clone().requires_grad_()
    value = function(leaf)
    (gradient,) = torch.autograd.grad(value.sum(), leaf)
    return value.detach().double(), gradient.double()


def check_far(function: Function, exact: Function, x: Tensor) -> None:
    """Value and gradient in float32 are those of float64, as far as float32 can say them."""
    x = x.float()
    value, gradient = value_and_gradient(function, x)
    due, slope = value_and_gradient(exact, x.double())
    size = due.abs().max().item()
    assert (value - due).abs().max() <= 1e-3 * size + 1e-6, f"value {value} and not {due}"
    spread = max(x.abs().max().item(), 1e-30)
    error = (gradient - slope).norm().item()
    assert error <= 1e-2 * slope.norm().item() + 1e-5 * size / spread, f"gradient off by {error:.3g}"


@pytest.fixture(autouse=True)
def _same_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    """In either precision the directions of float32."""
    original = Directions.forward

    def forward(self: Directions, dim: int, *, dtype: torch.dtype, **options: Any) -> Tensor:
        return original(self, dim, dtype=torch.float32, **options).to(dtype)

    monkeypatch.setattr(Directions, "forward", forward)


@pytest.mark.parametrize("name", FAR)
def test_float32_is_near_float64_at_every_scale(name: str) -> None:
    exact = FAR[name]
    if name in SINGLE:
        exact = FUNCTIONS["sigreg_16" if name == "sigreg_native" else "exact_sigreg"]
    for label, x in INPUTS.items():
        if name in OVERFLOWS and x.abs().max() > 1e4:
            continue
        if name in ("subspace_sigreg", "centred") and x.abs().max() > 1e4:
            continue  # its bases, or residuals, are rounded to the precision, which turns far projections
        if name.startswith(("visreg", "rdmreg")) and label == "ties":
            continue  # rounding decides which of two equal samples comes first
        try:
            check_far(FAR[name], exact, x)
        except AssertionError as error:
            raise AssertionError(f"{name} at {label}: {error}") from error


class _Lossy(nn.Module):
    """The log of the distribution function by the operation of PyTorch, whose slope cancels."""

    def forward(self, samples: Tensor) -> Tensor:
        return torch.special.log_ndtr(samples).sum()


def test_a_slope_that_cancels_is_rejected() -> None:
    with pytest.raises(AssertionError, match="gradient"):
        check_far(_Lossy(), lambda x: log_normal_cdf(x).sum(), BASE * 1e4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_log_of_the_distribution_function(dtype: torch.dtype) -> None:
    """Value and slope against scipy, the second derivative against -slope (slope + x) or its series."""
    points = [-1e8, -1e5, -1e3, -100, -30, -20.01, -19.99, -12, -5, -1.01, -0.99, 0, 0.5, 3, 8, 40, 1e8]
    x = torch.tensor(points, dtype=dtype, requires_grad=True)
    value = log_normal_cdf(x)
    (slope,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(slope.sum(), x)
    wide = x.detach().double()
    due = torch.from_numpy(scipy.special.log_ndtr(wide.numpy()))
    hazard = (2 / torch.pi) ** 0.5 / torch.from_numpy(scipy.special.erfcx(-wide.numpy() / 2**0.5))
    inverse = wide.square().reciprocal()
    series = -1 + inverse * (1 - inverse * (6 - 50 * inverse))
    curved = torch.where(wide < -50, series, -hazard * (hazard + wide))
    bound = 1e-5 if dtype == torch.float32 else 1e-12
    for found, expected in ((value, due), (slope, hazard), (second, curved)):
        torch.testing.assert_close(found.detach().double(), expected, rtol=3 * bound, atol=1e-300)


@pytest.mark.parametrize("statistic", [AndersonDarling(), OrderStatisticLikelihood()])
@pytest.mark.parametrize("scale", [1e3, 3e4, 1e8])
def test_tails_pull_as_their_asymptotics_say(statistic: nn.Module, scale: float) -> None:
    """Far left log Phi(x) is -x^2 / 2 - log(-x), far right 0: the gradient by hand."""
    count = 34
    x = (torch.linspace(-1, 1, count)[:, None] * scale).requires_grad_()
    statistic(x).sum().backward()
    wide = x.detach().double()[:, 0]
    rank = torch.arange(1, count + 1, dtype=torch.float64)
    left, right = (torch.where(side < 0, -side - 1 / side, 0.0) for side in (wide, -wide))
    if isinstance(statistic, AndersonDarling):
        p = (2 * rank - 1) / (2 * count)
        due = 2 * (-p * left + (1 - p) * right)
    else:
        due = -((rank - 1) * left - (count - rank) * right - wide) / count
    assert x.grad is not None
    torch.testing.assert_close(x.grad[:, 0].double(), due, rtol=1e-5, atol=1e-6 * scale)


@pytest.mark.parametrize("implementation", ["native", "cpu", "reference"])
@pytest.mark.parametrize("scale", [1e8, 1e20, 1e30])
def test_far_embeddings_stay_bad(implementation: str, scale: float) -> None:
    """Beyond what a phase can be told of, the value scatters about its limit and does not fall."""
    value, gradient = value_and_gradient(SIGReg(64, implementation=implementation).eval(), BASE * scale)
    assert 0.9 < value / (34 * 1.26) < 1.3
    assert 1e-3 < gradient.norm() < 10
