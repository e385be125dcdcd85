import numpy as np
import pytest
import torch

from leworld.nn import interpolate_positions
from tests.nn import oracles


def table(side: int, dim: int = 3, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(1, 1 + side * side, dim, dtype=dtype)


@pytest.mark.parametrize("size", [(4, 4), (7, 7), (2, 2), (3, 5), (8, 2), (1, 1), (16, 1)])
def test_interpolation_is_cubic_convolution(size: tuple[int, int]) -> None:
    positions = table(4)
    new = interpolate_positions(positions, grid_height=size[0], grid_width=size[1])
    grid = positions[0, 1:].reshape(4, 4, 3).numpy()
    expected = oracles.resample_grid(grid, *size).reshape(-1, 3)
    np.testing.assert_allclose(new[0, 1:].numpy(), expected, atol=1e-12)
    assert torch.equal(new[:, :1], positions[:, :1])


def test_native_size_returns_the_table() -> None:
    positions = table(5)
    assert interpolate_positions(positions, grid_height=5, grid_width=5) is positions


def test_a_constant_table_stays_constant() -> None:
    positions = torch.full((1, 17, 2), 3.5, dtype=torch.float64)
    new = interpolate_positions(positions, grid_height=9, grid_width=6)
    torch.testing.assert_close(new, torch.full((1, 55, 2), 3.5, dtype=torch.float64))


def test_half_precision_is_resampled_in_float32() -> None:
    positions = table(4, dtype=torch.bfloat16)
    new = interpolate_positions(positions, grid_height=6, grid_width=6)
    exact = interpolate_positions(positions.float(), grid_height=6, grid_width=6)
    assert new.dtype == torch.bfloat16
    assert torch.equal(new, exact.bfloat16())


def test_gradients_reach_the_table() -> None:
    positions = table(3).requires_grad_()
    torch.autograd.gradcheck(
        lambda t: interpolate_positions(t, grid_height=4, grid_width=2), (positions,), fast_mode=True
    )
