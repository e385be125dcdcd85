"""Which of the family escape a collapsed start, and how hard each pulls near one."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from leworld.normality import BHEP, AndersonDarling, CramerVonMises, EppsPulley, Watson
from leworld.regularizers import (
    ExactSIGReg,
    InverseDynamics,
    MultivariateNormality,
    SIGReg,
    SlicedNormality,
    SubspaceSIGReg,
    TemporalSimilarity,
    TemporalStraightening,
    VCReg,
    VISReg,
    WeakSIGReg,
)
from tests.regularizers.conformance import draw

SAMPLES, DIM = 32, 5


@dataclass(frozen=True)
class Row:
    """What a member does at, and near, a total collapse.

    Every permutation-invariant smooth function treats equal samples equally: `parts` is False. `near` is the
    pull apart at a spread of 1e-4 over that at 0.3: about 3e-4 for a pull in proportion to the spread.
    """

    make: Callable[[], nn.Module]
    value: float
    parts: bool
    near: tuple[float, float]


VANISHES = (1e-4, 1e-3)
EP_AT_COLLAPSE = 0.4020500 * SAMPLES
TABLE: dict[str, Row] = {
    "SIGReg": Row(lambda: SIGReg(32), EP_AT_COLLAPSE, False, VANISHES),
    "SIGReg, orthogonal": Row(lambda: SIGReg(32, directions="orthogonal"), EP_AT_COLLAPSE, False, VANISHES),
    "ExactSIGReg": Row(lambda: ExactSIGReg(), EP_AT_COLLAPSE, False, VANISHES),
    "SubspaceSIGReg": Row(lambda: SubspaceSIGReg(3, num_slices=32), EP_AT_COLLAPSE, False, VANISHES),
    "sliced Epps-Pulley": Row(lambda: SlicedNormality(EppsPulley(), 32), EP_AT_COLLAPSE, False, VANISHES),
    "WeakSIGReg": Row(lambda: WeakSIGReg(), DIM**0.5, False, VANISHES),
    "BHEP": Row(lambda: MultivariateNormality(BHEP(1.0)), 0.0, False, VANISHES),
    # The hinge pulls with full force down to a spread of 0.01, and in proportion to it below.
    "VCReg": Row(lambda: VCReg(), 25 * 0.99, False, (5e-3, 5e-2)),
    # A constant force of the scale, and a shape whose force grows as the spread shrinks.
    "VISReg": Row(lambda: VISReg(32), 0.0, True, (10.0, 1e5)),
    # Sorted samples: ranks tell equal samples apart.
    "sliced Cramer-von Mises": Row(lambda: SlicedNormality(CramerVonMises(), 32), 0.0, True, (0.5, 10.0)),
    "sliced Anderson-Darling": Row(lambda: SlicedNormality(AndersonDarling(), 32), 0.0, True, (0.5, 10.0)),
    "sliced Watson": Row(lambda: SlicedNormality(Watson(), 32), 0.0, True, (0.5, 10.0)),
}


def pull_apart(regularizer: nn.Module, embeddings: Tensor) -> float:
    """Norm of the gradient without its mean over samples: what moves samples relative to each other."""
    embeddings = embeddings.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(regularizer(embeddings), embeddings)
    return (gradient - gradient.mean(0)).norm().item()


@pytest.mark.parametrize("name", TABLE)
def test_at_total_collapse(name: str) -> None:
    row = TABLE[name]
    collapsed = torch.zeros(SAMPLES, DIM)
    regularizer = row.make().eval()
    value = regularizer(collapsed)
    assert value.isfinite()
    if row.value:
        assert value.item() == pytest.approx(row.value, rel=1e-4)
    assert (pull_apart(regularizer, collapsed) > 0) == row.parts


@pytest.mark.parametrize("name", TABLE)
def test_near_a_collapse(name: str) -> None:
    regularizer, shape = TABLE[name].make().eval(), draw(SAMPLES, DIM)
    ratio = pull_apart(regularizer, 1e-4 * shape) / pull_apart(regularizer, 0.3 * shape)
    low, high = TABLE[name].near
    assert low < ratio < high, ratio


def descend(regularizer: nn.Module, start: Tensor, *, rate: float, steps: int = 80) -> float:
    """Adam with clipped gradients, as a training run has it; returns the spread that it ends with."""
    z = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([z], lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        regularizer(z).backward()
        torch.nn.utils.clip_grad_norm_([z], 1.0)
        optimizer.step()
    return z.detach().std(0).mean().item()


@pytest.mark.parametrize("name", TABLE)
def test_descent_from_a_collapse(name: str) -> None:
    """All lift an inexact collapse; an exact one, those whose ranks tell equal samples apart."""
    row = TABLE[name]
    spread = descend(row.make(), torch.zeros(SAMPLES, DIM), rate=0.06)
    assert spread > 0.3 if row.parts else spread == 0
    assert descend(row.make(), 1e-3 * draw(SAMPLES, DIM, dtype=torch.float32), rate=0.06) > 0.3


def test_visreg_needs_long_steps_or_a_large_epsilon() -> None:
    """Near a collapse the shape's pull, of order 1 / s, drowns the scale's: short steps go to and fro."""
    start = 1e-3 * draw(SAMPLES, DIM, dtype=torch.float32)
    assert descend(VISReg(32), start, rate=0.01, steps=120) < 0.1
    assert descend(VISReg(32, epsilon=0.1), start, rate=0.01, steps=120) > 0.2


def test_losses_over_trajectories_do_not_resist() -> None:
    paths = torch.zeros(8, 5, DIM, requires_grad=True)
    for loss in (TemporalSimilarity(), TemporalStraightening()):
        value = loss(paths)
        (gradient,) = torch.autograd.grad(value, paths)
        assert value == 0
        assert (gradient == 0).all()


def test_actions_tell_collapsed_samples_apart() -> None:
    paths = torch.zeros(8, 5, DIM, requires_grad=True)
    loss = InverseDynamics(DIM, 2)
    (gradient,) = torch.autograd.grad(loss(paths, draw(8, 5, 2, dtype=torch.float32)), paths)
    assert (gradient - gradient.mean(0)).norm() > 0
    (same,) = torch.autograd.grad(loss(paths, torch.ones(8, 5, 2)), paths)
    assert (same - same.mean(0)).norm() < 1e-7
