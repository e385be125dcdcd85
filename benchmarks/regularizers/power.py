"""How often each statistic and regularizer notices a departure from normality, at the 5 per cent level."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.harness import write_result
from benchmarks.regularizers.departures import MULTIVARIATE, UNIVARIATE, datasets
from leworld.normality import (
    BHEP,
    BHEPM,
    COMB,
    AndersonDarling,
    CramerVonMises,
    EnergyDistance,
    EppsPulley,
    ExtendedJarqueBera,
    HenzeVisagie,
    HenzeZirkler,
    JarqueBera,
    Moments,
    OrderStatisticLikelihood,
    ShapiroFrancia,
    ShapiroWilk,
    UnivariateStatistic,
    VasicekEntropy,
    Watson,
)
from leworld.regularizers import (
    ExactSIGReg,
    MultivariateNormality,
    SIGReg,
    SlicedNormality,
    SubspaceSIGReg,
    VCReg,
    VISReg,
    WeakSIGReg,
)

NUM_SAMPLES, DIM, SLICES = 128, 16, 128
LEVEL = 0.05
STATISTICS: dict[str, UnivariateStatistic] = {
    f"{type(statistic).__name__}()": statistic
    for statistic in (
        EppsPulley(),
        AndersonDarling(),
        CramerVonMises(),
        Watson(),
        OrderStatisticLikelihood(),
        VasicekEntropy(),
        Moments(),
        ExtendedJarqueBera(),
        JarqueBera(),
        ShapiroWilk(),
        ShapiroFrancia(),
    )
}


REGULARIZERS: dict[str, Callable[[], nn.Module]] = {
    "SIGReg": lambda: SIGReg(SLICES),
    "ExactSIGReg": lambda: ExactSIGReg(),
    "SubspaceSIGReg(4)": lambda: SubspaceSIGReg(4, num_slices=SLICES // 4),
    "VISReg": lambda: VISReg(SLICES),
    "WeakSIGReg": lambda: WeakSIGReg(),
    "VCReg": lambda: VCReg(),
    "MultivariateNormality(BHEP(0.18))": lambda: MultivariateNormality(BHEP(0.18)),
    "MultivariateNormality(BHEP(0.5))": lambda: MultivariateNormality(BHEP(0.5)),
    "MultivariateNormality(HenzeZirkler())": lambda: MultivariateNormality(HenzeZirkler()),
    "MultivariateNormality(EnergyDistance())": lambda: MultivariateNormality(EnergyDistance()),
    "MultivariateNormality(BHEPM())": lambda: MultivariateNormality(BHEPM()),
    "MultivariateNormality(COMB())": lambda: MultivariateNormality(COMB()),
    "MultivariateNormality(HenzeVisagie())": lambda: MultivariateNormality(HenzeVisagie()),
}


def _sliced(test: UnivariateStatistic) -> Callable[[], nn.Module]:
    return lambda: SlicedNormality(test, SLICES)


REGULARIZERS |= {
    f"SlicedNormality({name})": _sliced(test)
    for name, test in STATISTICS.items()
    if not isinstance(test, EppsPulley)  # that is SIGReg
}


def share_above(null: Tensor, values: Tensor) -> float:
    """Share of values above the null draws' upper quantile of LEVEL."""
    return (values > null.quantile(1 - LEVEL)).double().mean().item()


def gate(name: str, share: float, null: int, draws: int) -> None:
    """Refuse a test that rejects standard normal samples at another rate than LEVEL."""
    error = math.sqrt(LEVEL * (1 - LEVEL) * (1 / null + 1 / draws))
    if abs(share - LEVEL) > 5 * error:
        raise SystemExit(f"{name} rejects {share:.3f} of standard normal samples; nothing was written")


@torch.no_grad()
def univariate(statistic: UnivariateStatistic, *, null: int, draws: int) -> dict[str, float]:
    """Power of a statistic of one coordinate; datasets lie side by side on the last axis."""
    reference = statistic(datasets(UNIVARIATE["none"], (NUM_SAMPLES, null), seed=1))
    return {
        name: share_above(reference, statistic(datasets(change, (NUM_SAMPLES, draws), seed=2)))
        for name, change in UNIVARIATE.items()
    }


@torch.no_grad()
def multivariate(make: Callable[[], nn.Module], *, null: int, draws: int) -> dict[str, float]:
    """Power of a regularizer, whose directions stay the same throughout."""
    regularizer = make().eval()

    def values(change: str, count: int, seed: int) -> Tensor:
        parts = datasets(MULTIVARIATE[change], (count, NUM_SAMPLES, DIM), seed=seed)
        return torch.stack([regularizer(part) for part in parts])

    reference = values("none", null, 1)
    return {name: share_above(reference, values(name, draws, 2)) for name in MULTIVARIATE}


def run(
    *, univariate_null: int = 20_000, univariate_draws: int = 4_000, null: int = 2_000, draws: int = 300
) -> None:
    """Measure everything and write benchmarks/results/regularizers_power.json."""
    rows: list[dict[str, Any]] = []
    for name, statistic in STATISTICS.items():
        power = univariate(statistic, null=univariate_null, draws=univariate_draws)
        gate(name, power["none"], univariate_null, univariate_draws)
        rows.append({"kind": "univariate", "what": name, "power": power})
    for name, make in REGULARIZERS.items():
        power = multivariate(make, null=null, draws=draws)
        gate(name, power["none"], null, draws)
        rows.append({"kind": "multivariate", "what": name, "power": power})
    settings = {
        "level": LEVEL,
        "samples": NUM_SAMPLES,
        "dim": DIM,
        "slices": SLICES,
        "null": null,
        "draws": draws,
    }
    settings |= {"univariate_null": univariate_null, "univariate_draws": univariate_draws}
    path = write_result(
        "regularizers_power", command="python benchmarks/run.py regularizers", settings=settings, rows=rows
    )
    print(f"wrote {path.name}")
