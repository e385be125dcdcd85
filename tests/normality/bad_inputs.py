"""Mistakes that users make with the statistics."""

from collections.abc import Iterator

import torch

from leworld.errors import ConfigError, ShapeError
from leworld.normality import (
    BHEP,
    BHEPM,
    COMB,
    AndersonDarling,
    CramerVonMises,
    EnergyDistance,
    EppsPulley,
    ExtendedJarqueBera,
    GaussHermiteEppsPulley,
    HenzeVisagie,
    HenzeZirkler,
    JarqueBera,
    Moments,
    MultivariateStatistic,
    OrderStatisticLikelihood,
    ShapiroFrancia,
    ShapiroWilk,
    SimpsonEppsPulley,
    UnivariateStatistic,
    VasicekEntropy,
    Watson,
    sliced_statistic,
)
from tests.bad_input import BadInput

_EP = "leworld.normality.EppsPulley"
_SLICED = "leworld.normality.sliced_statistic"
_EYE = torch.eye(3)

ROWS: list[BadInput] = [
    BadInput(_EP, "no knots", lambda: EppsPulley(0), ConfigError, ("num_knots", "at least 2")),
    BadInput(_EP, "one knot", lambda: EppsPulley(1), ConfigError, ("num_knots", "at least 2")),
    BadInput(_EP, "fractional knots", lambda: EppsPulley(8.5), ConfigError, ("num_knots", "integer")),  # type: ignore[arg-type]
    BadInput(_EP, "t_max zero", lambda: EppsPulley(17, 0.0), ConfigError, ("t_max", "above 0")),
    BadInput(_EP, "t_max negative", lambda: EppsPulley(17, -3.0), ConfigError, ("t_max", "above 0")),
    BadInput(_EP, "t_max NaN", lambda: EppsPulley(17, float("nan")), ConfigError, ("t_max", "finite")),
    BadInput(_EP, "one sample", lambda: EppsPulley()(torch.zeros(1, 4)), ShapeError, ("sample=1", "(1, 4)")),
    BadInput(_EP, "no samples", lambda: EppsPulley()(torch.zeros(0, 4)), ShapeError, ("sample=0",)),
    BadInput(_EP, "no coordinates", lambda: EppsPulley()(torch.zeros(8, 0)), ShapeError, ("dim=0",)),
    BadInput(
        _EP, "empty leading axis", lambda: EppsPulley()(torch.zeros(0, 8, 4)), ShapeError, ("(0, 8, 4)",)
    ),
    BadInput(_EP, "sparse", lambda: EppsPulley()(torch.eye(4).to_sparse()), ShapeError, ("dense `samples`",)),
    BadInput(_EP, "no values", lambda: EppsPulley()(torch.eye(4, device="meta")), ShapeError, ("`meta`",)),
    BadInput(_EP, "rank 1", lambda: EppsPulley()(torch.zeros(8)), ShapeError, ("sample, dim", "(8,)")),
    BadInput(
        _EP,
        "integers",
        lambda: EppsPulley()(torch.zeros(8, 4).long()),
        ShapeError,
        ("floating-point", "int64"),
    ),
    BadInput(
        _SLICED,
        "directions of another dimension",
        lambda: sliced_statistic(EppsPulley(), torch.zeros(8, 4), directions=_EYE),
        ShapeError,
        ("dim", "(3, 3)"),
    ),
    BadInput(
        _SLICED,
        "one sample",
        lambda: sliced_statistic(EppsPulley(), torch.zeros(1, 3), directions=_EYE),
        ShapeError,
        ("sample=1",),
    ),
    BadInput(
        _SLICED,
        "mixed devices",
        lambda: sliced_statistic(EppsPulley(), torch.zeros(8, 3), directions=_EYE.to("meta")),
        ShapeError,
        ("`directions`", "cpu and meta"),
    ),
    BadInput(
        _SLICED,
        "rank 1",
        lambda: sliced_statistic(EppsPulley(), torch.zeros(3), directions=_EYE),
        ShapeError,
        ("sample, dim",),
    ),
    BadInput(
        _SLICED,
        "integers",
        lambda: sliced_statistic(EppsPulley(), torch.zeros(8, 3).long(), directions=_EYE),
        ShapeError,
        ("floating-point",),
    ),
    BadInput(
        _SLICED,
        "no directions",
        lambda: sliced_statistic(EppsPulley(), torch.zeros(8, 3), directions=torch.zeros(3, 0)),
        ShapeError,
        ("slice=0",),
    ),
    BadInput(
        _SLICED,
        "a function in place of a statistic",
        lambda: sliced_statistic(torch.sum, torch.zeros(8, 3), directions=_EYE),  # type: ignore[arg-type]
        ConfigError,
        ("statistic",),
    ),
]


def _samples_rows(statistic: UnivariateStatistic | MultivariateStatistic, least: int) -> Iterator[BadInput]:
    """What every statistic refuses."""
    entry = f"leworld.normality.{type(statistic).__name__}"

    def row(case: str, samples: torch.Tensor, *mentions: str) -> BadInput:
        return BadInput(entry, case, lambda: statistic(samples), ShapeError, mentions)

    yield row("one sample", torch.zeros(1, 4), "sample=1", f"at least {least}")
    yield row("no samples", torch.zeros(0, 4), "sample=0")
    yield row("no coordinates", torch.zeros(8, 0), "dim=0")
    yield row("empty leading axis", torch.zeros(0, 8, 4), "(0, 8, 4)")
    yield row("rank 1", torch.zeros(8), "sample, dim", "(8,)")
    yield row("integers", torch.zeros(8, 4).long(), "floating-point", "int64")


def _univariate_rows(statistic: UnivariateStatistic) -> Iterator[BadInput]:
    name = type(statistic).__name__
    entry = f"leworld.normality.{name}.p_value"
    yield from _samples_rows(statistic, statistic.min_samples)
    values, words = torch.ones(3), ("num_samples", f"at least {statistic.min_samples}")
    yield BadInput(entry, "one sample", lambda: statistic.p_value(values, 1), ConfigError, words)
    yield BadInput(
        entry, "integers", lambda: statistic.p_value(values.long(), 9), ShapeError, ("statistic", "floating")
    )
    yield BadInput(entry, "a number", lambda: statistic.p_value(1.0, 9), ShapeError, ("statistic",))  # type: ignore[arg-type]


def _multivariate_rows(statistic: MultivariateStatistic) -> Iterator[BadInput]:
    name = type(statistic).__name__
    entry = f"leworld.normality.{name}"
    yield from _samples_rows(statistic, 2)
    values = torch.ones(3)
    yield BadInput(
        f"{entry}.p_value",
        "one sample",
        lambda: statistic.p_value(values, 1, dim=2),
        ConfigError,
        (name, "num_samples", "at least 2"),
    )
    yield BadInput(
        f"{entry}.p_value",
        "no coordinates",
        lambda: statistic.p_value(values, 9, dim=0),
        ConfigError,
        (name, "dim", "at least 1"),
    )
    yield BadInput(
        f"{entry}.null_mean",
        "fractional samples",
        lambda: statistic.null_mean(8.5, 2),  # type: ignore[arg-type]
        ConfigError,
        (name, "num_samples", "integer"),
    )


_UNIVARIATE = (
    SimpsonEppsPulley(),
    GaussHermiteEppsPulley(),
    AndersonDarling(),
    CramerVonMises(),
    Watson(),
    ShapiroFrancia(),
    ShapiroWilk(),
    JarqueBera(),
    ExtendedJarqueBera(),
    VasicekEntropy(),
    OrderStatisticLikelihood(),
    Moments(),
)
_MULTIVARIATE = (BHEP(), HenzeZirkler(), EnergyDistance(), BHEPM(), COMB(), HenzeVisagie())
_SIMPSON = "leworld.normality.SimpsonEppsPulley"
_HERMITE = "leworld.normality.GaussHermiteEppsPulley"
_VASICEK = "leworld.normality.VasicekEntropy"
_N = "leworld.normality."

ROWS += [row for statistic in _UNIVARIATE for row in _univariate_rows(statistic)]
ROWS += [row for statistic in _MULTIVARIATE for row in _multivariate_rows(statistic)]
ROWS += [
    BadInput(_SIMPSON, "even knots", lambda: SimpsonEppsPulley(16), ConfigError, ("odd", "Use 17")),
    BadInput(_SIMPSON, "one knot", lambda: SimpsonEppsPulley(1), ConfigError, ("at least 3",)),
    BadInput(_SIMPSON, "t_max zero", lambda: SimpsonEppsPulley(17, 0.0), ConfigError, ("t_max", "above 0")),
    BadInput(_HERMITE, "no knots", lambda: GaussHermiteEppsPulley(0), ConfigError, ("at least 1",)),
    BadInput(_HERMITE, "too many knots", lambda: GaussHermiteEppsPulley(65), ConfigError, ("at most 64",)),
    BadInput(_VASICEK, "window zero", lambda: VasicekEntropy(0), ConfigError, ("window", "at least 1")),
    BadInput(
        _VASICEK,
        "fewer samples than the window needs",
        lambda: VasicekEntropy(4)(torch.zeros(8, 2)),
        ShapeError,
        ("window=4", "at least 9 samples"),
    ),
    BadInput(
        _VASICEK,
        "spacing zero",
        lambda: VasicekEntropy(min_spacing=0.0),
        ConfigError,
        ("min_spacing", "above 0"),
    ),
    BadInput(
        _N + "ShapiroFrancia",
        "unknown scores",
        lambda: ShapiroFrancia("bloom"),  # type: ignore[arg-type]
        ConfigError,
        ("scores", "Did you mean `blom`"),
    ),
    BadInput(
        _N + "ShapiroWilk",
        "unknown coefficients",
        lambda: ShapiroWilk("roystn"),  # type: ignore[arg-type]
        ConfigError,
        ("coefficients", "Did you mean `royston`"),
    ),
    BadInput(
        _N + "ShapiroWilk", "two samples", lambda: ShapiroWilk()(torch.zeros(2, 2)), ShapeError, ("sample=2",)
    ),
    BadInput(
        _N + "ShapiroWilk.null_mean", "two samples", lambda: ShapiroWilk().null_mean(2), ConfigError, ("3",)
    ),
    BadInput(
        _N + "JarqueBera.null_mean", "one sample", lambda: JarqueBera().null_mean(1), ConfigError, ("2",)
    ),
    BadInput(_N + "Moments", "order zero", lambda: Moments(0), ConfigError, ("max_order", "at least 1")),
    BadInput(_N + "Moments", "order too high", lambda: Moments(13), ConfigError, ("at most 12",)),
    BadInput(_N + "BHEP", "beta zero", lambda: BHEP(0.0), ConfigError, ("beta", "above 0")),
    BadInput(_N + "BHEPM", "beta one", lambda: BHEPM(1.0), ConfigError, ("beta", "above 1")),
    BadInput(_N + "COMB", "gamma NaN", lambda: COMB(float("nan")), ConfigError, ("gamma", "finite")),
    BadInput(_N + "HenzeVisagie", "gamma negative", lambda: HenzeVisagie(-1.0), ConfigError, ("gamma",)),
    BadInput(
        _N + "HenzeZirkler.beta", "no dimensions", lambda: HenzeZirkler().beta(9, 0), ConfigError, ("dim",)
    ),
]
