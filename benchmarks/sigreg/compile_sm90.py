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
from typing import Any

import triton
from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

KERNELS = Path(__file__).resolve().parents[2] / "leworld/kernels/sliced_ecf/_triton_kernels.py"
# rows, columns and warps of a tile: those of leworld/kernels/sliced_ecf/_triton.py, Hopper's before others'
HOPPER = (("ep_fwd", 16, 32, 8), ("ep_bwd", 32, 64, 4))
PORTABLE = (("ep_fwd", 8, 32, 4), ("ep_bwd", 16, 64, 4))
KNOTS = 16
BLOCK = re.compile(r"<!-- table: sm90 -->\n.*?<!-- end -->", re.DOTALL)
POINTERS = ("y_ptr", "out_ptr", "grad_ptr", "dy_ptr")
FLOATS = ("spacing", "turn", "turn_rest")
COUNTED = ("FFMA", "FADD", "FMUL", "MUFU", "SHFL")


def compiled(kernels: Any, name: str, rows: int, columns: int, warps: int) -> dict[str, Any]:
    """Compile one kernel at one tile and return what its binary says."""
    function = getattr(kernels, name)
    constants = {"KNOTS": KNOTS, "ROWS": rows, "COLUMNS": columns}
    signature, attributes = {}, {}
    for position, argument in enumerate(function.arg_names):
        if argument in constants:
            signature[argument] = "constexpr"
        elif argument in POINTERS:
            signature[argument] = "*fp32"
        else:
            signature[argument] = "fp32" if argument in FLOATS else "i32"
        if argument in POINTERS or argument == "slices":
            attributes[(position,)] = [["tt.divisibility", 16]]
    source = ASTSource(fn=function, signature=signature, constexprs=constants, attrs=attributes)
    kernel = triton.compile(
        source, target=GPUTarget("cuda", 90, 32), options={"num_warps": warps, "enable_fp_fusion": False}
    )
    return {
        "kernel": name,
        "rows": rows,
        "columns": columns,
        "warps": warps,
        "knots": KNOTS,
        "elements_a_thread": rows * columns / (32 * warps),
        "shared_bytes": kernel.metadata.shared,
    } | facts(kernel.asm["cubin"], rows * columns / (32 * warps))


def facts(cubin: bytes, elements: float) -> dict[str, Any]:
    """Read registers, stack and instructions off a cubin with the cuobjdump that comes with Triton."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        usage = tool("-res-usage", file.name)
        sass = tool("-sass", file.name)
    found = {key: int(value) for key, value in re.findall(r"\b(REG|STACK|LOCAL):(\d+)", usage)}
    lines = re.findall(r"/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)([^;]*);", sass)
    code = [(int(place, 16), name, rest) for place, name, rest in lines if name != "NOP"]
    loop = longest_loop(code)
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
    command = [knobs.nvidia.cuobjdump.path, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def rows(cases: tuple[tuple[str, int, int, int], ...]) -> list[dict[str, Any]]:
    """Compile each case."""
    if os.environ.get("TRITON_INTERPRET") == "1":
        raise SystemExit("TRITON_INTERPRET=1 replaces the compiler; unset it")
    spec = importlib.util.spec_from_file_location("_triton_kernels", KERNELS)
    if spec is None or spec.loader is None:
        raise SystemExit(f"no kernels at {KERNELS.name}")
    kernels = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = kernels
    spec.loader.exec_module(kernels)
    return [compiled(kernels, *case) for case in cases]


def render(page: str, found: list[dict[str, Any]]) -> str:
    """Fill the table of the kernel's README."""
    head = "| kernel | tile, warps | elements a thread | registers | spills | counted | SASS | FFMA | SHFL |"
    lines = [head, "|" + " --- |" * 9]
    for row in found:
        lines.append(
            f"| {row['kernel']} | {row['rows']} x {row['columns']}, {row['warps']} | "
            f"{row['elements_a_thread']:g} | {row['registers']} | {row['spill_instructions']} | "
            f"{row['counted']} | {row['instructions_an_element']:.0f} | {row['ffma_an_element']:.0f} | "
            f"{row['shfl_an_element']:g} |"
        )
    return BLOCK.sub("\n".join(["<!-- table: sm90 -->", *lines, "<!-- end -->"]), page)


def main() -> None:
    """With `--check` print Hopper's rows as JSON; else write the committed result."""
    if "--check" in sys.argv:
        print(json.dumps(rows(HOPPER)))
        return
    found = rows(HOPPER + PORTABLE)
    from benchmarks.harness import write_result

    settings = {"target": "sm_90", "triton": triton.__version__, "run_on_gpu": False}
    command = "python -m benchmarks.sigreg.compile_sm90"
    print("wrote", write_result("sigreg_triton_sm90", command=command, settings=settings, rows=found).name)
    page = KERNELS.with_name("README.md")
    page.write_text(render(page.read_text(encoding="utf-8"), found), encoding="utf-8")


if __name__ == "__main__":
    main()
