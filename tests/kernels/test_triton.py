"""The Triton kernels, run by Triton's interpreter on a CPU, and compiled for sm_90 with no GPU.

The interpreter multiplies and adds in two roundings where the hardware fuses them, so errors here are upper
bounds. It sees neither registers nor races; the compiled code is judged by the last tests.
"""

import functools
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from leworld.errors import KernelUnavailableError
from leworld.kernels import ecf_sums, explain
from leworld.kernels.sliced_ecf import _op, _reference, _triton, _triton_fused
from tests.kernels import conformance
from tests.kernels.conformance import draw, formula, unit

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ROOT / "leworld/kernels/sliced_ecf/_triton_kernels.py"
# Triton decides when it is imported whether it interprets, so this comes before any test runs.
os.environ["TRITON_INTERPRET"] = "1"
_triton.kernels()
del os.environ["TRITON_INTERPRET"]

from benchmarks.sigreg import compile_sm90  # noqa: E402 -- imports triton

interpreted = functools.partial(ecf_sums, implementation="triton")


@pytest.fixture(autouse=True)
def _poisoned_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fresh tensors hold NaN, so that what a kernel forgets to write is seen."""
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    torch.use_deterministic_algorithms(True)
    assert torch.empty(3).isnan().all()
    assert torch.zeros(3).new_empty(3).isnan().all()
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(
    ("shape", "dtype", "rounded", "knots"),
    [
        ((1, 1, 3, 31), torch.float32, False, 16),
        ((2, 3, 5, 31), torch.float32, False, 16),
        ((1, 31, 33, 3), torch.float32, False, 9),
        ((1, 129, 3, 31), torch.float32, False, 16),
        ((1, 3, 4, 129), torch.float32, False, 5),
        ((1, 129, 8, 3), torch.bfloat16, False, 9),
        ((1, 129, 8, 3), torch.bfloat16, True, 2),
        ((1, 31, 31, 31), torch.float16, True, 4),
        ((1, 31, 3, 1), torch.float32, False, 1),
        ((1, 33, 3, 31), torch.float32, False, 3),
        ((1, 3, 3, 3), torch.float32, False, 20),
    ],
    ids=str,
)
def test_error_is_at_most_twice_the_formulas(
    shape: tuple[int, int, int, int], dtype: torch.dtype, rounded: bool, knots: int
) -> None:
    assert max(conformance.error_ratios(interpreted, shape, dtype, knots, rounded=rounded)) <= 2


def test_the_gradient_of_far_projections_is_as_exact() -> None:
    """Angles of up to 27 rad: twice the error of exp(i theta) in its square would show here."""
    y = 3 * draw(1, 16, 64, dtype=torch.float32)
    grad = draw(1, 2, 16, 64, seed=1, dtype=torch.float32)
    exact = _reference.sums_backward(grad.double(), y.double(), 3 / 16)
    ours, plain = ((module.sums_backward(grad, y, 3 / 16) - exact).norm() for module in (_triton, _reference))
    assert ours <= 1.6 * plain


@pytest.mark.parametrize(
    "check",
    [conformance.check_far_projections, conformance.check_layouts, conformance.check_gradient_of_a_view],
    ids=lambda check: check.__name__,
)
def test_conforms(check: object) -> None:
    check(interpreted)  # type: ignore[operator]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_projections_are_widened(dtype: torch.dtype) -> None:
    y = draw(1, 5, 3).to(dtype)
    exact = formula(y.double(), torch.eye(3).double(), spacing=0.5, num_knots=2)
    torch.testing.assert_close(_triton.sums(y, 0.5, 2).double(), exact, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("samples", [1, 29])
def test_parts_add_up_and_repeat_bit_by_bit(samples: int) -> None:
    y = draw(1, samples, 5, dtype=torch.float32)
    whole, cut = (_triton.sums(y, 0.3, 2, parts=parts) for parts in (1, 3))
    torch.testing.assert_close(cut, whole)
    assert torch.equal(cut, _triton.sums(y, 0.3, 2, parts=3))


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_nan_and_infinity_stay_in_their_column() -> None:
    y = torch.tensor([[[0.5, float("nan"), float("inf"), 1e30]]])
    value = _triton.sums(y, 0.3, 3)
    assert value[..., 1:3].isnan().all()
    assert value[..., 0].isfinite().all()
    assert value[..., 3].abs().max() <= 1.001  # an angle without digits is still an angle


def test_no_samples_and_no_slices() -> None:
    assert torch.equal(_triton.sums(torch.zeros(2, 0, 3), 0.3, 2), torch.zeros(2, 2, 2, 3))
    assert _triton.sums(torch.zeros(2, 3, 0), 0.3, 2).shape == (2, 2, 2, 0)


def test_torch_library_is_satisfied() -> None:
    embeddings = draw(1, 3, 2).float().requires_grad_()
    directions = unit(draw(2, 3, seed=1)).float().requires_grad_()
    torch.use_deterministic_algorithms(False)
    torch.library.opcheck(_op._forward, (embeddings, directions, 0.4, 2, "triton"), atol=1e-4, rtol=1e-4)
    tensors = embeddings.detach(), directions.detach(), embeddings.detach() @ directions.detach()
    torch.library.opcheck(_op._backward, (draw(1, 2, 2, 3).float(), *tensors, 0.4, "triton", True, True))


def test_auto_never_interprets() -> None:
    assert "triton: can run, but an earlier one is preferred" in explain(
        "ecf_sums", torch.zeros(2, 2).float()
    )


def test_more_knots_than_registers_hold() -> None:
    with pytest.raises(KernelUnavailableError, match="at most 64 knots"):
        interpreted(torch.zeros(2, 2).float(), torch.eye(2).float(), spacing=0.1, num_knots=65)


@pytest.mark.parametrize(
    ("right", "wrong", "samples"),
    [
        ("c1 = tl.where(valid, c1, 0.0)", "c1 = c1", 43),
        ("one = tl.where(valid, 1.0, 0.0)", "one = tl.where(valid, 1.0, 1.0)", 43),
        ("s4 = 2.0 * c2 * s2", "s4 = 2.0 * c2 * s1", 40),
        ("tl.fma(-s, sj, tl.fma(c, cj, cos_sum))", "tl.fma(s, sj, tl.fma(c, cj, cos_sum))", 40),
        ("if k % 2 == 0:", "if k % 2 == 1:", 40),
        ("scale = (k + 1) * spacing", "scale = k * spacing", 40),
        ("row = tl.arange(0, ROWS)\n    inside", "row = tl.arange(0, ROWS) % 2\n    inside", 40),
        ("c, s = unit_circle(y, k * turn, k * turn_rest)", "c, s = unit_circle(y, turn, turn_rest)", 19),
        ("doubled = 2 * quadrant + ", "doubled = 2 * quadrant - ", 19),
        ("c, s = tl.where(valid, c, 0.0), tl.where(valid, s, 0.0)", "c, s = c, s", 19),
        # fused kernels
        ("mask = valid[None, :] & (d < dim)[:, None]", "mask = valid[None, :] & (d < 2)[:, None]", 19),
        ("first_slice + tl.program_id(0) * COLUMNS", "tl.program_id(0) * COLUMNS + 1", 19),
        (
            "add_powers(sums, y, valid, turn, turn_rest, KNOTS, DIRECT, True)",
            "add_powers(sums, y, y == y, turn, turn_rest, KNOTS, DIRECT, True)",
            19,
        ),
    ],
)
def test_a_wrong_kernel_is_rejected(
    right: str, wrong: str, samples: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = KERNELS.read_text(encoding="utf-8")
    assert source.count(right) == 1
    path = tmp_path / "wrong_kernels.py"
    path.write_text(source.replace(right, wrong), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("wrong_kernels", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(_triton, "kernels", lambda: module)
    ratios = [
        ratio
        for name in ("triton", "triton_fused")
        for ratio in conformance.error_ratios(
            functools.partial(ecf_sums, implementation=name), (1, samples, 3, 3), torch.float32, 6
        )
    ]
    assert any(not ratio <= 2 for ratio in ratios)


@functools.cache
def _committed() -> list[dict]:
    path = ROOT / "benchmarks/results/sigreg_triton_sm90.json"
    return json.loads(path.read_text(encoding="utf-8"))["rows"]


def test_the_committed_compilation_is_of_these_tiles() -> None:
    tables: dict[str, dict] = {
        "ep_fwd": _triton._FORWARD,
        "ep_bwd": _triton._BACKWARD,
        "fused_fwd": _triton_fused.FORWARD,
        "fused_bwd": _triton_fused.BACKWARD,
    }
    tiles = {(name, *tile) for name, table in tables.items() for tile in table.values()}
    assert tiles == {(row["kernel"], *row["tile"], row["warps"]) for row in _committed()}
    assert not any(row["spill_instructions"] or row["stack_bytes"] for row in _committed())
    assert all(
        row["matrix_unit"] == (row["kernel"][:5] == "fused" and row["dtype"] != "fp32")
        for row in _committed()
    )


def test_the_readme_shows_the_committed_rows() -> None:
    page = KERNELS.with_name("README.md").read_text(encoding="utf-8")
    assert compile_sm90.BLOCK.search(page)
    assert compile_sm90.render(page, _committed()) == page


def test_compiles_for_hopper_without_spills(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(tmp_path)
    command = [sys.executable, "-W", "error", "-m", "benchmarks.sigreg.compile_sm90", "--check"]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)
    assert {row["kernel"] for row in rows} == {"ep_fwd", "ep_bwd", "fused_fwd", "fused_bwd"}
    for row in rows:
        assert row["spill_instructions"] == row["stack_bytes"] == row["local_bytes"] == 0
        assert row["registers"] <= 65536 // (2 * 32 * row["warps"])  # two programs fit a processor


def test_the_interpreter_is_a_cpu_affair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET")
    with pytest.raises(KernelUnavailableError, match="the tensor is on cpu"):
        interpreted(torch.zeros(2, 2), torch.eye(2), spacing=0.1, num_knots=2)


def _value(embeddings: Tensor, directions: Tensor) -> Tensor:
    return interpreted(embeddings, directions, spacing=0.4, num_knots=2).square().sum()


def test_compiled_graphs_keep_the_op_whole() -> None:
    embeddings = draw(1, 3, 2).float().requires_grad_()
    directions = unit(draw(2, 3, seed=1)).float()
    whole = torch.compile(_value, fullgraph=True, backend="aot_eager")
    gradients = [torch.autograd.grad(f(embeddings, directions), embeddings)[0] for f in (_value, whole)]
    torch.testing.assert_close(*gradients)
