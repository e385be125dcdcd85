"""The kernels that project and sum in one, run by Triton's interpreter, and when they are chosen."""

import functools
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from leworld.errors import KernelUnavailableError
from leworld.kernels import ecf_sums, explain
from leworld.kernels.sliced_ecf import _op, _products, _triton, _triton_fused
from tests.kernels import conformance
from tests.kernels.conformance import draw, unit

fused = functools.partial(ecf_sums, implementation="triton_fused")


@pytest.fixture(autouse=True)
def _poisoned_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fresh tensors hold NaN, so that what a kernel forgets to write is seen."""
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    torch.use_deterministic_algorithms(True)
    assert torch.empty(3).isnan().all()
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(
    ("shape", "dtype", "rounded", "knots"),
    [
        ((1, 1, 3, 31), torch.float32, False, 16),
        ((1, 3, 129, 31), torch.float32, False, 3),
        ((1, 129, 3, 31), torch.float32, False, 16),
        ((1, 31, 33, 129), torch.bfloat16, True, 3),
        ((2, 33, 31, 31), torch.bfloat16, False, 5),
        ((1, 129, 31, 3), torch.float16, True, 9),
    ],
    ids=str,
)
def test_error_is_at_most_twice_the_formulas(
    shape: tuple[int, int, int, int], dtype: torch.dtype, rounded: bool, knots: int
) -> None:
    assert max(conformance.error_ratios(fused, shape, dtype, knots, rounded=rounded)) <= 2


@pytest.mark.parametrize(
    "check",
    [conformance.check_far_projections, conformance.check_layouts, conformance.check_gradient_of_a_view],
    ids=lambda check: check.__name__,
)
def test_conforms(check: object) -> None:
    check(fused)  # type: ignore[operator]


@pytest.mark.parametrize(("dim", "dtype"), [(130, torch.float16), (300, torch.bfloat16)])
def test_parts_and_pieces_add_up_and_repeat_bit_by_bit(
    dim: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """130 coordinates take three steps, 300 are too many to keep, so directions are loaded again."""
    z, a = draw(1, 66, dim).to(dtype), unit(draw(dim, 40, seed=1)).to(dtype)
    whole, cut = (_triton_fused.sums(z, a, 0.3, 2, parts=parts) for parts in (1, 3))
    torch.testing.assert_close(cut, whole)
    assert torch.equal(cut, _triton_fused.sums(z, a, 0.3, 2, parts=3))
    torch.testing.assert_close(whole, _triton.sums(_products.project(z, a), 0.3, 2), rtol=1e-4, atol=1e-4)
    grad = draw(1, 2, 2, 40, dtype=torch.float32)
    gradients = _triton_fused.gradients(grad, z, a, 0.3, (True, True))
    monkeypatch.setattr(_triton_fused, "_PIECE_BYTES", 1)
    for one, other in zip(gradients, _triton_fused.gradients(grad, z, a, 0.3, (True, True)), strict=True):
        torch.testing.assert_close(one, other)


def test_no_projection_is_kept() -> None:
    embeddings = draw(2, 5, 3, dtype=torch.float32)
    _, kept = _op._forward(embeddings, torch.eye(3), 0.3, 2, "triton_fused")
    assert not kept.numel()


def test_gradients_of_directions() -> None:
    embeddings = draw(2, 9, 4, dtype=torch.float32)
    directions = unit(draw(4, 33, seed=1)).float().requires_grad_()
    for function in (fused, conformance.formula):
        value = function(embeddings, directions, spacing=0.4, num_knots=3)
        gradient = torch.autograd.grad(value.square().sum(), directions)[0]
        if function is fused:
            ours = gradient
    torch.testing.assert_close(ours, gradient, rtol=1e-4, atol=1e-4)


def test_torch_library_is_satisfied() -> None:
    embeddings = draw(1, 3, 2).float().requires_grad_()
    directions = unit(draw(2, 3, seed=1)).float().requires_grad_()
    torch.use_deterministic_algorithms(False)
    torch.library.opcheck(
        _op._forward, (embeddings, directions, 0.4, 2, "triton_fused"), atol=1e-4, rtol=1e-4
    )
    tensors = draw(1, 2, 2, 3).float(), embeddings.detach(), directions.detach(), torch.empty(0)
    torch.library.opcheck(_op._backward, (*tensors, 0.4, "triton_fused", True, False))


def test_compiled_graphs_of_any_size_keep_the_op_whole() -> None:
    def value(embeddings: Tensor, directions: Tensor) -> Tensor:
        return fused(embeddings, directions, spacing=0.4, num_knots=2).square().sum()

    whole = torch.compile(value, fullgraph=True, dynamic=True, backend="aot_eager")
    directions = unit(draw(2, 3, seed=1)).float()
    for samples in (3, 5):
        embeddings = draw(1, samples, 2).float().requires_grad_()
        gradients = [torch.autograd.grad(f(embeddings, directions), embeddings)[0] for f in (value, whole)]
        torch.testing.assert_close(*gradients)


def test_float32_directions_are_split_without_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large product of bfloat16 and float32 is one of bfloat16 numbers; small ones are not worth it."""
    directions = unit(draw(33, 31, seed=1)).float()
    terms = torch.stack(_products.split(directions))
    assert torch.equal(terms.double().sum(0), directions.double())
    widths = []
    multiply = _products._multiply
    monkeypatch.setattr(
        _products, "_multiply", lambda left, right: widths.append(len(right)) or multiply(left, right)
    )
    _products.project(draw(1, 3, 33).bfloat16(), directions)
    assert not widths
    monkeypatch.setattr(_products, "_LARGE", 0)
    _products.project(draw(1, 3, 33).bfloat16(), directions)
    assert widths == [3 * 33]
    for name in ("triton", "triton_fused"):
        sums = functools.partial(ecf_sums, implementation=name)
        assert max(conformance.error_ratios(sums, (1, 33, 33, 31), torch.bfloat16, 5)) <= 2
        z, a = draw(1, 9, 4).bfloat16().requires_grad_(), unit(draw(4, 5, seed=1)).float().requires_grad_()
        value = sums(z, a, spacing=0.4, num_knots=2).square().sum()
        found = torch.autograd.grad(value, (z, a))
        exact = conformance.formula(z.double(), a.double(), spacing=0.4, num_knots=2).square().sum()
        expected = torch.autograd.grad(exact, (z, a))
        torch.testing.assert_close(found[1], expected[1], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found[0].float(), expected[0].float(), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e3])
def test_half_precision_gradients_do_not_underflow(scale: float) -> None:
    """In float16 a gradient of 1e-7 has no digits; it is brought near 1 for the matrix product."""
    embeddings, directions = draw(1, 9, 8).half(), unit(draw(8, 31, seed=1)).half()
    grad = scale * draw(1, 2, 3, 31, dtype=torch.float32)
    slope = _triton.sums_backward(grad, embeddings.float() @ directions.float(), 0.3)
    expected = slope @ directions.float().T
    factor = _products.half_scale(grad, 0.3)
    assert 0.01 < (slope * factor).abs().max() <= 1
    for name in ("triton", "triton_fused"):
        z = embeddings.clone().requires_grad_()
        sums = ecf_sums(z, directions, spacing=0.3, num_knots=3, implementation=name)
        (found,) = torch.autograd.grad(sums, z, grad)
        error = (found.float() - expected.half().float()).norm()
        smallest = 2.0**-24  # of float16, which the result is rounded to
        assert error <= 1e-3 * expected.half().float().norm() + smallest * expected.numel() ** 0.5


def test_a_gradient_of_zeros_or_infinities_stays_one() -> None:
    assert _products.half_scale(torch.zeros(1, 2, 3, 4), 0.3) == 1
    assert _products.half_scale(torch.full((1, 2, 3, 4), float("inf")), 0.3).isinf()
    assert _products.half_scale(torch.full((1, 2, 3, 4), float("nan")), 0.3).isnan()


def test_the_choice_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_triton_fused, "_INTERPRETED_CACHE", 4 * 64 * 100 - 1)
    z, a = torch.zeros(2, 32, 8).bfloat16(), torch.zeros(8, 100).bfloat16()
    assert _triton_fused.drawback(z, a) is None
    assert _triton_fused.drawback(z, a.float()) is None
    for tensors, reason in (
        ((z.float(), a.float()), "half-precision embeddings"),
        ((z.half(), a.float()), "directions in float16"),
        ((torch.zeros(2, 32, 86).bfloat16(), torch.zeros(86, 100)), "85 coordinates"),
        ((z, a[:, :99]), "second-level cache"),
        ((z[:, :31], a), "32 samples"),
        ((torch.zeros(2, 32, 257).half(), torch.zeros(257, 100).half()), "256 coordinates"),
        ((z,), "embeddings and directions"),
    ):
        assert reason in (_triton_fused.drawback(*tensors) or "")
    lines = explain("ecf_sums", z, a).splitlines()
    assert lines[2] == "triton_fused: can run, but an earlier one is preferred"
    assert "second-level cache" in explain("ecf_sums", z, a[:, :99]).splitlines()[2]


def test_limits_are_told() -> None:
    with pytest.raises(KernelUnavailableError, match="at most 16 knots"):
        fused(torch.zeros(2, 2), torch.eye(2), spacing=0.1, num_knots=17)
    with pytest.raises(KernelUnavailableError, match="float32 only"):
        fused(torch.zeros(2, 2).double(), torch.eye(2).double(), spacing=0.1, num_knots=2)


def test_tracing_on_a_gpu_follows_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compilation sees tensors without memory, which need no GPU; the choice tells what is kept."""
    monkeypatch.setattr(_triton, "capability", lambda device: (9, 0))
    monkeypatch.setattr(_triton_fused, "_cache_bytes", lambda device: 4 * 64 * 100 - 1)
    with FakeTensorMode(shape_env=ShapeEnv()):
        for slices, dtype, kept in (
            (100, torch.bfloat16, (0,)),
            (99, torch.bfloat16, (2, 32, 99)),
            (100, torch.float32, (2, 32, 100)),
        ):
            embeddings = torch.empty(2, 32, 8, device="cuda", dtype=dtype)
            directions = torch.empty(8, slices, device="cuda", dtype=dtype)
            sums, saved = _op._forward(embeddings, directions, 0.3, 4, "auto")
            assert sums.shape == (2, 2, 4, slices)
            assert saved.shape == kept
            assert saved.dtype == sums.dtype == torch.float32
            gradients = _op._backward(sums, embeddings, directions, saved, 0.3, "auto", True, False)
            assert [gradient.shape for gradient in gradients] == [embeddings.shape, (0,)]
        many = _op._forward(embeddings.bfloat16(), directions.bfloat16(), 0.3, 17, "auto")
        assert many[1].shape == (2, 32, 100)
