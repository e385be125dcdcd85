"""Two models side by side on one page."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from .._checks import describe, plain_numbers
from ..data import Episodes
from ..errors import ConfigError
from ..evaluation import (
    DiagnosisResult,
    GoalReachingResult,
    OpenLoopResult,
    ProbingResult,
    Quantity,
    SurpriseResult,
)
from ..metrics import GoalMonotonicity, Interval, wilson_interval
from ..models import WorldModel
from ..tasks import Task
from . import _diagnosis, _gaussianity, _monotonicity, _open_loop, _planning, _probing, _surprise
from ._difference import paired_difference, share_difference
from ._gaussianity import Spread
from ._html import escape, paragraph, table
from ._page import render_page
from ._parts import PARTS, Part, make_part
from ._section import Section
from ._subject import Subject, checked_subject
from ._verdict import verdict_section

TITLE = "Which is better"
_NO_INTERVAL = "no interval, so not judged"
Row = tuple[str, str, str, str, str]


@plain_numbers
def compare_report(
    models: Mapping[str, WorldModel],
    episodes: Episodes,
    *,
    sources: Mapping[str, str | Path] | None = None,
    task: Task | None = None,
    quantities: Mapping[str, Quantity] | None = None,
    num_pairs: int = 8,
    seed: int = 0,
    progress: bool = True,
) -> str:
    """Measure two models on the same episodes and pairs, and show them side by side on one page.

    On top stands a table of all measures: both values, their difference with a 95 % interval, and which model
    is better. A difference is claimed only where its interval excludes 0. Shares of the same pairs are
    compared pair by pair; R2 and accuracy of probes only by whether the two intervals are apart, which claims
    less than it could. Measures without an interval are shown and not judged. Below stand the verdict on each
    model and every part of `build_report` for both.

    Costs two reports, the baselines of planning once.

    Args:
        models: Two models by name, each with its processor.
        episodes: Episodes to measure on, best such that neither was trained on.
        sources: Name or folder that a model was loaded from, by its name: for its record and training log.
        task: The task of both models' world, see `leworld.tasks.task_of`.
        quantities: What probes read; default: the task's, or `recorded_quantities`.
        num_pairs: Pairs of start and goal to plan.
        seed: Decides everything that is drawn.
        progress: Show progress bars on the error stream if that is a terminal.

    Returns:
        The HTML text, as of `build_report`.

    Raises:
        ConfigError: Not two models by name, or what `build_report` refuses.

    Source:
        Newcombe, Statistics in Medicine 17, 1998, method 10 for paired and for independent proportions.

    Example:
        ```python
        import numpy as np
        from leworld.data import Episodes, Processor
        from leworld.models import WorldModel
        from leworld.report import compare_report

        class Blind(WorldModel):
            history_size, embedding_dim, action_dim = 1, 3, 1

            def _encode(self, observations):
                return observations.mean(dim=(-2, -1))

            def _predict(self, embeddings, actions):
                return embeddings

            def _loss(self, batch, generator):
                raise NotImplementedError

        one, two = Blind(), Blind()
        one.processor = Processor(200, frameskip=1, action_dim=1, action_mean=(0.0,), action_std=(1.0,))
        two.processor = one.processor
        frames = np.random.default_rng(0).integers(0, 256, (60, 4, 4, 3), np.uint8)
        episodes = Episodes(frames, np.zeros((60, 1), np.float32), lengths=np.full(12, 5))
        page = compare_report({"one": one, "two": two}, episodes, progress=False)
        assert "Which is better" in page and "Verdict on two" in page
        ```
    """
    names = _two_names(models)
    places = {} if sources is None else sources
    if not isinstance(places, Mapping) or set(places) - set(names):
        raise ConfigError(
            "compare_report needs `sources` to give places by the names of `models`",
            f"`sources` is {describe(sources)} and the models are called {', '.join(names)}",
            'Pass for example sources={"a": "runs/a/model"}',
        )
    subjects: list[Subject] = []
    for name in names:
        subject = checked_subject(
            "compare_report",
            models[name],
            episodes,
            source=places.get(name),
            task=task,
            quantities=quantities,
            decoder=None,
            num_pairs=num_pairs,
            seed=seed,
            progress=progress,
        )
        subjects.append(replace(subject, name=name, baselines=() if subjects else subject.baselines))
    pairs: dict[str, tuple[Part, Part]] = {}
    bar = tqdm(PARTS, desc="report", unit="part", disable=not subjects[0].progress)
    for title in bar:
        bar.set_postfix_str(title)
        first, second = (make_part(title, subject) for subject in subjects)
        pairs[title] = _with_baselines(first, second)
    sections = [_better(names, pairs)]
    for number, name in enumerate(names):
        lines = [line for both in pairs.values() for line in both[number].lines]
        if lines:
            sections.append(Section(f"Verdict on {name}", verdict_section(lines).body))
    sections += [_joined(title, names, both) for title, both in pairs.items()]
    lead = f"{names[0]} (A) and {names[1]} (B), measured on the same {len(episodes)} episodes and pairs."
    return render_page(sections, title=f"Report: {names[0]} and {names[1]}", lead=lead)


def _two_names(models: object) -> tuple[str, str]:
    names = list(models) if isinstance(models, Mapping) else []
    if len(names) != 2 or not all(isinstance(name, str) and _section_fits(name) for name in names):
        raise ConfigError(
            "compare_report needs two models by name, each name with letters or digits",
            f"`models` is {describe(models)}",
            'Pass for example {"a": model_a, "b": model_b}',
        )
    anchors = {Section(f"Verdict on {name}", "").anchor for name in names}
    if len(anchors) < 2 or {"random", "oracle", "copy", "shuffled", "probe"} & set(names):
        raise ConfigError(
            "compare_report needs names that differ in letters or digits, other than those of baselines",
            f"the models are called {names[0]!r} and {names[1]!r}",
            "Rename one of them",
        )
    return names[0], names[1]


def _section_fits(name: str) -> bool:
    return any(letter.isalnum() and letter.isascii() for letter in name)


def _with_baselines(first: Part, second: Part) -> tuple[Part, Part]:
    """Give the second model's planning the baselines that were played once."""
    one, two = first.result, second.result
    if not isinstance(one, GoalReachingResult) or not isinstance(two, GoalReachingResult):
        return first, second
    from ._judgement import verdict_lines

    beside = {name: one.policies[name] for name in ("random", "oracle") if name in one.policies}
    both = replace(two, policies={**two.policies, **beside})
    return first, replace(second, lines=verdict_lines(both))


def _joined(title: str, names: Sequence[str], both: tuple[Part, Part]) -> Section:
    """Show one part of both models: in one table where there is one for several, else side by side."""
    one, two = both[0].result, both[1].result
    if isinstance(one, ProbingResult) and isinstance(two, ProbingResult):
        rows = [row for pair in zip(one.rows, two.rows, strict=False) for row in pair]
        predictions = {**one.predictions, **two.predictions}
        return _probing.probing_section(replace(one, rows=tuple(rows), predictions=predictions))
    if isinstance(one, GoalReachingResult) and isinstance(two, GoalReachingResult):
        order = [*(name for name in names if name in {*one.policies, *two.policies}), *one.policies]
        policies, recordings = {**one.policies, **two.policies}, {**one.recordings, **two.recordings}
        merged = replace(
            one,
            policies={name: policies[name] for name in order},
            recordings={name: recordings[name] for name in order if name in recordings},
        )
        return _planning.planning_section(merged)
    sides = "".join(
        f"<div><h3>{escape(f'{letter}: {name}')}</h3>{part.section.body}</div>"
        for letter, name, part in zip("AB", names, both, strict=True)
    )
    return Section(title, f'<div class="sides">{sides}</div>')


def _better(names: Sequence[str], pairs: Mapping[str, tuple[Part, Part]]) -> Section:
    rows: list[Row] = []
    for title, judge in _ROWS.items():
        one, two = (part.result for part in pairs[title])
        if one is not None and two is not None:
            rows += judge(one, two)
    if not rows:
        return Section(TITLE, paragraph("Nothing could be measured of both.", style="missing"))
    wins = {letter: sum(row[4].startswith(letter) for row in rows) for letter in "AB"}
    judged = sum(_NO_INTERVAL not in row[4] for row in rows)
    lead = (
        f"{names[0]} (A) is better in {wins['A']} and {names[1]} (B) in {wins['B']} of {judged} measures "
        "that can be judged; in the others no difference is shown. Brackets hold 95 % intervals; with so "
        "many measures, one in twenty may differ by chance."
    )
    header = ("measure", f"A: {names[0]}", f"B: {names[1]}", "A - B", "better")
    return Section(TITLE, paragraph(lead) + table(header, rows, label="Both models by measure"))


def _told(gap: float, bounds: Interval, *, more_is_better: bool = True) -> tuple[str, str]:
    """Return the difference of shares in points, and who is better if the interval excludes 0."""
    told = f"{100 * gap:+.0f} [{100 * bounds.low:+.0f}, {100 * bounds.high:+.0f}]"
    if bounds.low <= 0 <= bounds.high:
        return told, "no difference shown"
    return told, "A" if (bounds.low > 0) == more_is_better else "B"


def _share(count: int, total: int) -> str:
    bounds = wilson_interval(count, total)
    return f"{100 * count / total:.0f} % [{100 * bounds.low:.0f}, {100 * bounds.high:.0f}]"


def _planning_rows(one: GoalReachingResult, two: GoalReachingResult) -> list[Row]:
    first, second = next(iter(one.policies.values())), next(iter(two.policies.values()))
    rows: list[Row] = []
    for name, a, b in (
        ("goals reached", first.reached, second.reached),
        ("at the goal in the end", first.reached_at_last, second.reached_at_last),
    ):
        gap, bounds = paired_difference(a, b)
        rows.append((name, _share(sum(a), len(a)), _share(sum(b), len(b)), *_told(gap, bounds)))
    return rows


def _probing_rows(one: ProbingResult, two: ProbingResult) -> list[Row]:
    rows: list[Row] = []
    for a, b in zip(one.rows, two.rows, strict=False):
        if a.undefined is not None or b.undefined is not None:
            continue
        if math.isnan(a.accuracy):
            name, values = f"R2 of {a.quantity}, {a.probe}", (a.r2, b.r2)
            bounds = a.r2_interval, b.r2_interval
        else:
            name, values = f"accuracy of {a.quantity}, {a.probe}", (a.accuracy, b.accuracy)
            bounds = a.accuracy_interval, b.accuracy_interval
        cells = [_between(value, span) for value, span in zip(values, bounds, strict=True)]
        rows.append((name, cells[0], cells[1], f"{values[0] - values[1]:+.3f}", _apart(*bounds)))
    return rows


def _between(value: float, bounds: Interval | None) -> str:
    return f"{value:.3f}" + ("" if bounds is None else f" [{bounds.low:.3f}, {bounds.high:.3f}]")


def _apart(a: Interval | None, b: Interval | None) -> str:
    if a is None or b is None:
        return _NO_INTERVAL
    return "A" if a.low > b.high else "B" if b.low > a.high else "no difference shown"


def _surprise_rows(one: SurpriseResult, two: SurpriseResult) -> list[Row]:
    rows: list[Row] = []
    others = {row.kind: row for row in two.rows}
    for row in one.rows:
        other = others.get(row.kind)
        if other is None:
            continue
        a, b = (row.num_detected[0], row.num_events), (other.num_detected[0], other.num_events)
        name = f"{row.kind} noticed at {100 * one.levels[0].rate:g} % false alarms"
        rows.append((name, _share(*a), _share(*b), *_told(*share_difference(a, b))))
    a, b = one.levels[0].frames["all"], two.levels[0].frames["all"]
    if a[1] and b[1]:
        told = _told(*share_difference(a, b), more_is_better=False)
        rows.append(("false alarms, normal frames", _share(*a), _share(*b), *told))
    return rows


def _monotonicity_rows(one: GoalMonotonicity, two: GoalMonotonicity) -> list[Row]:
    counts = [(round(found.overall * sum(found.count)), sum(found.count)) for found in (one, two)
              if sum(found.count)]  # fmt: skip
    if len(counts) < 2:
        return []
    a, b = counts
    name = "steps toward a goal that lower its distance"
    return [(name, _share(*a), _share(*b), *_told(*share_difference(a, b)))]


def _plain(name: str, a: float, b: float, form: str) -> Row:
    return (name, format(a, form), format(b, form), format(a - b, f"+{form}"), _NO_INTERVAL)


def _open_loop_rows(one: OpenLoopResult, two: OpenLoopResult) -> list[Row]:
    a, b = (found.latent["model"][-1] / found.latent["copy"][-1] for found in (one, two))
    return [_plain("last error of imagined latents over that of a copy", a, b, ".3f")]


def _diagnosis_rows(one: DiagnosisResult, two: DiagnosisResult) -> list[Row]:
    return [_plain("rank of the plan that reached the goal (0 is best)", one.rank, two.rank, ".3f")]


def _spread_rows(one: Spread, two: Spread) -> list[Row]:
    return [_plain("effective rank over size", one.rank / one.dim, two.rank / two.dim, ".3f")]


_ROWS: Mapping[str, Any] = {
    _planning.TITLE: _planning_rows,
    _probing.TITLE: _probing_rows,
    _surprise.TITLE: _surprise_rows,
    _monotonicity.TITLE: _monotonicity_rows,
    _open_loop.TITLE: _open_loop_rows,
    _diagnosis.TITLE: _diagnosis_rows,
    _gaussianity.TITLE: _spread_rows,
}
