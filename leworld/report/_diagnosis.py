"""What the losses of a model do not show."""

import math

from ..evaluation import DiagnosisResult
from ._html import check_result, paragraph, table
from ._section import Section

TITLE = "What the losses do not show"


def diagnosis_section(result: DiagnosisResult) -> Section:
    """Show a diagnosis: what is wrong in words, and the numbers behind it.

    Args:
        result: What `leworld.evaluation.diagnose` returned, or read from JSON.

    Raises:
        ConfigError: Another kind of result.

    Example:
        ```python
        from leworld.evaluation import DiagnosisResult, PartRow
        from leworld.report import diagnosis_section

        row = PartRow(part="pixels", change="shuffled", moved=0.01, error_ratio=1.0, rank=0.02, r2={})
        result = DiagnosisResult(
            within_share=0.5, independent_share=0.9, rank=0.02, contrast=0.4, horizon=5, num_problems=100,
            r2={}, pixel_r2={}, parts=(row,),
        )
        assert "blind to pixels" in diagnosis_section(result).body
        ```
    """
    check_result("diagnosis_section", "result", result, DiagnosisResult, "`diagnose`")
    lead = (
        f"{_percent(result.within_share)} of the latent's variance lies within episodes (independent frames: "
        f"{_percent(result.independent_share)}). Among what other episodes did, the plan that reached the "
        f"goal {result.horizon} steps ahead ranks at {_percent(result.rank)} by its cost (0 % is best, 50 % "
        f"is chance); those costs differ by {_number(result.contrast)} of their mean. Below, each part of "
        "the observation is exchanged between frames (shuffled) or replaced by its mean (blanked): a part "
        "that matters moves the latent, raises the error and the rank, and takes away what probes read."
    )
    header = ["observation", "latent moved", "one-step error", "rank", *(f"R2, {name}" for name in result.r2)]
    rows = [["as it is", "0.00", "x 1.00", _number(result.rank), *map(_number, result.r2.values())]]
    for row in result.parts:
        scores = [_number(row.r2.get(name, math.nan)) for name in result.r2]
        numbers = [_number(row.moved), f"x {_number(row.error_ratio)}", _number(row.rank)]
        rows.append([f"{row.part} {row.change}", *numbers, *scores])
    if result.pixel_r2:
        scores = [_number(result.pixel_r2.get(name, math.nan)) for name in result.r2]
        rows.append(["a probe on pixels", "", "", "", *scores])
    told = [paragraph(finding, style="missing") for finding in result.findings]
    if not told:
        told = [paragraph("No part is blind and no quantity is lost.")]
    body = paragraph(lead) + table(header, rows, label="Diagnosis", numbers=1)
    return Section(TITLE, body + "".join(told))


def _percent(value: float) -> str:
    return "an unknown share" if math.isnan(value) else f"{100 * value:.0f} %"


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"
