"""The rest of the family: regularizers that meet the conformance suite but for checks named here, and why."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from leworld.regularizers import (
    InverseDynamics,
    PLDMTerms,
    TemporalSimilarity,
    TemporalStraightening,
    TemporalVCReg,
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
    "vcreg_pairs": (
        lambda: VCReg(18.0, 12.0, covariance_scale="pairs"),
        (conformance.check_prefers_gaussian,),
    ),
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
    "time_vcreg": lambda: TemporalVCReg(1.0, 0.5, centred="time"),
}


class Terms(nn.Module):
    """`PLDMTerms` of embeddings (batch, time, dim), every one of them with a weight."""

    def __init__(self, variant: str = "released", embedding_dim: int = 4) -> None:
        super().__init__()
        weights = {"time_covariance_weight": 0.5, "inverse_dynamics_weight": 2.0}
        head = LinearHead(embedding_dim).loss
        self.terms = PLDMTerms(**weights, inverse_dynamics=head, variant=variant)

    def forward(self, embeddings: Tensor) -> Tensor:
        actions = torch.zeros(*embeddings.shape[:-1], 1, dtype=embeddings.dtype)
        return self.terms(embeddings, actions)


def check_vcreg_by_hand(make: Callable[..., nn.Module]) -> None:
    """Two points: variances 2 and 2, covariance 2; the hinge is open at a tenth of that size."""
    points = torch.tensor([[0.0, 0.0], [2.0, 2.0]], dtype=torch.float64)
    torch.testing.assert_close(make()(points).item(), (2**2 + 2**2) / 2, rtol=1e-12, atol=0)
    small = 25 * (1 - (0.02 + 1e-4) ** 0.5) + 0.02**2
    torch.testing.assert_close(make()(points / 10).item(), small, rtol=1e-12, atol=0)
    torch.testing.assert_close(make()(points / 10 + 3).item(), small, rtol=1e-9, atol=0)
    pairs = make(covariance_scale="pairs")(points.repeat(1, 2))
    torch.testing.assert_close(pairs.item(), 12 * 2**2 / (4 * 3), rtol=1e-12, atol=0)


def check_temporal_vcreg_by_hand(make: Callable[..., nn.Module]) -> None:
    """Two trajectories of three frames; the second one stands still."""
    moving = torch.tensor([[0.0, 0.0], [0.3, 0.6], [0.6, 1.2]], dtype=torch.float64)
    paths = torch.stack([moving, torch.zeros_like(moving) + 5])
    still, one = 1 - 1e-2, 1 - (0.09 + 1e-4) ** 0.5
    own = {"centred": "time", "covariance_scale": "dim"}
    std = (one + (1 - (0.36 + 1e-4) ** 0.5) + 2 * still) / 4
    torch.testing.assert_close(make(**own)(paths).item(), std, rtol=1e-12, atol=0)
    covariance = 0.5 * 2 * (0.3 * 0.6) ** 2 / 2
    torch.testing.assert_close(make(0.0, 1.0, **own)(paths).item(), covariance, rtol=1e-12, atol=0)
    torch.testing.assert_close(make(0.0, 1.0, centred="time")(paths).item(), covariance, rtol=1e-12, atol=0)
    # The mean of both moves half as far: each then moves half, to opposite sides of zero.
    half = (1 - (0.09 / 4 + 1e-4) ** 0.5 + 1 - (0.36 / 4 + 1e-4) ** 0.5) / 2
    torch.testing.assert_close(make()(paths).item(), half, rtol=1e-12, atol=0)
    rest = moving / 2 - 2.5
    second = (rest[:, 0] * rest[:, 1]).sum() / 2
    torch.testing.assert_close(make(0.0, 1.0)(paths).item(), second.item() ** 2, rtol=1e-12, atol=0)


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
    turned = make(1, 1, next_first=True).double()
    turned.head.load_state_dict(head.state_dict())
    torch.testing.assert_close(turned(embeddings, actions).item(), (2**2 + 7**2) / 2, rtol=1e-12, atol=0)


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
    "TemporalVCReg": (TemporalVCReg, check_temporal_vcreg_by_hand),
    "TemporalSimilarity": (TemporalSimilarity, check_similarity_by_hand),
    "InverseDynamics": (InverseDynamics, check_inverse_dynamics_by_hand),
}
