"""Whether the embedding is the Gaussian that SIGReg asks for."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_finite, check_number, check_size
from .._typing import shapechecked
from ..errors import LeWorldError
from ..metrics import effective_rank, participation_ratio, sliced_normality
from ..normality import AndersonDarling
from ._html import figure, grid, paragraph, table
from ._plot import Plot
from ._section import Section

TITLE = "Gaussianity"


@dataclass(frozen=True)
class Spread:
    """How an embedding is spread: directions in use, its size, and how like a Gaussian it is.

    `std` is the mean standard deviation of a component. `p_value` is that of `num_independent` samples for
    N(0, I), None where it is not defined for the reason `untested`; `asked` says whether the model's
    regularizer asks for a Gaussian.
    """

    rank: float
    dim: int
    p_value: float | None = None
    rejected: float = math.nan
    num_slices: int = 0
    num_independent: int = 0
    untested: str = ""
    asked: bool = False
    std: float = math.nan


_RANGE = 4.0
_NUM_BINS = 32


@shapechecked
def gaussianity_section(
    embeddings: Float[Tensor, "sample dim"],
    independent: Float[Tensor, "observation dim"] | None = None,
    *,
    num_slices: int = 4,
    seed: int = 0,
) -> Section:
    """Show slices of an embedding beside N(0, 1): histograms, quantiles, and a test.

    Args:
        embeddings: Many samples, for the pictures; at least 8.
        independent: Independent samples, one an episode, for the test; without them there is none, since
            neighbouring frames are near copies and would make any test reject.
        num_slices: Number of random orthogonal directions to draw, at most dim.
        seed: Which directions.

    Raises:
        ShapeError: Too few samples, or not floating-point.
        ConfigError: An option out of range.
        NonFiniteError: NaN or infinite entries.

    Example:
        ```python
        import torch
        from leworld.report import gaussianity_section

        samples = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
        assert "effective rank" in gaussianity_section(samples, samples).body
        ```
    """
    owner = "gaussianity_section"
    check_size(owner, "embeddings", embeddings, 0, "sample", low=8, fix="Pass more samples, one a row")
    check_number(owner, "num_slices", num_slices, low=1, high=embeddings.shape[1], integer=True)
    check_number(owner, "seed", seed, low=0, high=2**62, integer=True)
    check_finite(owner, "embeddings", embeddings)
    rows = embeddings.detach().cpu().double()
    generator = torch.Generator().manual_seed(seed)
    turn, _ = torch.linalg.qr(
        torch.randn(rows.shape[1], num_slices, generator=generator, dtype=torch.float64, device="cpu")
    )
    slices = (rows @ turn).numpy()
    figures = [_histogram(slices[:, index], index + 1) for index in range(num_slices)]
    figures.append(_quantiles(slices))
    spread, spread_of = rows.std(dim=0), measure_spread(rows, independent)
    facts = [
        ("samples, components", f"{rows.shape[0]:,}, {rows.shape[1]}"),
        ("norm of the mean (0 asked)", f"{float(rows.mean(dim=0).norm()):.3f}"),
        ("standard deviation of a component (1 asked)", f"{float(spread.mean()):.3f}, from "
         f"{float(spread.min()):.3f} to {float(spread.max()):.3f}"),
        ("effective rank (RankMe)", f"{spread_of.rank:.1f} of {rows.shape[1]}"),
        ("participation ratio", f"{float(participation_ratio(rows)):.1f}"),
    ]  # fmt: skip
    test = spread_of.untested
    if spread_of.p_value is not None:
        p = "p < 1e-6" if spread_of.p_value < 1e-6 else f"p = {spread_of.p_value:.2g}"
        test = (
            f"{p} on {spread_of.num_independent} independent samples; {spread_of.rejected:.0%} of "
            f"{spread_of.num_slices} slices are rejected at 5 %"
        )
    facts.append(("test for N(0, I), Anderson-Darling on slices", test))
    lead = (
        "SIGReg asks embeddings to follow an isotropic Gaussian, so that every direction carries information "
        "and none collapses. Random slices of the embedding should look like N(0, 1), the smooth curve."
    )
    body = paragraph(lead) + table(("what", "value"), facts, label="Gaussianity in numbers", numbers=2)
    return Section(TITLE, body + grid(*figures))


def measure_spread(rows: Tensor, independent: Tensor | None, *, asked: bool = False) -> Spread:
    """Measure how embeddings "sample dim" are spread, and test independent ones for N(0, I)."""
    rows = rows.detach().cpu().double()
    rank, dim, std = float(effective_rank(rows, center=True)), rows.shape[1], float(rows.std(dim=0).mean())
    if independent is None:
        reason = "Not tested: no independent samples were given."
        return Spread(rank, dim, untested=reason, asked=asked, std=std)
    try:
        result = sliced_normality(independent.detach().cpu(), AndersonDarling())
    except LeWorldError as error:
        return Spread(rank, dim, untested=f"undefined: {error}", asked=asked, std=std)
    return Spread(
        rank,
        dim,
        p_value=result.p_value,
        rejected=result.rejected,
        num_slices=len(result.slice_p_values),
        num_independent=len(independent),
        asked=asked,
        std=std,
    )


def _histogram(values: np.ndarray, number: int) -> str:
    edges = np.linspace(-_RANGE, _RANGE, _NUM_BINS + 1)
    counts, _ = np.histogram(np.clip(values, -_RANGE, _RANGE), edges)
    density = counts / (len(values) * (edges[1] - edges[0]))
    fine = np.linspace(-_RANGE, _RANGE, 81)
    normal = np.exp(-(fine**2) / 2) / np.sqrt(2 * np.pi)
    top = 1.1 * max(float(density.max()), 0.4)
    chart = Plot((-_RANGE, _RANGE), (0.0, top), x_label="projection", y_label="density", height=200)
    chart.steps(edges, density)
    chart.line(fine, normal, series=2)
    alt = (
        f"Histogram of slice {number}: mean {values.mean():.2f}, standard deviation {values.std():.2f}, "
        "with the density of N(0, 1)."
    )
    caption = f"Slice {number}: mean {values.mean():.2f}, standard deviation {values.std():.2f}."
    return figure(chart.svg(alt), caption, legend={"embedding": 1, "N(0, 1)": 2})


def _quantiles(slices: np.ndarray) -> str:
    shares = (np.arange(99) + 1) / 100
    normal = np.array([NormalDist().inv_cdf(share) for share in shares])
    ours = np.quantile(slices, shares, axis=0)
    reach = max(3.0, float(np.abs(ours).max()))
    chart = Plot(
        (-2.6, 2.6), (-reach, reach), x_label="quantile of N(0, 1)", y_label="quantile of slice", height=200
    )
    chart.line((-2.6, 2.6), (-2.6, 2.6), series=2)
    for index in range(slices.shape[1]):
        chart.points(normal, ours[:, index], series=1)
    gap = float(np.abs(ours - normal[:, None]).max())
    alt = f"Quantiles of the slices against those of N(0, 1); the largest gap is {gap:.2f}."
    return figure(chart.svg(alt), f"Quantiles, 1 % to 99 %; the largest gap is {gap:.2f}.",
                  legend={"slices": 1, "N(0, 1)": 2})  # fmt: skip
