"""Forward and backward of every regularizer at LeWorldModel's size, beside SIGReg."""

from typing import Any

import torch

from benchmarks.harness import paired, write_result
from benchmarks.regularizers.power import STATISTICS
from leworld.normality import BHEP, BHEPM, COMB, EnergyDistance, EppsPulley, HenzeVisagie, HenzeZirkler
from leworld.regularizers import (
    ExactSIGReg,
    MultivariateNormality,
    RDMReg,
    SIGReg,
    SlicedNormality,
    SubspaceSIGReg,
    VCReg,
    VISReg,
    WeakSIGReg,
)

SHAPE = (4, 128, 192)


def modules() -> dict[str, torch.nn.Module]:
    """Everything that takes (*batch, sample, dim), at its defaults: 1024 directions where there are any."""
    named: dict[str, torch.nn.Module] = {
        "SIGReg": SIGReg(),
        "SIGReg, orthogonal": SIGReg(directions="orthogonal"),
        "SIGReg, sobol": SIGReg(directions="sobol"),
        "ExactSIGReg": ExactSIGReg(),
        "SubspaceSIGReg": SubspaceSIGReg(),
        "VISReg": VISReg(),
        "WeakSIGReg": WeakSIGReg(),
        "VCReg": VCReg(),
        "RDMReg": RDMReg(1024),
    }
    for name, test in STATISTICS.items():
        if not isinstance(test, EppsPulley):
            named[f"SlicedNormality({name})"] = SlicedNormality(test)
    for test in (BHEP(0.05), HenzeZirkler(), EnergyDistance(), BHEPM(), COMB(), HenzeVisagie()):
        named[f"MultivariateNormality({type(test).__name__})"] = MultivariateNormality(test)
    return named


def run(*, rounds: int = 7) -> None:
    """Time everything in turn and write benchmarks/results/regularizers_cost.json."""
    samples = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)).requires_grad_()

    def step(module: torch.nn.Module) -> None:
        samples.grad = None
        module(samples).backward()
        if samples.grad is None or not samples.grad.isfinite().all():
            raise SystemExit(f"{module} has no finite gradient; nothing was written")

    functions = {name: lambda module=module: step(module) for name, module in modules().items()}
    timed = paired(functions, repeats=rounds)
    rows: list[dict[str, Any]] = [{"what": name, **timed[name]} for name in functions]
    settings = {"pass": "forward and backward", "dtype": "float32", "shape": list(SHAPE), "slices": 1024}
    settings |= {"rounds": rounds, "baseline": "first row"}
    path = write_result(
        "regularizers_cost", command="python benchmarks/run.py regularizers", settings=settings, rows=rows
    )
    print(f"wrote {path.name}")
