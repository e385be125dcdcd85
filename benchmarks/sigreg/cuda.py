"""The rows that take a GPU: half precision at LeJEPA's size, a CUDA graph, one kernel against two stages."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.harness import paired
from benchmarks.sigreg.published import Published, peak_megabytes, step
from leworld.kernels import ecf_sums, explain
from leworld.kernels.sliced_ecf import _triton
from leworld.regularizers import SIGReg

FASTEST = ("triton", "triton_fused")


class Size(NamedTuple):
    """Axes and dtype of the embeddings, number of directions, and how often to time."""

    leading: int
    samples: int
    dim: int
    slices: int
    dtype: str
    rounds: int


# LeJEPA's size and LeWorldModel's, against the published formula
SIZES = (
    Size(8, 2048, 1024, 4096, "bfloat16", 10),
    Size(4, 128, 192, 1024, "bfloat16", 100),
    Size(4, 128, 192, 1024, "float32", 100),
)
# where projecting in the same kernel may pay: by length of the embeddings, then by number of slices
BY_SIZE = (
    *(Size(8, 2048, dim, 4096, "bfloat16", 10) for dim in (64, 128, 192, 256, 512, 1024)),
    *(Size(4, 128, 192, slices, "bfloat16", 50) for slices in (256, 1024, 4096, 16384)),
)


def draw(size: Size, device: str) -> Tensor:
    """Return standard normal embeddings."""
    generator = torch.Generator().manual_seed(0)
    shape = (size.leading, size.samples, size.dim)
    return torch.randn(*shape, generator=generator, dtype=torch.float32).to(
        device, getattr(torch, size.dtype)
    )


def gate(size: Size, embeddings: Tensor, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Compare SIGReg with the formula in float64 along equal directions, some leading entries at a time.

    Half-precision embeddings may meet directions rounded to their dtype, and have a rounded gradient.
    """
    loss_bound, slope_bound = (1e-6, 1e-5) if size.dtype == "float32" else (1e-3, 1e-2)
    part = embeddings[:1, :128]
    state = torch.Generator(part.device).manual_seed(7)
    directions = torch.randn(size.dim, size.slices, generator=state, device=part.device, dtype=torch.float32)
    directions /= directions.norm(p=2, dim=0)
    z = part.double().requires_grad_()
    expected = Published(size.slices).to(part.device).double().value(z, directions.double())
    (reference,) = torch.autograd.grad(expected, z)
    errors = {}
    for name in names:
        z = part.clone().requires_grad_()
        value = SIGReg(size.slices, implementation=name)(
            z, generator=torch.Generator(z.device).manual_seed(7)
        )
        (gradient,) = torch.autograd.grad(value, z)
        loss = abs(value.item() / expected.item() - 1)
        slope = ((gradient - reference).norm() / reference.norm()).item()
        if not (loss <= loss_bound and slope <= slope_bound):
            raise SystemExit(f"{name} is off: loss by {loss:.2g}, gradient by {slope:.2g}; nothing was timed")
        errors[name] = {"loss_error": loss, "gradient_error": slope}
    return errors


class Autocast(nn.Module):
    """A module as a half-precision training step runs it: under autocast to its input's dtype."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, embeddings: Tensor) -> Tensor:
        """Run it."""
        half = embeddings.dtype != torch.float32
        with torch.autocast(embeddings.device.type, dtype=embeddings.dtype if half else None, enabled=half):
            return self.module(embeddings)


def graphed(run: Callable[[], None], generator: torch.Generator | None) -> Callable[[], None]:
    """Capture a step in a CUDA graph and return its replay; each replay draws other directions."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    if generator is not None:
        graph.register_generator_state(generator)
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def against_the_formula(size: Size, device: str) -> list[dict[str, Any]]:
    """Time SIGReg eager and in a CUDA graph beside the published formula, eager, compiled, in a graph."""
    embeddings = draw(size, device)
    names = FASTEST if _triton.obstacle(embeddings) is None else ("reference",)
    errors = gate(size, embeddings, names)
    embeddings.requires_grad_()
    published = Autocast(Published(size.slices).to(device))
    functions = {
        "published formula, eager": step(published, embeddings),
        "published formula, torch.compile": step(torch.compile(published), embeddings),
    }
    for name in names:
        functions[f"SIGReg, {name}"] = step(SIGReg(size.slices, implementation=name), embeddings)
    peaks = {name: peak_megabytes(function, device) for name, function in functions.items()}
    if device == "cuda":
        functions["published formula, CUDA graph"] = graphed(step(published, embeddings), None)
        for name in names:
            generator = torch.Generator(device)
            module = SIGReg(size.slices, implementation=name)

            def call(z: Tensor, module: SIGReg = module, state: torch.Generator = generator) -> Tensor:
                return module(z, generator=state)

            functions[f"SIGReg, {name}, CUDA graph"] = graphed(step(call, embeddings), generator)
    timed = paired(functions, repeats=size.rounds, warmup=3, device=device)
    facts = size._asdict() | {"suite": "against the published formula"}
    return [
        {"what": name, **facts, **timed[name]}
        | ({"peak_megabytes": peaks[name]} if name in peaks else {})
        | errors.get(name.removeprefix("SIGReg, "), {})
        for name in functions
    ]


def one_kernel_or_two(size: Size, device: str) -> list[dict[str, Any]]:
    """Time the op alone, forward and backward: matrix product and kernel, against the fused kernel."""
    embeddings = draw(size, device)
    directions = torch.randn(
        size.dim, size.slices, generator=torch.Generator().manual_seed(1), dtype=torch.float32
    )
    directions = (directions / directions.norm(dim=0)).to(device, embeddings.dtype)
    names = FASTEST if _triton.obstacle(embeddings) is None else ("reference", "auto")
    embeddings.requires_grad_()

    def function(name: str) -> Callable[[Tensor], Tensor]:
        return lambda z: (
            ecf_sums(z, directions, spacing=3 / 16, num_knots=16, implementation=name).square().mean()
        )

    functions = {name: step(function(name), embeddings) for name in names}
    timed = paired(functions, repeats=size.rounds, warmup=3, device=device)
    choice = next(
        line for line in explain("ecf_sums", embeddings, directions).splitlines() if "chosen" in line
    )
    facts = size._asdict() | {"suite": "one kernel or two stages", "auto": choice.split(":")[0]}
    return [
        {"what": name, **facts, **timed[name], "peak_megabytes": peak_megabytes(functions[name], device)}
        for name in functions
    ]


def rows(
    device: str, sizes: tuple[Size, ...] = SIZES, by_size: tuple[Size, ...] = BY_SIZE
) -> list[dict[str, Any]]:
    """Measure everything."""
    found = [row for size in sizes for row in against_the_formula(size, device)]
    return found + [row for size in by_size for row in one_kernel_or_two(size, device)]
