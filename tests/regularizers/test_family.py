"""The family beside SIGReg: conformance, values by hand, published code, invariances, settings."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from leworld.errors import ConfigError, NonFiniteError
from leworld.metrics import temporal_straightness
from leworld.normality import BHEP, EppsPulley, MultivariateStatistic, UnivariateStatistic
from leworld.regularizers import (
    Centred,
    EndpointInverseDynamics,
    InverseDynamics,
    MultivariateNormality,
    PLDMTerms,
    RDMReg,
    SIGReg,
    SlicedNormality,
    SubspaceSIGReg,
    TemporalSimilarity,
    TemporalStraightening,
    TemporalVCReg,
    VCReg,
    VICReg,
    VISReg,
    WeakSIGReg,
)
from leworld.regularizers._subspaces import subspace_bases
from leworld.serialise._build import build
from tests.regularizers.conformance import CHECKS, draw
from tests.regularizers.family import BY_HAND, FAMILY, TRAJECTORY_LOSSES, Terms
from tests.regularizers.published import published_directions, published_sigreg
from tests.regularizers.published_family import published_vicreg, published_visreg, published_weak_sigreg
from tests.regularizers.wrong_family import WRONG

Make = Callable[[], nn.Module]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", FAMILY)
def test_conforms(name: str, check: Callable[[Make], None]) -> None:
    make, exempt = FAMILY[name]
    if check in exempt:
        with pytest.raises((AssertionError, RuntimeError)):
            check(make)
    else:
        check(make)


@pytest.mark.parametrize("name", BY_HAND)
def test_value_by_hand(name: str) -> None:
    make, check = BY_HAND[name]
    check(make)


@pytest.mark.parametrize(
    ("name", "wrong"), [(name, wrong) for name, classes in WRONG.items() for wrong in classes]
)
def test_suite_rejects(name: str, wrong: type[nn.Module]) -> None:
    with pytest.raises((AssertionError, TypeError)):
        BY_HAND[name][1](wrong)


def _agree(value: torch.Tensor, expected: torch.Tensor, *inputs: torch.Tensor, rtol: float = 1e-9) -> None:
    torch.testing.assert_close(value, expected, rtol=rtol, atol=0)
    for found, due in zip(
        torch.autograd.grad(value, inputs), torch.autograd.grad(expected, inputs), strict=True
    ):
        assert (found - due).norm() <= rtol * due.norm()


def test_equals_published_code() -> None:
    z = (draw(3, 40, 6) * 1.2 + 0.3).requires_grad_()
    generator = torch.Generator().manual_seed(5)
    _agree(VISReg(16)(z, generator=generator), published_visreg(z, 16, seed=5), z)
    one = (draw(30, 12) * 0.7).requires_grad_()
    generator = torch.Generator().manual_seed(5)
    _agree(WeakSIGReg(4)(one, generator=generator), published_weak_sigreg(one, 4, seed=5), one, rtol=1e-6)
    _agree(WeakSIGReg(12)(one), published_weak_sigreg(one, 12, seed=5), one, rtol=1e-6)
    other = (draw(30, 12, seed=1) * 0.4).requires_grad_()
    _agree(VICReg()(one, other), published_vicreg(one, other), one, other)


def test_vicreg_is_invariance_and_two_vcregs() -> None:
    x, y = draw(2, 20, 5) * 0.6, draw(2, 20, 5, seed=1)
    parts = 25 * (x - y).square().mean() + VCReg(12.5, 1.0)(x) + VCReg(12.5, 1.0)(y)
    torch.testing.assert_close(VICReg()(x, y), parts)
    gradcheck = torch.autograd.gradcheck
    assert gradcheck(VICReg(), (x[:, :6].requires_grad_(), y[:, :6].requires_grad_()))


def test_sliced_epps_pulley_is_sigreg() -> None:
    z = draw(2, 33, 7) + 0.1
    for kind in ("gaussian", "orthogonal", "sobol"):
        sliced = SlicedNormality(EppsPulley(9, 2.5), 20, seed=3, directions=kind)
        whole = SIGReg(20, 9, t_max=2.5, seed=3, directions=kind)
        for _ in range(2):
            torch.testing.assert_close(sliced(z), whole(z), rtol=1e-10, atol=0)


def test_multivariate_is_the_statistic_and_invariant_under_rotations() -> None:
    z, rotation = draw(3, 20, 6) + 0.2, torch.linalg.qr(draw(6, 6, seed=2)).Q
    regularizer = MultivariateNormality(BHEP(0.5))
    torch.testing.assert_close(regularizer(z), BHEP(0.5)(z).mean())
    for invariant in (regularizer, WeakSIGReg()):
        torch.testing.assert_close(invariant(z @ rotation), invariant(z), rtol=1e-10, atol=0)


class _OwnUnivariate(UnivariateStatistic):
    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        return samples.square().mean(-2)

    def null_mean(self, num_samples: int) -> float:
        return 1.0


class _OwnMultivariate(MultivariateStatistic):
    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        return samples.square().sum((-2, -1))

    def null_mean(self, num_samples: int, dim: int) -> float:
        return float(num_samples * dim)


def test_statistics_of_ones_own_are_welcome() -> None:
    z = draw(2, 10, 4)
    sliced = SlicedNormality(_OwnUnivariate(), 8, directions="orthogonal")
    torch.testing.assert_close(sliced(z), z.square().mean(), rtol=1e-10, atol=0)
    torch.testing.assert_close(MultivariateNormality(_OwnMultivariate())(z), z.square().sum() / 2)
    with pytest.raises(ConfigError, match="_OwnUnivariate"):
        sliced.config.to_json()


def test_subspaces_are_projected_and_judged_apart() -> None:
    z = draw(2, 25, 8) * 1.1 + 0.1
    regularizer = SubspaceSIGReg(3, 2, num_slices=10, seed=4)
    directions = published_directions(2, 30, seed=9, dtype=torch.float64)
    bases = subspace_bases(4, 8, 3, 2, device=torch.device("cpu"), dtype=torch.float64)
    parts = [published_sigreg(z @ bases[k], directions[:, 10 * k : 10 * (k + 1)]) for k in range(3)]
    value = regularizer(z, generator=torch.Generator().manual_seed(9))
    torch.testing.assert_close(value, torch.stack(parts).mean(), rtol=1e-10, atol=0)
    torch.testing.assert_close(
        bases.mT @ bases, torch.eye(2, dtype=torch.float64).expand(3, 2, 2), rtol=0, atol=1e-12
    )


def test_subspaces_stay_and_leave_their_complement_free() -> None:
    z = draw(40, 8)
    first, again = SubspaceSIGReg(2, 2, num_slices=6, seed=4), SubspaceSIGReg(2, 2, num_slices=6, seed=4)
    bases = subspace_bases(4, 8, 2, 2, device=torch.device("cpu"), dtype=torch.float64)
    inside = torch.cat(list(bases), dim=1)
    free = torch.linalg.svd(inside.T).Vh[4:].T
    changed = z + draw(40, 4, seed=1) * 5 @ free.T
    for _ in range(3):
        torch.testing.assert_close(first(changed), again(z), rtol=1e-8, atol=0)
    assert SubspaceSIGReg(2, 2, num_slices=6, seed=5)(z) != SubspaceSIGReg(2, 2, num_slices=6, seed=4)(z)


def test_subspace_null_mean_and_one_whole_subspace() -> None:
    regularizer = SubspaceSIGReg(4, num_slices=8)
    values = torch.stack([regularizer(draw(1, 16, 32, 8, seed=i)) for i in range(40)])
    assert abs(values.mean().item() - 1.05246) <= 6 * values.std().item() / math.sqrt(len(values))
    z = draw(64, 5) * 1.5
    torch.testing.assert_close(SubspaceSIGReg(1, num_slices=8192)(z), SIGReg(8192)(z), rtol=0.02, atol=0)


def test_isotropic_embeddings_satisfy_the_orthogonal_sketch_only() -> None:
    z = torch.linalg.qr(draw(64, 13)).Q[:, 1:] - torch.linalg.qr(draw(64, 13)).Q[:, 1:].mean(0)
    white = torch.linalg.qr(z).Q * math.sqrt(63)
    assert WeakSIGReg(4, sketch="orthogonal")(white) < 1e-10
    scores = torch.stack([WeakSIGReg(4, seed=i)(white) for i in range(200)])
    expected = math.sqrt(4 * 5 / 12)  # root mean square of the entries of S^T S - I
    assert abs(scores.square().mean().sqrt().item() / expected - 1) < 0.15


@pytest.mark.parametrize("name", TRAJECTORY_LOSSES)
def test_trajectory_losses(name: str) -> None:
    loss = TRAJECTORY_LOSSES[name]()
    paths = draw(2, 3, 6, 5).requires_grad_()
    assert torch.autograd.gradcheck(loss, (paths,))
    assert torch.autograd.gradgradcheck(loss, (paths,))
    alone = torch.stack([loss(path) for path in paths.flatten(0, 1)])
    torch.testing.assert_close(loss(paths), alone.mean(), rtol=1e-12, atol=0)
    before = torch.random.get_rng_state()
    loss(paths)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    "make", [TemporalVCReg, Terms, lambda: Terms("original")], ids=["time", "terms", "original"]
)
def test_losses_over_a_batch_of_trajectories(make: Make) -> None:
    loss = make()
    paths = (0.4 * draw(5, 4, 4)).requires_grad_()
    assert torch.autograd.gradcheck(loss, (paths,))
    assert torch.autograd.gradgradcheck(loss, (paths,))
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(loss(paths[order]), loss(paths), rtol=1e-12, atol=0)
    half = paths.detach().bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        time = TemporalVCReg(1.0, 1.0)(half)
    torch.testing.assert_close(time, TemporalVCReg(1.0, 1.0)(half.float()), rtol=1e-6, atol=0)


def test_a_weight_of_zero_is_not_computed() -> None:
    wild = torch.tensor([[1e30, -1e30], [-1e30, 1e30]], dtype=torch.float32)
    assert VCReg(1.0, 0.0)(wild) == 0
    with pytest.raises(NonFiniteError):
        VCReg(1.0, 1.0)(wild)


@pytest.mark.parametrize("loss", [TemporalSimilarity(), TemporalStraightening()], ids=["similar", "straight"])
def test_trajectory_invariances_and_half_precision(loss: nn.Module) -> None:
    paths, rotation = draw(4, 7, 5), torch.linalg.qr(draw(5, 5, seed=2)).Q
    torch.testing.assert_close(loss(paths @ rotation + 3), loss(paths), rtol=1e-9, atol=0)
    torch.testing.assert_close(loss(paths.flip(-2)), loss(paths), rtol=1e-9, atol=0)
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        half = paths.to(dtype).requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = loss(half)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, loss(half.detach().float()), rtol=1e-6, atol=0)
        value.backward()
        assert half.grad is not None
        assert half.grad.dtype == dtype


def test_straightening_is_the_metric_turned_around_at_any_scale() -> None:
    paths = draw(5, 9, 4)
    expected = 1 - temporal_straightness(paths)
    for scale in (1e-3, 1.0, 1e18):
        value = TemporalStraightening(0.0)((paths * scale).float())
        torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=0)
    assert TemporalStraightening()(paths * 1e-9) == 0, "slower than min_speed: nothing moves"


def test_inverse_dynamics_learns_and_looks_at_no_last_action() -> None:
    loss = InverseDynamics(4, 4, hidden_dim=None).float()
    paths = draw(64, 5, 4, dtype=torch.float32)
    actions = torch.cat((paths.diff(dim=1), torch.full((64, 1, 4), float("nan"))), dim=1)
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        loss(paths, actions).backward()
        optimizer.step()
    assert loss(paths, actions) < 1e-3
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss(paths.bfloat16(), actions).dtype == torch.float32
    assert InverseDynamics(4, 2, hidden_dim=7)(paths, actions[..., :2]) > 0


@pytest.mark.parametrize(
    "regularizer",
    [
        SlicedNormality(EppsPulley(9), 16, seed=2, directions="sobol"),
        MultivariateNormality(BHEP(0.3)),
        SubspaceSIGReg(3, num_slices=4, seed=1),
        VISReg(9, shape_weight=0.5, seed=4),
        VCReg(18.0, 12.0, covariance_scale="pairs"),
        TemporalVCReg(0.7, 0.1, centred="time", covariance_scale="dim"),
        PLDMTerms(3.0, 2.0, inverse_dynamics=InverseDynamics(3, 2), variant="original", log_all=True),
        VICReg(epsilon=1e-3),
        WeakSIGReg(5, sketch="orthogonal"),
        TemporalSimilarity(),
        TemporalStraightening(1e-5),
        EndpointInverseDynamics(3, 2, horizon=4, hidden_dim=5),
        Centred(VISReg(8), window=None),
        RDMReg(6, target="gaussian", location=-0.7, seed=2),
        InverseDynamics(3, 2, hidden_dim=4, layer_norm=True, activation="relu", next_first=True),
        SIGReg(7, directions="orthogonal"),
    ],
    ids=lambda regularizer: type(regularizer).__name__,
)
def test_config_rebuilds(regularizer: nn.Module) -> None:
    rebuilt = build(regularizer.config.to_json(), where="config")  # type: ignore[union-attr, operator]
    assert repr(rebuilt) == repr(regularizer)
    assert rebuilt.config == regularizer.config


def _take_one(module: nn.Module) -> Callable[..., torch.Tensor]:
    return torch.compile(module, fullgraph=True, backend="eager")  # type: ignore[return-value]


@pytest.mark.parametrize(
    "make",
    [
        lambda: SubspaceSIGReg(2, num_slices=4),
        lambda: VISReg(8),
        lambda: WeakSIGReg(3),
        lambda: SIGReg(8, directions="sobol"),
        TemporalStraightening,
        TemporalVCReg,
        lambda: RDMReg(8),
    ],
    ids=["subspace", "visreg", "weak", "sobol", "straightening", "time", "rdmreg"],
)
def test_compiles_as_one_graph(make: Make) -> None:
    z = draw(2, 12, 6, dtype=torch.float32)
    torch.testing.assert_close(_take_one(make())(z), make()(z), rtol=1e-5, atol=1e-6)
