"""SIGReg and ExactSIGReg, forward and backward, beside the published formula, eager and compiled."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness import paired, write_result
from benchmarks.sigreg import cuda
from benchmarks.sigreg.published import Published, peak_megabytes, step
from leworld.kernels import explain
from leworld.kernels.sliced_ecf import _native, _triton
from leworld.regularizers import ExactSIGReg, SIGReg

# leading axis, samples, dim, slices, rounds: LeWorldModel's size, and one view of LeJEPA's
SIZES = ((4, 128, 192, 1024, 15), (1, 2048, 1024, 4096, 2))


def gate(embeddings: Tensor, slices: int, names: list[str]) -> dict[str, dict[str, float]]:
    """Compare value and gradient along equal directions with the published formula; refuse what is off."""
    device = embeddings.device
    state = torch.Generator(device).manual_seed(7)
    directions = torch.randn(embeddings.shape[-1], slices, generator=state, device=device)
    directions /= directions.norm(p=2, dim=0)
    z = embeddings.clone().requires_grad_()
    expected = Published(slices).to(device).value(z, directions)
    (reference,) = torch.autograd.grad(expected, z)
    errors = {}
    for name in names:
        z = embeddings.clone().requires_grad_()
        value = SIGReg(slices, implementation=name)(z, generator=torch.Generator(device).manual_seed(7))
        (gradient,) = torch.autograd.grad(value, z)
        loss = abs(value.item() / expected.item() - 1)
        slope = ((gradient - reference).norm() / reference.norm()).item()
        if loss > 1e-6 or slope > 1e-5:
            raise SystemExit(f"{name} is off: loss by {loss:.2g}, gradient by {slope:.2g}; nothing was timed")
        errors[name] = {"loss_error": loss, "gradient_error": slope}
    return errors


def exact_gate(embeddings: Tensor) -> None:
    """Compare ExactSIGReg in float32 with float64 on a part of the batch."""
    part = embeddings[:1, :64]
    fast, slow = ExactSIGReg()(part).item(), ExactSIGReg()(part.double()).item()
    if abs(fast / slow - 1) > 1e-5:
        raise SystemExit(f"ExactSIGReg is off: {fast} against {slow}; nothing was timed")


def measure(size: tuple[int, int, int, int, int], device: str) -> list[dict[str, Any]]:
    """Check, time and weigh everything at one size."""
    leading, samples, dim, slices, rounds = size
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(leading, samples, dim, generator=generator).to(device)
    names = ["reference"] if device != "cpu" else ["cpu"]
    if device == "cpu" and _native.obstacle(embeddings) is None:
        names.insert(0, "native")
    if device != "cpu" and _triton.obstacle(embeddings) is None:
        names.insert(0, "triton")
    errors = gate(embeddings, slices, names)
    exact_gate(embeddings)
    embeddings.requires_grad_()
    published = Published(slices).to(device)
    modules: dict[str, Callable[[Tensor], Tensor]] = {"published formula, eager": published}
    modules["published formula, torch.compile"] = torch.compile(published)
    for name in names:
        modules[f"SIGReg, {name}"] = SIGReg(slices, implementation=name)
    modules["ExactSIGReg"] = ExactSIGReg()
    functions = {name: step(module, embeddings) for name, module in modules.items()}
    timed = paired(functions, repeats=rounds, device=device)
    rows = []
    for name, function in functions.items():
        row: dict[str, Any] = {"what": name, "leading": leading, "samples": samples, "dim": dim}
        row |= {"slices": slices, **timed[name], "peak_megabytes": peak_megabytes(function, device)}
        rows.append(row | errors.get(name.removeprefix("SIGReg, "), {}))
    return rows


def run(device: str) -> None:
    """Measure every size and write benchmarks/results/sigreg_<device>.json, and sigreg_cuda_half.json."""
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        rows = [row for size in SIZES for row in measure(size, device)]
    for row in rows:
        print(
            f"{row['samples']:5} x {row['dim']:4}  {row['what']:34} {row['median_ms']:9.2f} ms "
            f"{row['ratio']:7.1f}x  {row['peak_megabytes']:8.1f} MB"
        )
    settings = {"pass": "forward and backward", "dtype": "float32", "knots": 17, "baseline": "first row"}
    settings["kernels"] = explain("ecf_sums", torch.zeros(2, 2, device=device))
    path = write_result(
        f"sigreg_{device}",
        command=f"python benchmarks/run.py sigreg --device {device}",
        settings=settings,
        rows=rows,
    )
    print(f"wrote {path.name}")
    if device == "cuda":
        with torch.random.fork_rng():
            rows = cuda.rows(device)
        for row in rows:
            print(
                f"({row['leading']}, {row['samples']}, {row['dim']}) x {row['slices']} {row['dtype']}  "
                f"{row['what']:34} {row['median_ms']:9.3f} ms {row['ratio']:7.2f}x"
            )
        path = write_result(
            "sigreg_cuda_half",
            command=f"python benchmarks/run.py sigreg --device {device}",
            settings={
                "pass": "forward and backward",
                "knots": 17,
                "baseline": "first row of each size and suite",
            },
            rows=rows,
        )
        print(f"wrote {path.name}")
