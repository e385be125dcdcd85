"""Compile the Triton kernels for sm_90 with no GPU, and read registers and spills off the binary.

`python -m benchmarks.sigreg.compile_sm90` writes benchmarks/results/sigreg_triton_sm90.json and the table in
the kernel's README. Nothing is run or timed. It needs triton and no TRITON_INTERPRET; PyTorch is imported
only to write the result.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

KERNELS = Path(__file__).resolve().parents[2] / "leworld/kernels/sliced_ecf/_triton_kernels.py"
KNOTS = 16
BLOCK = re.compile(r"<!-- table: sm90 -->\n.*?<!-- end -->", re.DOTALL)
FLOATS = ("spacing", "turn", "turn_rest")
COUNTED = ("FFMA", "FADD", "FMUL", "MUFU", "SHFL")
HALF = "bf16"


class Case(NamedTuple):
    """A kernel at a tile that leworld/kernels/sliced_ecf/_triton.py or _triton_fused.py picks."""

    kernel: str
    when: str
    tile: tuple[int, ...]  # rows, columns, coordinates a step for fused kernels, warps
    dtype: str  # of embeddings and directions, or of the gradient that ep_bwd writes
    constants: dict[str, int]


CHECKED = (
    Case("ep_fwd", "Hopper", (16, 32, 8), "fp32", {"DIRECT": 0}),
    Case("ep_bwd", "Hopper, half precision", (32, 64, 4), HALF, {}),
    Case("fused_fwd", "dim 129 to 192", (32, 64, 64, 4), HALF, {"STEPS": 3, "WIDEN": 0, "DIRECT": 0}),
    Case("fused_bwd", "half precision", (32, 64, 64, 4), HALF, {"WIDEN": 0}),
)
FURTHER = (
    Case("ep_bwd", "Hopper, float32", (32, 64, 4), "fp32", {}),
    Case("ep_fwd", "Hopper, few samples", (16, 32, 8), "fp32", {"DIRECT": 1}),
    Case("ep_fwd", "other", (8, 32, 4), "fp32", {"DIRECT": 0}),
    Case("ep_bwd", "other, float32", (16, 64, 4), "fp32", {}),
    Case("fused_fwd", "dim up to 64", (32, 64, 64, 4), HALF, {"STEPS": 1, "WIDEN": 0, "DIRECT": 0}),
    Case("fused_fwd", "dim 193 to 256", (32, 64, 64, 4), HALF, {"STEPS": 4, "WIDEN": 0, "DIRECT": 0}),
    Case("fused_fwd", "by name, dim above 256", (32, 64, 32, 4), HALF, {"STEPS": 0, "WIDEN": 0, "DIRECT": 0}),
    Case("fused_fwd", "by name, few samples", (16, 64, 64, 4), HALF, {"STEPS": 0, "WIDEN": 0, "DIRECT": 1}),
    Case("fused_fwd", "by name, float32", (16, 32, 32, 4), "fp32", {"STEPS": 0, "WIDEN": 1, "DIRECT": 0}),
    Case("fused_bwd", "by name, float32", (16, 32, 32, 4), "fp32", {"WIDEN": 1}),
)


def compiled(kernels: Any, case: Case) -> dict[str, Any]:
    """Compile one kernel at one tile and return what its binary says."""
    function = getattr(kernels, case.kernel)
    (rows, columns, *dims), warps = case.tile[:-1], case.tile[-1]
    constants = {"KNOTS": KNOTS, "ROWS": rows, "COLUMNS": columns, **case.constants}
    if dims:
        constants["DIMS"] = dims[0]
    signature, attributes = {}, {}
    for position, argument in enumerate(function.arg_names):
        if argument in constants:
            signature[argument] = "constexpr"
        elif argument in ("z_ptr", "a_ptr", "dy_ptr"):
            signature[argument] = f"*{case.dtype}"
        elif argument.endswith("_ptr"):
            signature[argument] = "*fp32"
        else:
            signature[argument] = "fp32" if argument in FLOATS else "i32"
        if argument.endswith("_ptr") or argument in ("samples", "slices", "dim"):
            attributes[(position,)] = [["tt.divisibility", 16]]
    source = ASTSource(fn=function, signature=signature, constexprs=constants, attrs=attributes)
    options = {"num_warps": warps, "enable_fp_fusion": False} | ({"num_stages": 2} if dims else {})
    kernel = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    elements = rows * columns / (32 * warps)
    return {
        "kernel": case.kernel,
        "when": case.when,
        "tile": case.tile[:-1],
        "warps": warps,
        "dtype": case.dtype,
        "constants": case.constants,
        "knots": KNOTS,
        "elements_a_thread": elements,
        "shared_bytes": kernel.metadata.shared,
        "matrix_unit": "wgmma" in kernel.asm["ptx"],
    } | facts(kernel.asm["cubin"], elements, whole=case.kernel.endswith("_bwd"))


def facts(cubin: bytes, elements: float, *, whole: bool) -> dict[str, Any]:
    """Read registers, stack and instructions off a cubin with the cuobjdump that comes with Triton.

    Instructions are counted in the whole kernel or in its longest loop, that over samples.
    """
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        usage = tool("-res-usage", file.name)
        sass = tool("-sass", file.name)
    found = {key: int(value) for key, value in re.findall(r"\b(REG|STACK|LOCAL):(\d+)", usage)}
    lines = re.findall(r"/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)([^;]*);", sass)
    code = [(int(place, 16), name, rest) for place, name, rest in lines if name != "NOP"]
    loop = code if whole else longest_loop(code)
    names = [name.split(".")[0] for _, name, _ in loop]
    return {
        "registers": found["REG"],
        "stack_bytes": found["STACK"],
        "local_bytes": found["LOCAL"],
        "spill_instructions": sum(name.split(".")[0] in ("LDL", "STL") for _, name, _ in code),
        "counted": "loop body" if len(loop) < len(code) else "whole kernel",
        "instructions_an_element": len(loop) / elements,
    } | {f"{name.lower()}_an_element": names.count(name) / elements for name in COUNTED}


def longest_loop(code: list[tuple[int, str, str]]) -> list[tuple[int, str, str]]:
    """Return the instructions between a branch backwards and its target, of the longest such; else all."""
    best = []
    for place, name, rest in code:
        target = re.search(r"0x([0-9a-f]+)", rest) if name.split(".")[0] == "BRA" else None
        if target and int(target[1], 16) < place:
            best = max(best, [line for line in code if int(target[1], 16) <= line[0] <= place], key=len)
    return best or code


def tool(*arguments: str) -> str:
    """Run Triton's cuobjdump."""
    from triton import knobs  # newer than the oldest triton that runs the kernels

    command = [knobs.nvidia.cuobjdump.path, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def rows(cases: tuple[Case, ...]) -> list[dict[str, Any]]:
    """Compile each case."""
    if os.environ.get("TRITON_INTERPRET") == "1":
        raise SystemExit("TRITON_INTERPRET=1 replaces the compiler; unset it")
    spec = importlib.util.spec_from_file_location("_triton_kernels", KERNELS)
    if spec is None or spec.loader is None:
        raise SystemExit(f"no kernels at {KERNELS.name}")
    kernels = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = kernels
    spec.loader.exec_module(kernels)
    return [compiled(kernels, case) for case in cases]


def render(page: str, found: list[dict[str, Any]]) -> str:
    """Fill the table of the kernel's README."""
    head = "| kernel | when | tile, warps | registers | spills | shared KiB | SASS | FFMA | SHFL |"
    lines = [head, "|" + " --- |" * 9]
    for row in found:
        lines.append(
            f"| {row['kernel']} | {row['when']} | {' x '.join(map(str, row['tile']))}, {row['warps']} | "
            f"{row['registers']} | {row['spill_instructions']} | {row['shared_bytes'] / 1024:.3g} | "
            f"{row['instructions_an_element']:.0f} | {row['ffma_an_element']:.0f} | "
            f"{row['shfl_an_element']:g} |"
        )
    return BLOCK.sub("\n".join(["<!-- table: sm90 -->", *lines, "<!-- end -->"]), page)


def main() -> None:
    """With `--check` print the first rows as JSON; else write the committed result."""
    if "--check" in sys.argv:
        print(json.dumps(rows(CHECKED)))
        return
    found = rows(CHECKED + FURTHER)
    from benchmarks.harness import write_result

    settings = {"target": "sm_90", "triton": triton.__version__, "run_on_gpu": False}
    command = "python -m benchmarks.sigreg.compile_sm90"
    print("wrote", write_result("sigreg_triton_sm90", command=command, settings=settings, rows=found).name)
    page = KERNELS.with_name("README.md")
    page.write_text(render(page.read_text(encoding="utf-8"), found), encoding="utf-8")


if __name__ == "__main__":
    main()
