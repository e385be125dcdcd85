"""How far the model's imagination strays, step by step."""

from collections.abc import Mapping

from ..errors import ConfigError
from ..evaluation import OpenLoopResult
from ._html import check_result, figure, grid, paragraph
from ._plot import Plot, span
from ._section import Section

TITLE = "Error by horizon"
_BASELINES = ("copy", "shuffled", "probe")
_SERIES = {"model": 1, "copy": 2, "shuffled": 4, "probe": 3}


def open_loop_section(result: OpenLoopResult, name: str = "model") -> Section:
    """Show the error of imagined embeddings by steps ahead, beside its baselines.

    Args:
        result: What `leworld.evaluation.open_loop` returned.
        name: Name of the run, for its curve.

    Raises:
        ConfigError: Another kind of result, or a name that is no text or that of a baseline.

    Example:
        ```python
        from leworld.evaluation import OpenLoopResult
        from leworld.report import open_loop_section

        latent = {"model": (0.1, 0.2), "copy": (1.0, 2.0), "shuffled": (1.5, 3.0)}
        section = open_loop_section(OpenLoopResult(latent=latent, physical={}, num_windows=10))
        assert "nearer to the truth" in section.body
        ```
    """
    check_result("open_loop_section", "result", result, OpenLoopResult, "`open_loop`")
    if not isinstance(name, str) or name in _BASELINES or not name:
        raise ConfigError(
            "open_loop_section needs `name` to be the name of a run, other than those of the baselines",
            f"it is {name!r}",
            "Pass the run's name",
        )
    steps = len(result.latent["model"])
    lead = (
        f"{result.num_windows} rollouts see a few frames and then only actions. For {result.useful_steps} of "
        f"{steps} steps the model is nearer to the truth than a copy of the last frame. A model that is no "
        "better than with the actions of other rollouts (shuffled) ignores its actions."
    )
    figures = [_chart(result.latent, name, "squared latent distance", "Latent error")]
    if result.physical:
        figures.append(_chart(result.physical, name, "distance, world units", "Error of the probed state"))
    return Section(TITLE, paragraph(lead) + grid(*figures))


def _chart(found: Mapping[str, tuple[float, ...]], own: str, label: str, caption: str) -> str:
    curves = {own if name == "model" else name: values for name, values in found.items()}
    series = {own if name == "model" else name: _SERIES.get(name, 4) for name in found}
    steps = range(1, 1 + len(curves[own]))
    bounds = span(*curves.values(), log=True)
    chart = Plot(span(steps, margin=0.03), bounds, x_label="steps ahead", y_label=label, y_log=True)
    for name, values in curves.items():
        chart.line(steps, values, series=series[name])
        chart.points(steps, values, series=series[name], large=True)
    last = ", ".join(f"{name} {values[-1]:.3g}" for name, values in curves.items())
    more = " The probe's own error on true embeddings is its floor." if "probe" in curves else ""
    return figure(
        chart.svg(f"{caption} after {len(steps)} steps: {last}."),
        f"{caption} after {len(steps)} steps: {last}.{more}",
        legend=series,
    )
