"""What every implementation of ecf_sums must do; adding one is adding a name."""

from collections.abc import Callable

import torch
from torch import Tensor

Sums = Callable[..., Tensor]
SHAPES = ((1, 1, 1, 1), (2, 3, 5, 31), (1, 129, 3, 17), (3, 31, 33, 129), (1, 300, 16, 40))


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


def error_and_slack(
    sums: Sums, shape: tuple[int, int, int, int], dtype: torch.dtype, knots: int
) -> list[tuple[float, float]]:
    """Relative errors of value and gradient of `sums` and of the formula, both against float64."""
    groups, samples, dim, slices = shape
    embeddings = (draw(groups, samples, dim) * 1.2 + 0.1).to(dtype)
    directions = unit(draw(dim, slices, seed=1)).float()
    weights = draw(groups, 2, knots, slices, seed=2)
    weights = weights * torch.exp(-0.02 * torch.arange(1, knots + 1) ** 2)[:, None]
    results = []
    for function, cast in ((formula, torch.float64), (formula, torch.float32), (sums, None)):
        z = (embeddings if cast is None else embeddings.to(cast)).clone().requires_grad_()
        a = directions if cast is None else directions.to(cast)
        value = function(z, a, spacing=3 / 16, num_knots=knots)
        (gradient,) = torch.autograd.grad((value * weights.to(value.dtype)).sum(), z)
        results.append((value.detach().double(), gradient.double()))
    exact, plain, ours = results
    pairs = []
    for part in (0, 1):
        scale = exact[part].norm()
        rounding = 0.0 if part == 0 else torch.finfo(dtype).eps / 2
        slack = 2 * ((plain[part] - exact[part]).norm() / scale).item() + rounding + 2.5e-7
        pairs.append((((ours[part] - exact[part]).norm() / scale).item(), slack))
    return pairs


def check_accuracy(sums: Sums) -> None:
    for shape in SHAPES:
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            for knots in (16, 1, 2, 9):
                for error, slack in error_and_slack(sums, shape, dtype, knots):
                    assert error <= slack, f"{shape} {dtype} {knots}: {error:.2g} > {slack:.2g}"


def check_far_projections(sums: Sums) -> None:
    embeddings = draw(7, 3, dtype=torch.float32) * 1e4
    value = sums(embeddings, torch.eye(3), spacing=3 / 16, num_knots=4)
    exact = formula(embeddings.double(), torch.eye(3).double(), spacing=3 / 16, num_knots=4)
    assert (value - exact).abs().max() < 0.02


def check_layouts(sums: Sums) -> None:
    embeddings, directions = draw(2, 19, 6, dtype=torch.float32), unit(draw(6, 20, seed=1)).float()
    expected = sums(embeddings, directions, spacing=0.3, num_knots=5)
    poisoned = torch.full((2, 22, 6), float("nan"))
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
