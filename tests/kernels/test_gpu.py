"""The whole conformance suite on CUDA tensors, and what only a GPU shows: races, waiting, graphs, memory."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from leworld.kernels import ecf_sums, explain
from leworld.kernels.sliced_ecf import _op
from tests.kernels.conformance import CHECKS, SHAPES, Sums, draw, unit
from tests.kernels.wrong import WRONG

NAMES = ("triton", "triton_fused", "reference", "auto")
pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _poisoned_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what deterministic matrix products ask for
    torch.use_deterministic_algorithms(True)
    assert torch.empty(3, device="cuda").isnan().all()
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


class _Move(torch.autograd.Function):
    """Copy a tensor to the GPU with its strides and its offset."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return moved(tensor)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0].cpu()


def moved(tensor: Tensor) -> Tensor:
    detached = tensor.detach()
    size = detached.untyped_storage().nbytes() // detached.element_size()
    storage = detached.as_strided((size,), (1,), 0).to("cuda")
    return storage.as_strided(detached.shape, detached.stride(), detached.storage_offset())


def on_gpu(function: Sums) -> Sums:
    def run(embeddings: Tensor, directions: Tensor, **settings: Any) -> Tensor:
        return function(_Move.apply(embeddings), _Move.apply(directions), **settings).cpu()

    return run


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_conforms(name: str, check: Callable[[Sums], None]) -> None:
    check(on_gpu(functools.partial(ecf_sums, implementation=name)))


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_suite_rejects(wrong: Sums) -> None:
    for check in CHECKS:
        try:
            check(on_gpu(wrong))
        except (AssertionError, RuntimeError):
            return
    pytest.fail(f"no check noticed {wrong.__name__}")


def _inputs(shape: tuple[int, int, int, int], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    embeddings = draw(*shape[:3]).to("cuda", dtype).requires_grad_()
    return embeddings, unit(draw(shape[2], shape[3], seed=1)).to("cuda", dtype).requires_grad_()


def _value_and_gradients(name: str, embeddings: Tensor, directions: Tensor) -> tuple[Tensor, ...]:
    value = ecf_sums(embeddings, directions, spacing=3 / 16, num_knots=16, implementation=name)
    return value, *torch.autograd.grad(value.square().mean(), (embeddings, directions))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["triton", "triton_fused"])
def test_equal_inputs_give_equal_bits(name: str, dtype: torch.dtype) -> None:
    inputs = _inputs((2, 4096, 192, 96), dtype)
    first = _value_and_gradients(name, *inputs)
    for _ in range(5):
        again = _value_and_gradients(name, *inputs)
        assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


@pytest.mark.parametrize("dim", [64, 192, 256, 320, 1024])
def test_fused_and_two_stages_agree_at_full_size(dim: int) -> None:
    inputs = _inputs((4, 2048, dim, 4096), torch.bfloat16)
    two = _value_and_gradients("triton", *inputs)
    one = _value_and_gradients("triton_fused", *inputs)
    for found, expected, bound in zip(one, two, (1e-6, 4e-3, 4e-3), strict=True):
        assert (found - expected).float().norm() <= bound * expected.float().norm()


@pytest.mark.parametrize("name", ["triton", "triton_fused"])
def test_nothing_waits_for_the_device(name: str) -> None:
    inputs = _inputs((2, 64, 32, 128), torch.bfloat16)
    _value_and_gradients(name, *inputs)  # compiles
    torch.cuda.set_sync_debug_mode("error")
    try:
        _value_and_gradients(name, *inputs)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("name", ["triton", "triton_fused"])
def test_a_captured_graph_replays(name: str) -> None:
    inputs = _inputs((2, 64, 32, 128), torch.bfloat16)
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        _value_and_gradients(name, *inputs)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = _value_and_gradients(name, *inputs)
    with torch.no_grad():
        inputs[0].mul_(0.5)
    graph.replay()
    for found, expected in zip(captured, _value_and_gradients(name, *inputs), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("name", ["triton", "triton_fused", "auto"])
def test_compiled_graphs_of_any_size_keep_the_op_whole(name: str) -> None:
    def value(embeddings: Tensor, directions: Tensor) -> Tensor:
        return ecf_sums(embeddings, directions, spacing=0.4, num_knots=4, implementation=name).square().mean()

    whole = torch.compile(value, fullgraph=True, dynamic=True)
    for samples in (64, 96):
        inputs = _inputs((2, samples, 32, 128), torch.bfloat16)
        gradients = [torch.autograd.grad(function(*inputs), inputs) for function in (value, whole)]
        for eager, compiled in zip(*gradients, strict=True):
            torch.testing.assert_close(eager, compiled)


@pytest.mark.parametrize("name", ["triton", "triton_fused"])
def test_torch_library_is_satisfied(name: str) -> None:
    torch.use_deterministic_algorithms(False)
    inputs = _inputs((2, 5, 3, 4), torch.float32)
    torch.library.opcheck(_op._forward, (*inputs, 0.4, 3, name), atol=1e-3, rtol=1e-3)


def test_fused_stores_no_projections_and_auto_takes_it_where_they_are_large() -> None:
    inputs = _inputs((8, 2048, 192, 4096), torch.bfloat16)
    projections = 4 * 8 * 2048 * 4096
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    _value_and_gradients("auto", *inputs)
    assert torch.cuda.max_memory_allocated() - before < projections
    assert "triton_fused: chosen" in explain("ecf_sums", *inputs)
    assert "triton: chosen" in explain("ecf_sums", *_inputs((4, 128, 192, 1024), torch.bfloat16))


def test_every_shape_on_the_second_device_too() -> None:
    """Triton launches on the current device, which need not be the tensor's."""
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two CUDA devices")
    groups, samples, dim, slices = SHAPES[3]
    embeddings, directions = draw(groups, samples, dim).float(), unit(draw(dim, slices, seed=1)).float()
    first, second = (
        ecf_sums(
            embeddings.to(device), directions.to(device), spacing=0.3, num_knots=3, implementation="triton"
        )
        for device in ("cuda:0", "cuda:1")
    )
    assert torch.equal(first.cpu(), second.cpu())
