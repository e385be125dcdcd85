"""What every implementation of ecf_sums must do; adding one is adding a name."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Sums = Callable[..., Tensor]
# group, sample, dim, slice
SHAPES = ((40, 1, 1, 1), (2, 3, 5, 31), (1, 129, 3, 129), (3, 31, 33, 129), (1, 31, 3, 31), (1, 300, 16, 40))


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def formula(embeddings: Tensor, directions: Tensor, *, spacing: float, num_knots: int) -> Tensor:
    """The definition, one knot at a time, in the dtype of its inputs."""
    y = embeddings @ directions
    knots = [spacing * k for k in range(1, num_knots + 1)]
    return torch.stack(
        [torch.stack([f(t * y).sum(-2) for t in knots], -2) for f in (torch.cos, torch.sin)], -3
    )


def unit(directions: Tensor) -> Tensor:
    return directions / directions.norm(dim=0)


def error_ratios(
    sums: Sums,
    shape: tuple[int, int, int, int],
    dtype: torch.dtype,
    knots: int,
    *,
    rounded: bool = False,
    draws: int = 1,
) -> tuple[float, float]:
    """Error of value and gradient of `sums` as multiples of the formula's in float32, all against float64.

    Root mean squares over some draws, since one number's rounding error is a matter of luck. The formula's
    gradient is rounded to the embeddings' dtype, as every gradient is. With `rounded`, directions come in
    that dtype too.
    """
    groups, samples, dim, slices = shape
    ours, plain = [0.0, 0.0], [0.0, 0.0]
    for seed in range(0, 3 * draws, 3):
        embeddings = (draw(groups, samples, dim, seed=seed) * 1.2 + 0.1).to(dtype)
        directions = unit(draw(dim, slices, seed=seed + 1)).to(dtype if rounded else torch.float32)
        weights = draw(groups, 2, knots, slices, seed=seed + 2)
        weights = weights * torch.exp(-0.02 * torch.arange(1, knots + 1) ** 2)[:, None]
        results = []
        for function, cast in ((formula, torch.float64), (formula, torch.float32), (sums, None)):
            z = (embeddings if cast is None else embeddings.to(cast)).clone().requires_grad_()
            a = directions if cast is None else directions.to(cast)
            value = function(z, a, spacing=3 / 16, num_knots=knots)
            (gradient,) = torch.autograd.grad((value * weights.to(value.dtype)).sum(), z)
            if cast is torch.float32:
                gradient = gradient.to(dtype)
            results.append((value.detach().double(), gradient.double()))
        for part in (0, 1):
            exact, formulas, found = (result[part] for result in results)
            plain[part] += (formulas - exact).square().sum().item()
            ours[part] += (found - exact).square().sum().item()
    first, second = (math.sqrt(a / b) for a, b in zip(ours, plain, strict=True))
    return first, second


def check_accuracy(sums: Sums) -> None:
    for shape in SHAPES:
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            for rounded in (False, True)[: 1 if dtype == torch.float32 else 2]:
                for knots in (16, 1, 2, 9):
                    ratios = error_ratios(sums, shape, dtype, knots, rounded=rounded)
                    assert max(ratios) <= 2, f"{shape} {dtype} {rounded} {knots}: {ratios}"


def check_far_projections(sums: Sums) -> None:
    embeddings = draw(7, 3, dtype=torch.float32) * 1e4
    value = sums(embeddings, torch.eye(3), spacing=3 / 16, num_knots=4)
    exact = formula(embeddings.double(), torch.eye(3).double(), spacing=3 / 16, num_knots=4)
    assert (value - exact).abs().max() < 0.02


def check_layouts(sums: Sums) -> None:
    embeddings, directions = draw(2, 19, 6, dtype=torch.float32), unit(draw(6, 20, seed=1)).float()
    expected = sums(embeddings, directions, spacing=0.3, num_knots=5)
    poisoned = torch.full((2, 22, 6), float("nan"), dtype=torch.float32)
    poisoned[:, 3:] = embeddings
    views = (embeddings.transpose(1, 2).contiguous().transpose(1, 2), poisoned[:, 3:])
    for view in views:
        torch.testing.assert_close(sums(view, directions, spacing=0.3, num_knots=5), expected)
    transposed = directions.T.contiguous().T
    torch.testing.assert_close(sums(embeddings, transposed, spacing=0.3, num_knots=5), expected)
    expanded = sums(embeddings[:1].expand(4, -1, -1), directions, spacing=0.3, num_knots=5)
    torch.testing.assert_close(expanded[3], expected[0])
    flat = sums(embeddings[0], directions, spacing=0.3, num_knots=5)
    torch.testing.assert_close(flat, expected[0])
    assert sums(embeddings[:0], directions, spacing=0.3, num_knots=5).shape == (0, 2, 5, 20)


def check_gradient_of_a_view(sums: Sums) -> None:
    """The gradient that arrives may be expanded or transposed; the one that leaves must be right."""
    embeddings = draw(2, 9, 4, dtype=torch.float32).requires_grad_()
    directions = unit(draw(4, 33, seed=1)).float()
    for function in (sums, formula):
        value = function(embeddings, directions, spacing=0.4, num_knots=3)
        gradient = torch.autograd.grad(value.transpose(-1, -2).sum(), embeddings)[0]
        if function is sums:
            ours = gradient
    torch.testing.assert_close(ours, gradient, rtol=1e-4, atol=1e-5)


CHECKS = (check_accuracy, check_far_projections, check_layouts, check_gradient_of_a_view)
