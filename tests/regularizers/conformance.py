"""What every regularizer must do. Adding a class is adding a line to REGULARIZERS."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from leworld.normality import BHEP, CramerVonMises, EppsPulley
from leworld.regularizers import (
    ExactSIGReg,
    MultivariateNormality,
    SIGReg,
    SlicedNormality,
    SubspaceSIGReg,
)

REGULARIZERS: dict[str, Callable[[], nn.Module]] = {
    "sigreg": lambda: SIGReg(64),
    "exact_sigreg": lambda: ExactSIGReg(),
    "sigreg_coarse": lambda: SIGReg(16, 6, t_max=2.0, seed=7),
    "sigreg_orthogonal": lambda: SIGReg(24, directions="orthogonal"),
    "sigreg_sobol": lambda: SIGReg(24, directions="sobol"),
    "sliced_epps_pulley": lambda: SlicedNormality(EppsPulley(), 24),
    "sliced_cramer_von_mises": lambda: SlicedNormality(CramerVonMises(), 24, directions="orthogonal"),
    "multivariate_bhep": lambda: MultivariateNormality(BHEP(0.5)),
    "subspace_sigreg": lambda: SubspaceSIGReg(4, num_slices=12),
}


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def frozen(make: Callable[[], nn.Module]) -> nn.Module:
    """Evaluation mode: the same directions at every call."""
    return make().eval()


def check_scalar_and_dtypes(make: Callable[[], nn.Module]) -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        embeddings = draw(3, 33, 9).to(dtype).requires_grad_()
        value = frozen(make)(embeddings)
        assert value.shape == ()
        assert value.dtype == torch.float32
        value.backward()
        assert embeddings.grad is not None
        assert embeddings.grad.dtype == dtype
        exact = embeddings.detach().double()
        as_float32 = frozen(make)(exact.float())
        torch.testing.assert_close(value, as_float32, rtol=1e-6, atol=1e-6)
    assert frozen(make)(draw(33, 9)).dtype == torch.float64


def check_leading_axes(make: Callable[[], nn.Module]) -> None:
    embeddings = draw(2, 3, 33, 5) * 1.2 + 0.1
    value = frozen(make)(embeddings)
    alone = torch.stack([frozen(make)(part) for part in embeddings.flatten(0, 1)])
    torch.testing.assert_close(value, alone.mean(), rtol=1e-12, atol=1e-13)


def check_permutation(make: Callable[[], nn.Module]) -> None:
    embeddings = draw(31, 4)
    order = torch.randperm(31, generator=torch.Generator().manual_seed(1))
    value = frozen(make)(embeddings[order])
    torch.testing.assert_close(value, frozen(make)(embeddings), rtol=1e-12, atol=1e-13)


def check_gradient(make: Callable[[], nn.Module]) -> None:
    regularizer = frozen(make)
    embeddings = (draw(2, 7, 3) * 1.3 + 0.2).requires_grad_()
    assert torch.autograd.gradcheck(regularizer, (embeddings,))
    assert torch.autograd.gradgradcheck(regularizer, (embeddings,))


def check_layout(make: Callable[[], nn.Module]) -> None:
    embeddings = draw(2, 19, 6)
    expected = frozen(make)(embeddings)
    transposed = embeddings.transpose(1, 2).contiguous().transpose(1, 2)
    poisoned = torch.full((2, 22, 6), float("nan"), dtype=torch.float64)
    poisoned[:, 3:] = embeddings
    for view in (transposed, poisoned[:, 3:]):
        torch.testing.assert_close(frozen(make)(view), expected, rtol=1e-12, atol=1e-13)
    expanded = embeddings[:1].expand(3, -1, -1)
    torch.testing.assert_close(frozen(make)(expanded), frozen(make)(embeddings[0]), rtol=1e-12, atol=1e-13)


def check_prefers_gaussian(make: Callable[[], nn.Module]) -> None:
    embeddings = draw(256, 8)
    regularizer = frozen(make)
    best = regularizer(embeddings)
    for worse in (embeddings + 0.5, embeddings * 0.3, embeddings * 2, embeddings[:, :1].expand(-1, 8)):
        assert regularizer(worse) > 2 * best


def check_ignores_autocast(make: Callable[[], nn.Module]) -> None:
    embeddings = draw(65, 16, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = frozen(make)(embeddings)
    assert torch.equal(inside, frozen(make)(embeddings))


def check_leaves_global_randomness_alone(make: Callable[[], nn.Module]) -> None:
    before = torch.random.get_rng_state()
    make()(draw(16, 4))
    assert torch.equal(before, torch.random.get_rng_state())


def check_state_loads_strictly(make: Callable[[], nn.Module]) -> None:
    regularizer = make()
    regularizer(draw(16, 4))
    fresh = make()
    fresh.load_state_dict(regularizer.state_dict(), strict=True)
    assert torch.equal(fresh(draw(16, 4)), regularizer(draw(16, 4)))
    make().load_state_dict({}, strict=True)


CHECKS = (
    check_scalar_and_dtypes,
    check_leading_axes,
    check_permutation,
    check_gradient,
    check_layout,
    check_prefers_gaussian,
    check_ignores_autocast,
    check_leaves_global_randomness_alone,
    check_state_loads_strictly,
)
