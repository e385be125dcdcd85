"""The rest of the family: regularizers that meet the conformance suite but for checks named here, and why."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from leworld.regularizers import (
    InverseDynamics,
    TemporalSimilarity,
    TemporalStraightening,
    VCReg,
    VICReg,
    VISReg,
    WeakSIGReg,
)
from tests.regularizers import conformance
from tests.regularizers.conformance import draw

Make = Callable[[], nn.Module]

FAMILY: dict[str, tuple[Make, tuple[Callable[[Make], None], ...]]] = {
    # The shape's gradient takes standard deviations as given, so finite differences disagree by design.
    "visreg": (lambda: VISReg(24), (conformance.check_gradient,)),
    # Second moments do not see a shift; VCReg sees no large scale either.
    "weak_sigreg": (lambda: WeakSIGReg(), (conformance.check_prefers_gaussian,)),
    "weak_sigreg_sketched": (
        lambda: WeakSIGReg(2, sketch="orthogonal"),
        (conformance.check_prefers_gaussian,),
    ),
    "vcreg": (lambda: VCReg(), (conformance.check_prefers_gaussian,)),
}


class LinearHead(nn.Module):
    """`InverseDynamics` whose linear head knows that action 0 is the difference of coordinates 0."""

    def __init__(self, embedding_dim: int = 5) -> None:
        super().__init__()
        self.loss = InverseDynamics(embedding_dim, 1)
        assert isinstance(self.loss.head, nn.Linear)
        with torch.no_grad():
            self.loss.head.weight.zero_()
            self.loss.head.weight[0, 0] = -1.0
            self.loss.head.weight[0, embedding_dim] = 1.0
            self.loss.head.bias.zero_()
        self.double()

    def forward(self, embeddings: Tensor) -> Tensor:
        actions = torch.zeros(*embeddings.shape[:-1], 1, dtype=torch.float64)
        return self.loss(embeddings, actions)


TRAJECTORY_LOSSES: dict[str, Callable[[], nn.Module]] = {
    "similarity": TemporalSimilarity,
    "straightening": TemporalStraightening,
    "inverse_dynamics": LinearHead,
}


def check_vcreg_by_hand(make: Callable[..., nn.Module]) -> None:
    """Two points: variances 2 and 2, covariance 2; the hinge is open at a tenth of that size."""
    points = torch.tensor([[0.0, 0.0], [2.0, 2.0]], dtype=torch.float64)
    torch.testing.assert_close(make()(points).item(), (2**2 + 2**2) / 2, rtol=1e-12, atol=0)
    small = 25 * (1 - (0.02 + 1e-4) ** 0.5) + 0.02**2
    torch.testing.assert_close(make()(points / 10).item(), small, rtol=1e-12, atol=0)
    torch.testing.assert_close(make()(points / 10 + 3).item(), small, rtol=1e-9, atol=0)


def check_weak_sigreg_by_hand(make: Callable[..., nn.Module]) -> None:
    """Four points on the axes: covariance 2/3 I."""
    points = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], dtype=torch.float64)
    torch.testing.assert_close(make()(points).item(), 2**0.5 / 3, rtol=1e-12, atol=0)
    torch.testing.assert_close(make()(points + 7).item(), 2**0.5 / 3, rtol=1e-10, atol=0)


def check_visreg_by_hand(make: Callable[..., nn.Module]) -> None:
    """Three numbers -a, 0, a: standard deviation a sqrt(2/3), quantiles -0.67449, 0, 0.67449."""
    quantile = 0.6744897501960817
    for a in (1.0, 0.25):
        points = torch.tensor([[-a], [0.0], [a]], dtype=torch.float64)
        std = a * (2 / 3) ** 0.5
        expected = 0.25 + (std - 1) ** 2 + 2 / 3 * (1.5**0.5 - quantile) ** 2
        torch.testing.assert_close(make()(points + 0.5).item(), expected, rtol=1e-9, atol=0)
    spread = draw(4, 30, 5).requires_grad_()
    shape = make(center_weight=0.0, scale_weight=0.0)(spread * 0.5)
    (gradient,) = torch.autograd.grad(shape, spread)
    doubled = make(center_weight=0.0, scale_weight=0.0)(spread)
    (other,) = torch.autograd.grad(doubled, spread)
    torch.testing.assert_close(shape, doubled)
    torch.testing.assert_close(gradient, other)
    # The gradient takes the scale as given: stretching a coordinate changes the loss to first order.
    assert (gradient * spread).sum().abs() > 1e-3


def check_straightening_by_hand(make: Callable[..., nn.Module]) -> None:
    corner = torch.tensor([[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [2.0, 5.0], [2.0, 3.0]], dtype=torch.float64)
    torch.testing.assert_close(make()(corner).item(), (1 + 0 + 2) / 3, rtol=1e-12, atol=0)
    still = corner[[0, 0, 1, 1, 2, 3]]
    torch.testing.assert_close(make()(still).item(), 0.0, rtol=0, atol=1e-12)
    torch.testing.assert_close(make()(corner * 1e5 - 7).item(), 1.0, rtol=1e-9, atol=0)


def check_similarity_by_hand(make: Callable[..., nn.Module]) -> None:
    paths = torch.tensor([[[0.0, 0.0], [1.0, 0.0]], [[5.0, 5.0], [5.0, 7.0]]], dtype=torch.float64)
    torch.testing.assert_close(make()(paths).item(), (1 + 0 + 0 + 4) / 4, rtol=1e-12, atol=0)


def check_inverse_dynamics_by_hand(make: Callable[..., nn.Module]) -> None:
    loss = make(1, 1).double()
    head = loss.head
    assert isinstance(head, nn.Linear)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[-1.0, 1.0]]))
        head.bias.zero_()
    embeddings = torch.tensor([[[0.0], [1.0], [3.0]]], dtype=torch.float64)
    actions = torch.tensor([[[1.0], [5.0], [float("nan")]]], dtype=torch.float64)
    torch.testing.assert_close(loss(embeddings, actions).item(), (0 + 3**2) / 2, rtol=1e-12, atol=0)


def check_vicreg_by_hand(make: Callable[..., nn.Module]) -> None:
    points = torch.tensor([[0.0, 0.0], [2.0, 2.0]], dtype=torch.float64)
    shifted = points + torch.tensor([1.0, 3.0], dtype=torch.float64)
    expected = 25 * (1 + 9) / 2 + 4 + 4
    torch.testing.assert_close(make()(points, shifted).item(), expected, rtol=1e-12, atol=0)
    hinge = 25 * (1 - (0.02 + 1e-4) ** 0.5) + 2 * 0.02**2
    torch.testing.assert_close(make()(points / 10, points / 10).item(), hinge, rtol=1e-12, atol=0)


BY_HAND: dict[str, tuple[Callable[..., nn.Module], Callable[[Callable[..., nn.Module]], None]]] = {
    "VCReg": (VCReg, check_vcreg_by_hand),
    "WeakSIGReg": (WeakSIGReg, check_weak_sigreg_by_hand),
    "VISReg": (VISReg, check_visreg_by_hand),
    "VICReg": (VICReg, check_vicreg_by_hand),
    "TemporalStraightening": (TemporalStraightening, check_straightening_by_hand),
    "TemporalSimilarity": (TemporalSimilarity, check_similarity_by_hand),
    "InverseDynamics": (InverseDynamics, check_inverse_dynamics_by_hand),
}
