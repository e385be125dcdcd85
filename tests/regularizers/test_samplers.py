"""Directions: unit, uniform, the same for the same seed and step, and less noisy where they claim to be."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from leworld.errors import ShapeError
from leworld.regularizers import SIGReg
from leworld.regularizers._directions import Directions
from leworld.regularizers._samplers import orthogonal_directions, sobol_directions
from tests.regularizers.conformance import draw

CPU = torch.device("cpu")
KINDS = ("gaussian", "orthogonal", "sobol")
Sampler = Callable[..., Tensor]


def sample(kind: str, dim: int, num: int, *, step: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    directions = Directions("Test", num, seed=3, kind=kind)
    directions.step.fill_(step)
    return directions(dim, device=CPU, dtype=dtype)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dim", "num"), [(1, 5), (2, 1), (3, 64), (7, 20), (24, 24), (40, 9)])
def test_unit_columns_of_the_right_shape(kind: str, dim: int, num: int) -> None:
    for dtype in (torch.float32, torch.float64):
        found = sample(kind, dim, num, dtype=dtype)
        assert found.shape == (dim, num)
        assert found.dtype == dtype
        assert found.is_contiguous()
        torch.testing.assert_close(found.norm(dim=0), torch.ones(num, dtype=dtype))


def check_uniform(draw_step: Callable[[int], Tensor]) -> None:
    """First direction over many steps: mean 0, second moments I / dim, fourth moment 3 / (dim (dim + 2))."""
    first = torch.stack([draw_step(step)[:, 0] for step in range(1500)])
    count, dim = first.shape
    for moments, expected in (
        (first, torch.zeros(dim, dtype=first.dtype)),
        (first.square(), torch.full((dim,), 1 / dim, dtype=first.dtype)),
        (first.pow(4), torch.full((dim,), 3 / (dim * (dim + 2)), dtype=first.dtype)),
        (first[:, :1] * first[:, 1:], torch.zeros(dim - 1, dtype=first.dtype)),
    ):
        error = (moments.mean(0) - expected).abs()
        assert (error <= 5.5 * moments.std(0) / math.sqrt(count)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_each_direction_is_uniform(kind: str) -> None:
    check_uniform(lambda step: sample(kind, 4, 3, step=step))


@pytest.mark.parametrize("bias", ["folded", "cube", "fixed"])
def test_uniformity_check_rejects(bias: str) -> None:
    generator = torch.Generator().manual_seed(0)

    def crooked(step: int) -> Tensor:
        cube = torch.rand(4, 3, generator=generator, dtype=torch.float64) * 2 - 1
        if bias == "cube":
            return cube / cube.norm(dim=0)
        return sample("gaussian", 4, 3, step=step).abs() if bias == "folded" else sample("gaussian", 4, 3)

    with pytest.raises(AssertionError):
        check_uniform(crooked)


@pytest.mark.parametrize(("dim", "num"), [(6, 15), (6, 12), (6, 4), (1, 3)])
def test_orthogonal_within_blocks(dim: int, num: int) -> None:
    found = sample("orthogonal", dim, num)
    for first in range(0, num, dim):
        block = found[:, first : first + dim]
        eye = torch.eye(block.shape[1], dtype=torch.float64)
        torch.testing.assert_close(block.T @ block, eye, rtol=0, atol=1e-12)
    if num >= 2 * dim > 2:
        assert (found[:, :dim] - found[:, dim : 2 * dim]).abs().max() > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_seed_step_and_generator_decide(kind: str) -> None:
    assert torch.equal(sample(kind, 5, 8, step=2), sample(kind, 5, 8, step=2))
    assert not torch.equal(sample(kind, 5, 8, step=2), sample(kind, 5, 8, step=3))
    directions = Directions("Test", 8, seed=0, kind=kind)
    options = {"device": CPU, "dtype": torch.float64}
    drawn = [directions(5, generator=torch.Generator().manual_seed(7), **options) for _ in range(2)]
    assert torch.equal(drawn[0], drawn[1])
    assert directions.step == 0
    generator = torch.Generator().manual_seed(7)
    assert not torch.equal(
        directions(5, generator=generator, **options), directions(5, generator=generator, **options)
    )
    before = torch.random.get_rng_state()
    directions(5, **options)
    assert directions.step == 1
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(("kind", "dim", "num"), [("orthogonal", 6, 24), ("sobol", 3, 64)])
def test_less_noise_than_gaussian(kind: str, dim: int, num: int) -> None:
    """Fixed embeddings, fresh directions: the variance over steps, at most 0.3 of the Gaussian's."""
    embeddings = draw(64, dim) * torch.linspace(0.1, 0.8, dim, dtype=torch.float64)
    spread = {}
    for name in ("gaussian", kind):
        regularizer = SIGReg(num, directions=name)
        spread[name] = torch.stack([regularizer(embeddings) for _ in range(80)]).var().item()
    assert spread[kind] < 0.3 * spread["gaussian"]


def test_a_block_of_orthogonal_directions_sees_the_whole_covariance() -> None:
    z = draw(30, 6)
    projected = z @ sample("orthogonal", 6, 12)
    torch.testing.assert_close(projected.square().mean(), z.square().mean(), rtol=1e-12, atol=0)


def test_sobol_has_a_largest_dimension_and_never_reaches_infinity() -> None:
    generator = torch.Generator().manual_seed(0)
    with pytest.raises(ShapeError, match="21201"):
        sobol_directions(21202, 1, generator=generator, device=CPU, dtype=torch.float32)
    for _ in range(20):
        found = sobol_directions(2, 256, generator=generator, device=CPU, dtype=torch.float32)
        assert found.isfinite().all()


def test_orthogonal_directions_take_any_device_of_generator() -> None:
    generator = torch.Generator().manual_seed(0)
    found = orthogonal_directions(3, 5, generator=generator, device=torch.device("meta"), dtype=torch.float32)
    assert found.shape == (3, 5)
    assert found.device.type == "meta"
