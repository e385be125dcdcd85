"""SIGReg and ExactSIGReg, forward and backward, beside the published formula, eager and compiled."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.harness import paired, write_result
from leworld.kernels import explain
from leworld.kernels.sliced_ecf import _native, _triton
from leworld.regularizers import ExactSIGReg, SIGReg

# leading axis, samples, dim, slices, rounds: LeWorldModel's size, and one view of LeJEPA's
SIZES = ((4, 128, 192, 1024, 15), (1, 2048, 1024, 4096, 2))


class Published(nn.Module):
    """The published formula: every knot of every projection is an entry of a stored tensor."""

    def __init__(self, num_slices: int) -> None:
        super().__init__()
        t = torch.linspace(0, 3, 17)
        quadrature = torch.full((17,), 2 * 3 / 16)
        quadrature[[0, -1]] = 3 / 16
        self.num_slices = num_slices
        self.register_buffer("t", t)
        self.register_buffer("phi", torch.exp(-t.square() / 2))
        self.register_buffer("weights", quadrature * torch.exp(-t.square() / 2))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Draw directions from the global generator and return the mean statistic."""
        directions = torch.randn(embeddings.shape[-1], self.num_slices, device=embeddings.device)
        return self.value(embeddings, directions.div_(directions.norm(p=2, dim=0)))

    def value(self, embeddings: Tensor, directions: Tensor) -> Tensor:
        """Return the mean statistic along given directions."""
        angles = (embeddings @ directions).unsqueeze(-1) * self.t
        error = (angles.cos().mean(-3) - self.phi).square() + angles.sin().mean(-3).square()
        return ((error @ self.weights) * embeddings.shape[-2]).mean()


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


def step(module: Callable[[Tensor], Tensor], embeddings: Tensor) -> Callable[[], None]:
    """Return forward and backward as one call."""

    def run() -> None:
        embeddings.grad = None
        module(embeddings).backward()

    return run


def peak_megabytes(function: Callable[[], None], device: str) -> float:
    """Return the most memory that PyTorch's allocator held above where it stood before."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        function()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    held, most = 0, 0
    for event in sorted((e for e in events if e.get("name") == "[memory]"), key=lambda e: e["ts"]):
        held += event["args"]["Bytes"]
        most = max(most, held)
    return most / 1e6


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
    """Measure every size and write benchmarks/results/sigreg_<device>.json."""
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
