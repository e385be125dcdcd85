"""How far a finite number of slices is from all of them: value and gradient against ExactSIGReg."""

import math
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness import write_result
from leworld.regularizers import ExactSIGReg, SIGReg

NUM_SAMPLES = 128
SLICES = (64, 128, 256, 512, 1024, 2048, 4096)
KINDS = ("gaussian", "orthogonal", "sobol")


def embeddings(kind: str, dim: int) -> Tensor:
    """Draw standard normal samples, or ones whose standard deviations fall like 1 / sqrt(coordinate)."""
    z = torch.randn(NUM_SAMPLES, dim, generator=torch.Generator().manual_seed(0))
    if kind == "normal":
        return z
    return z * torch.arange(1, dim + 1) ** -0.5


def value_and_gradient(regularizer: torch.nn.Module, samples: Tensor) -> tuple[float, Tensor]:
    """Return both in one pass."""
    samples = samples.detach().clone().requires_grad_()
    value = regularizer(samples)
    (gradient,) = torch.autograd.grad(value, samples)
    return value.item(), gradient.flatten()


def measure(samples: Tensor, slices: int, kind: str, *, draws: int, seed: int = 0) -> dict[str, float]:
    """Draw directions anew `draws` times; refuse a mean that is not the exact value."""
    exact, truth = value_and_gradient(ExactSIGReg(), samples)
    regularizer = SIGReg(slices, directions=kind, seed=seed)
    values, gradients = zip(*(value_and_gradient(regularizer, samples) for _ in range(draws)), strict=True)
    seen, pulls = torch.tensor(values, dtype=torch.float64), torch.stack(gradients)
    if abs(seen.mean().item() - exact) > 6 * seen.std().item() / math.sqrt(draws) + 1e-5 * exact:
        raise SystemExit(f"{kind} slices average to {seen.mean():.5f}, not {exact:.5f}; nothing was written")
    return {
        "exact": exact,
        "value_sd": seen.std().item() / exact,
        "gradient_cosine": torch.nn.functional.cosine_similarity(pulls, truth, dim=1).mean().item(),
        "gradient_error": ((pulls - truth).norm(dim=1).mean() / truth.norm()).item(),
    }


def run(*, draws: int = 32) -> None:
    """Measure everything and write benchmarks/results/regularizers_noise.json."""
    rows: list[dict[str, Any]] = []
    for samples_kind in ("normal", "spectrum"):
        for dim in (16, 192):
            samples = embeddings(samples_kind, dim)
            for kind in KINDS:
                for slices in SLICES:
                    row = {"samples": samples_kind, "dim": dim, "directions": kind, "slices": slices}
                    rows.append(row | measure(samples, slices, kind, draws=draws))
    settings = {"samples": NUM_SAMPLES, "draws": draws, "dtype": "float32", "truth": "ExactSIGReg"}
    path = write_result(
        "regularizers_noise", command="python benchmarks/run.py regularizers", settings=settings, rows=rows
    )
    print(f"wrote {path.name}")
