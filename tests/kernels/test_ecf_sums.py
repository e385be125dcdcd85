"""Every implementation of ecf_sums against float64, and the op against what torch.library asks of one."""

import functools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from leworld.errors import KernelUnavailableError
from leworld.kernels import ecf_sums, explain
from leworld.kernels.sliced_ecf import _cpu, _native, _op, _reference, _triton
from tests.kernels.conformance import CHECKS, Sums, draw, formula, unit
from tests.kernels.wrong import WRONG

BUILT = _native.obstacle(torch.zeros(1)) is None
IMPLEMENTATIONS = [
    "reference",
    "cpu",
    pytest.param("native", marks=pytest.mark.skipif(not BUILT, reason="its C was not built")),
    "auto",
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_conforms(name: str, check: Callable[[Sums], None]) -> None:
    check(functools.partial(ecf_sums, implementation=name))


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_suite_rejects(wrong: Sums) -> None:
    for check in CHECKS:
        try:
            check(wrong)
        except (AssertionError, RuntimeError):
            return
    pytest.fail(f"no check noticed {wrong.__name__}")


@pytest.mark.parametrize("name", ["reference", "cpu", "auto"])
def test_gradients_in_float64(name: str) -> None:
    embeddings = draw(2, 5, 3).requires_grad_()
    directions = unit(draw(3, 4, seed=1)).requires_grad_()

    def value(z: Tensor, a: Tensor) -> Tensor:
        return ecf_sums(z, a, spacing=0.4, num_knots=3, implementation=name)

    assert torch.autograd.gradcheck(value, (embeddings, directions))
    assert torch.autograd.gradgradcheck(value, (embeddings, directions))
    torch.testing.assert_close(
        value(embeddings, directions), formula(embeddings, directions, spacing=0.4, num_knots=3)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_torch_library_is_satisfied(dtype: torch.dtype) -> None:
    embeddings = draw(2, 5, 3).to(dtype).requires_grad_()
    directions = unit(draw(3, 4, seed=1)).to(torch.float64 if dtype == torch.float64 else torch.float32)
    directions.requires_grad_()
    torch.library.opcheck(_op._forward, (embeddings, directions, 0.4, 3, "auto"), atol=1e-3, rtol=1e-3)
    tensors = (
        embeddings.detach(),
        directions.detach(),
        embeddings.detach().to(directions.dtype) @ directions.detach(),
    )
    grad = draw(2, 2, 3, 4).to(directions.dtype)
    for wanted in ((True, True), (True, False), (False, True)):
        torch.library.opcheck(_op._backward, (grad, *tensors, 0.4, "auto", *wanted))


def test_a_named_kernel_that_cannot_run_says_why() -> None:
    samples = draw(4, 2)
    with pytest.raises(KernelUnavailableError, match="float32 only"):
        ecf_sums(samples, torch.eye(2).double(), spacing=0.1, num_knots=2, implementation="native")
    with pytest.raises(KernelUnavailableError, match="at most 64 knots"):
        ecf_sums(samples.float(), torch.eye(2), spacing=0.1, num_knots=65, implementation="native")
    many = ecf_sums(samples.float(), torch.eye(2), spacing=0.1, num_knots=70)
    exact = formula(samples, torch.eye(2).double(), spacing=0.1, num_knots=70)
    torch.testing.assert_close(many.double(), exact, rtol=1e-5, atol=1e-5)


def test_explain_names_the_choice_and_the_obstacles() -> None:
    lines = explain("ecf_sums", draw(4, 2), torch.eye(2)).splitlines()
    assert lines[0] == "native: it computes in float32 only"
    assert lines[1] == "cpu: chosen"
    assert lines[2].startswith("triton_fused: the tensor is on cpu")
    assert lines[3].startswith("triton: the tensor is on cpu")
    assert lines[4].startswith("reference: can run")


@pytest.mark.parametrize("name", ["reference", "cpu", "auto"])
def test_compiled_graphs_of_any_size_keep_the_op_whole(name: str) -> None:
    def value(embeddings: Tensor, directions: Tensor) -> Tensor:
        return ecf_sums(embeddings, directions, spacing=0.4, num_knots=2, implementation=name).square().sum()

    whole = torch.compile(value, fullgraph=True, dynamic=True, backend="aot_eager")
    for samples in (3, 40):
        embeddings = draw(2, samples, 3, dtype=torch.float32).requires_grad_()
        directions = unit(draw(3, 5, seed=1)).float().requires_grad_()
        gradients = [
            torch.autograd.grad(f(embeddings, directions), (embeddings, directions)) for f in (value, whole)
        ]
        for eager, compiled in zip(*gradients, strict=True):
            torch.testing.assert_close(eager, compiled)


def test_pieces_of_the_gradient_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings = draw(2, 9, 4, dtype=torch.float32).requires_grad_()
    directions = unit(draw(4, 1200, seed=1)).float().requires_grad_()

    def gradients() -> tuple[Tensor, ...]:
        value = ecf_sums(embeddings, directions, spacing=0.4, num_knots=3, implementation="cpu")
        return torch.autograd.grad(value.square().sum(), (embeddings, directions))

    whole = gradients()
    monkeypatch.setattr(_cpu, "PIECE", 1)
    for one, other in zip(whole, gradients(), strict=True):
        torch.testing.assert_close(one, other)


def test_without_triton_the_reason_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(_triton.importlib.util, "find_spec", lambda name: None)
    _triton._obstacle_triton.cache_clear()
    try:
        assert "triton: triton is not installed (pip install" in explain(
            "ecf_sums", torch.zeros(2, 2).float()
        )
        with pytest.raises(KernelUnavailableError, match="triton is not installed"):
            ecf_sums(
                torch.zeros(2, 2).float(),
                torch.eye(2).float(),
                spacing=0.1,
                num_knots=2,
                implementation="triton",
            )
    finally:
        _triton._obstacle_triton.cache_clear()
    with pytest.raises(KernelUnavailableError, match="float32 only"):
        ecf_sums(draw(4, 2), torch.eye(2).double(), spacing=0.1, num_knots=2, implementation="triton")


@pytest.mark.skipif(not BUILT, reason="its C was not built")
@pytest.mark.parametrize("samples", [5, 77])
def test_every_number_of_knots_in_c(samples: int) -> None:
    projections = draw(1, samples, 19, dtype=torch.float32)
    grad = draw(1, 2, 64, 19, seed=1, dtype=torch.float32)
    exact = _reference.sums(projections.double(), 0.1, 64)
    for knots in range(1, 65):
        found = _native.sums(projections, 0.1, knots)
        torch.testing.assert_close(found.double(), exact[:, :, :knots], rtol=0, atol=1e-4)
        slope = _native.sums_backward(grad[:, :, :knots], projections, 0.1)
        expected = _reference.sums_backward(grad[:, :, :knots].double(), projections.double(), 0.1)
        torch.testing.assert_close(slope.double(), expected, rtol=0, atol=2e-4)


@pytest.mark.skipif(not BUILT, reason="its C was not built")
def test_angles_without_a_meaning_stay_bounded_in_c() -> None:
    projections = torch.tensor([1e5, -1e7, 1e8, 1e30, -3e38]).expand(1, 40, 5)
    assert _native.sums(projections, 0.3, 16).abs().max() <= 40.001
    exact = _reference.sums(projections[..., :2].double(), 0.3, 1)
    torch.testing.assert_close(_native.sums(projections, 0.3, 1)[..., :2].double(), exact, rtol=0, atol=1e-3)
    slopes = _native.sums_backward(torch.ones(1, 2, 16, 5), projections, 0.3)
    assert slopes.abs().max() <= 2 * 0.3 * 136
    for bad in (float("nan"), float("inf")):
        assert _native.sums(torch.full((1, 40, 3), bad), 0.3, 16).isnan().all()


@pytest.mark.skipif(not BUILT, reason="its C was not built")
def test_threads_share_the_work_and_change_nothing() -> None:
    projections = draw(2, 700, 533, dtype=torch.float32)
    grad = draw(2, 2, 4, 533, dtype=torch.float32)
    alone = _native.sums(projections, 0.2, 4), _native.sums_backward(grad, projections, 0.2)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        shared = _native.sums(projections, 0.2, 4), _native.sums_backward(grad, projections, 0.2)
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(alone, shared, strict=True))


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_nothing_sums_to_nothing(name: str) -> None:
    sums = functools.partial(ecf_sums, spacing=0.2, num_knots=3, implementation=name)
    for batch in ((), (2,), (2, 3), (0,)):
        assert torch.equal(sums(torch.zeros(*batch, 0, 4), torch.ones(4, 5)), torch.zeros(*batch, 2, 3, 5))
        no_axes = sums(torch.zeros(*batch, 6, 0), torch.ones(0, 5))
        assert torch.equal(no_axes[..., 0, :, :], torch.full((*batch, 3, 5), 6.0))
        assert sums(torch.zeros(*batch, 6, 4), torch.ones(4, 0)).shape == (*batch, 2, 3, 0)
