"""What results say of a model: good, not good or unclear, each compared with something."""

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any

from .._checks import describe
from ..errors import ConfigError
from ..evaluation import (
    DiagnosisResult,
    GoalReachingResult,
    OpenLoopResult,
    ProbeRow,
    ProbingResult,
    SurpriseResult,
    TrainingOverlap,
)
from ..metrics import GoalMonotonicity, Interval, wilson_interval
from . import _diagnosis, _monotonicity, _open_loop, _planning, _probing, _surprise
from ._difference import paired_difference
from ._gaussianity import TITLE as GAUSSIANITY
from ._gaussianity import Spread
from ._verdict import Grade, VerdictLine

EPISODES = "Episodes"
# Fewest directions that a latent of a world can do with: one direction alone tells no place in a plane, and
# the effective rank of a latent whose variance lies in one direction is 1.
COLLAPSED_BELOW = 2.0
# Share of its directions that a latent should use: those that stay unused do no harm, but a tenth is what the
# shipped models exceed, and below it a smaller latent would hold as much.
FEW_DIRECTIONS = 0.1
# A rank has no size: a latent that shrank as a whole keeps it. A regularizer that asks for a Gaussian asks
# for a standard deviation of 1; less than a quarter is what `CollapseMonitor` warns of in training.
SHRUNK_BELOW = 0.25
# A Gaussian latent is called another in one report of a hundred.
REJECTED_BELOW = 0.01
# A probe that surely explains more than half of the variance knows more than it misses.
MOSTLY_READ = 0.5
# An event that is noticed less often than not is no alarm to rely on, though it beats chance.
MOSTLY_NOTICED = 0.5
_NOTICED = {
    "good": "Events that raise an alarm",
    "unclear": "Events that raise an alarm less often than not",
    "poor": "Events that raise an alarm no more often than normal frames do",
}


def verdict_lines(result: object) -> tuple[VerdictLine, ...]:
    """Judge a result: one line for each thing that it decides, each with what it was compared with.

    A difference is claimed only where the 95 % interval excludes its absence; else the line is "unclear", or
    "poor" where the model does not even look better. The thresholds:

    - **Collapse**: an effective rank below 2 is a collapse, since one direction tells no place in a plane;
      below a tenth of the latent's size it is "unclear". If the regularizer asks for a Gaussian, a standard
      deviation below 0.25 is a collapse whatever the rank: 1 is asked for.
    - **Gaussianity**: rejected at p < 0.01, by which one Gaussian latent of a hundred is called another. That
      is "poor" for models whose regularizer asks for it, and "unclear" for others.
    - **Probes**: good if the interval of R2 lies above 0.5 (more is read than missed), poor if it holds 0 (no
      better than the mean); for classes, the share of the most frequent one takes the place of 0.
    - **Surprise**: good if more events than false alarms raise an alarm, by their intervals, and more than
      half of the events; poor if no more than false alarms do.
    - **Planning**: good if the interval of the difference of success, pair by pair, lies above 0 against
      random actions, and holds 0 or lies above it against the oracle.
    - **Error by horizon**: good if every step is nearer to the truth than a copy of the last frame, poor if
      none is; and poor if the actions of others predict as well.
    - **Plan rank, metric monotonicity**: good if better than one half, by a 95 % bound.

    Args:
        result: What `diagnose`, `goal_reaching`, `open_loop`, `probing`, `surprise`, `metric_monotonicity` or
            `training_overlap` of `leworld.evaluation` returned.

    Raises:
        ConfigError: Another kind of result.

    Source:
        Intervals: Wilson, 1927; of differences: Newcombe, Statistics in Medicine 17, 1998, method 10 for
        independent and for paired proportions. Thresholds are conventions of this report.

    Example:
        ```python
        from leworld.evaluation import OpenLoopResult
        from leworld.report import verdict_lines

        latent = {"model": (0.1, 0.2), "copy": (1.0, 2.0), "shuffled": (0.1, 0.2)}
        lines = verdict_lines(OpenLoopResult(latent=latent, physical={}, num_windows=10))
        assert [line.grade for line in lines] == ["good", "poor"]  # it ignores its actions
        ```
    """
    for kind, rule in RULES.items():
        if isinstance(result, kind):
            return tuple(rule(result))
    raise ConfigError(
        f"verdict_lines needs a result of one of {', '.join(kind.__name__ for kind in RULES)}",
        f"`result` is {describe(result)}",
        "Pass what a function of `leworld.evaluation` returned",
    )


def _held_out(overlap: TrainingOverlap) -> list[VerdictLine]:
    grade: Grade = "poor" if overlap.num_shared else "good" if overlap.complete else "unclear"
    text = f"Of the episodes on this page: {overlap.sentence}."
    return [VerdictLine(grade, text, "the record of the training", EPISODES)]


def spread_lines(spread: Spread) -> list[VerdictLine]:
    """Judge how the latent is spread: how many directions it uses, how widely, and whether it is Gaussian."""
    rank = f"The latent uses {spread.rank:.1f} of {spread.dim} directions (effective rank)"
    few = max(COLLAPSED_BELOW, FEW_DIRECTIONS * spread.dim)
    grade: Grade = "poor"
    against = "one direction, a collapse"
    if spread.rank < COLLAPSED_BELOW:
        words = f"{rank}: it has collapsed."
    elif spread.asked and spread.std < SHRUNK_BELOW:
        words = f"{rank}, but its standard deviation is {spread.std:.2g}: it has shrunk."
        against = "the standard deviation of 1 that its regularizer asks for"
    else:
        grade = "unclear" if spread.rank < few else "good"
        words = f"{rank}, which is few." if grade == "unclear" else f"{rank}: it has not collapsed."
    lines = [VerdictLine(grade, words, against, GAUSSIANITY)]
    if spread.p_value is not None:
        small = "p < 1e-6" if spread.p_value < 1e-6 else f"p = {spread.p_value:.2g}"
        test = f"({small}, {spread.num_independent} independent frames)"
        if spread.p_value >= REJECTED_BELOW:
            lines.append(
                VerdictLine("good", f"It may well be Gaussian {test}.", "a standard Gaussian", GAUSSIANITY)
            )
        elif spread.asked:
            words = f"It is not the Gaussian that its regularizer asks for {test}."
            lines.append(VerdictLine("poor", words, "a standard Gaussian", GAUSSIANITY))
        else:
            words = f"It is not Gaussian {test}, and no regularizer of this model asks for that."
            lines.append(VerdictLine("unclear", words, "a standard Gaussian", GAUSSIANITY))
    return lines


def _diagnosed(result: DiagnosisResult) -> list[VerdictLine]:
    title, against = _diagnosis.TITLE, "probes on the pixels, and the parts of other frames"
    lines = []
    for finding in result.findings:
        grade: Grade = "unclear" if finding.startswith("undefined") else "poor"
        lines.append(VerdictLine(grade, f"{_sentence(finding)}", against, title))
    if not any(line.grade == "poor" for line in lines):
        words = "No part of the observation is ignored, and no quantity that the pixels show is lost."
        lines.append(VerdictLine("good", words, against, title))
    if math.isnan(result.rank):
        return lines
    # Under chance a rank is uniform: its standard deviation is 1 / sqrt(12), its mean's smaller by sqrt(n).
    margin = NormalDist().inv_cdf(0.975) / math.sqrt(12 * max(result.num_problems, 1))
    words = f"By its cost, the plan that reached the goal ranks at {100 * result.rank:.0f} % (0 % is best)"
    if result.rank < 0.5 - margin:
        lines.append(VerdictLine("good", f"{words}.", "chance, which is 50 %", title))
    else:
        grade = "unclear" if result.rank < 0.5 else "poor"
        lines.append(VerdictLine(grade, f"{words}: not shown to be better.", "chance, which is 50 %", title))
    return lines


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _probed(result: ProbingResult) -> list[VerdictLine]:
    best: dict[tuple[str, str], ProbeRow] = {}
    for row in result.rows:
        key = (row.quantity, row.model)
        if row.undefined is None and (key not in best or _skill(row) > _skill(best[key])):
            best[key] = row
        elif row.undefined is not None:
            best.setdefault(key, row)
    several = len({row.model for row in result.rows}) > 1
    return [_probe_line(row, f" in {row.model}" if several else "") for row in best.values()]


def _skill(row: ProbeRow) -> float:
    value = row.r2 if math.isnan(row.accuracy) else row.accuracy
    return -math.inf if math.isnan(value) else value


def _probe_line(row: ProbeRow, where: str) -> VerdictLine:
    title, name = _probing.TITLE, f"{row.quantity}{where}"
    if row.undefined is not None:
        words = f"{name} could not be read: {row.undefined.rstrip('.')}."
        return VerdictLine("unclear", words, "the mean of the quantity", title)
    if not math.isnan(row.accuracy):
        value, bounds, floor, enough = row.accuracy, row.accuracy_interval, row.chance, row.chance
        what, against = f"{100 * row.accuracy:.0f} % of the classes", "the most frequent class"
    else:
        value, bounds, floor, enough = row.r2, row.r2_interval, 0.0, MOSTLY_READ
        what, against = f"R2 {row.r2:.3f}", "the mean of the quantity, which has R2 0"
    inside = "" if bounds is None else f" [{bounds.low:.3f},\u00a0{bounds.high:.3f}]"
    low = value if bounds is None else bounds.low
    words = f"{_sentence(name)[:-1]} is read off the latent with {what}{inside}, {row.probe} probe"
    if low > enough:
        return VerdictLine("good", f"{words}.", against, title)
    if low <= floor:
        return VerdictLine("poor", f"{words}: not shown to be better.", against, title)
    return VerdictLine("unclear", f"{words}: better, but much is missed.", against, title)


def _surprised(result: SurpriseResult) -> list[VerdictLine]:
    level, title = result.levels[0], _surprise.TITLE
    count, total = level.frames["all"]
    asked = f"{100 * level.rate:g} % asked for"
    if not total:
        return [VerdictLine("unclear", "No normal frame was left to judge alarms by.", asked, title)]
    false = wilson_interval(count, total)
    told: dict[Grade, list[str]] = {}
    for row in result.rows:
        bounds = wilson_interval(row.num_detected[0], row.num_events)
        beats = bounds.low > false.high
        grade: Grade = "poor" if not beats else "good" if row.detected > MOSTLY_NOTICED else "unclear"
        share = _share(row.num_detected[0], row.num_events, bounds)
        told.setdefault(grade, []).append(f"{row.kind} {share}, AUROC {row.auroc:.2f}")
    against = f"{_share(count, total, false)} of normal frames, and an AUROC of 0.5"
    lines = [
        VerdictLine(grade, f"{_NOTICED[grade]}: {'; '.join(kinds)}.", against, title)
        for grade, kinds in told.items()
    ]
    for name, (alarms, of) in (("normal frames", (count, total)), *level.events.items()):
        if of and wilson_interval(alarms, of).low > level.rate:
            words = f"False alarms, {name}: {_share(alarms, of, wilson_interval(alarms, of))}, which is more."
            lines.append(VerdictLine("poor", words, asked, title))
    lines += [
        VerdictLine("unclear", _sentence(f"{kind}: undefined. {reason}"), "normal frames", title)
        for kind, reason in result.undefined.items()
    ]
    return lines


def _share(count: int, total: int, bounds: Interval) -> str:
    return f"{100 * count / total:.0f}\u00a0% [{100 * bounds.low:.0f},\u00a0{100 * bounds.high:.0f}]"


def _planned(result: GoalReachingResult) -> list[VerdictLine]:
    beside = ("random", "oracle")
    lines = []
    for name, outcome in result.policies.items():
        if name in beside:
            continue
        rate = _share(sum(outcome.reached), len(outcome.reached), outcome.success_interval)
        lines += [
            _played(f"{name} reaches {rate} of {result.num_pairs} goals", outcome.reached, other, result)
            for other in beside
            if other in result.policies
        ]
        if not set(beside) & set(result.policies):
            words = f"{name} reaches {rate} of {result.num_pairs} goals; no other policy was played."
            lines.append(VerdictLine("unclear", words, "nothing", _planning.TITLE))
    return lines


def _played(words: str, reached: Sequence[bool], other: str, result: GoalReachingResult) -> VerdictLine:
    outcome = result.policies[other]
    gap, bounds = paired_difference(reached, outcome.reached)
    rate = _share(sum(outcome.reached), len(outcome.reached), outcome.success_interval)
    apart = f"difference {100 * gap:+.0f} [{100 * bounds.low:+.0f}, {100 * bounds.high:+.0f}] points"
    if other == "random":
        against = f"random actions, which reach {rate}"
        if bounds.low > 0:
            return VerdictLine("good", f"{words}, {apart}.", against, _planning.TITLE)
        grade: Grade = "unclear" if gap > 0 else "poor"
        return VerdictLine(grade, f"{words}, {apart}: not shown to be better.", against, _planning.TITLE)
    against = f"the same planner with the true dynamics (oracle), which reaches {rate}"
    if bounds.high < 0:
        text = f"{words}, {apart}: what is missing is the model's."
        return VerdictLine("poor", text, against, _planning.TITLE)
    grade = "good" if gap >= 0 else "unclear"
    return VerdictLine(grade, f"{words}, {apart}: no loss is shown.", against, _planning.TITLE)


def _imagined(result: OpenLoopResult) -> list[VerdictLine]:
    steps, useful, title = len(result.latent["model"]), result.useful_steps, _open_loop.TITLE
    words = f"For {useful} of {steps} steps it is nearer to the truth, over {result.num_windows} rollouts."
    grade: Grade = "good" if useful == steps else "unclear" if useful else "poor"
    lines = [VerdictLine(grade, words, "a copy of the last frame seen", title)]
    own, others = result.latent["model"][-1], result.latent["shuffled"][-1]
    against = "the same rollouts with the actions of others"
    if own < others:
        words = (
            f"Its error after {steps} steps is {own:.3g}, and {others:.3g} with other actions: it uses them."
        )
        return [*lines, VerdictLine("good", words, against, title)]
    words = f"Its error after {steps} steps is {own:.3g}, no less than with other actions: it ignores them."
    return [*lines, VerdictLine("poor", words, against, title)]


def _leading(result: GoalMonotonicity) -> list[VerdictLine]:
    total, title = sum(result.count), _monotonicity.TITLE
    if not total or math.isnan(result.overall):
        return [VerdictLine("unclear", "No step toward a goal was judged.", "chance", title)]
    lowered = round(result.overall * total)
    bounds = wilson_interval(lowered, total)
    words = f"{_share(lowered, total, bounds)} of steps toward a goal lower the latent distance to it"
    if bounds.low > 0.5:
        return [VerdictLine("good", f"{words}.", "chance, which is 50 %", title)]
    grade: Grade = "unclear" if result.overall > 0.5 else "poor"
    return [VerdictLine(grade, f"{words}: not shown to be more.", "chance, which is 50 %", title)]


RULES: dict[type, Callable[[Any], list[VerdictLine]]] = {
    TrainingOverlap: _held_out,
    DiagnosisResult: _diagnosed,
    ProbingResult: _probed,
    SurpriseResult: _surprised,
    GoalReachingResult: _planned,
    OpenLoopResult: _imagined,
    GoalMonotonicity: _leading,
}
