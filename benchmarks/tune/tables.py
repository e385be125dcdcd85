"""The tables of lambda: which figure follows success, and what the search finds."""

from statistics import fmean
from typing import Any

from benchmarks.layout import load, markdown, percent, source, table

_WORDS = {
    "agreement_h5": "R2 of plans, worst component",
    "agreement_mean_h5": "R2 of plans, mean",
    "correlation_h5": "correlation of plans, worst component",
    "rank_h1": "rank of the expert's plan, horizon 1",
    "rank_h5": "rank of the expert's plan",
    "rank_h10": "rank of the expert's plan, horizon 10",
    "half_rank_h5": "rank among plans half as far off",
    "worst_component_rank_h5": "rank among plans that differ in one action component",
    "contrast_h5": "contrast of costs",
    "inverse_h1": "actions between neighbouring frames, MLP probe",
    "inverse_h5": "actions over five blocks, MLP probe",
    "time_order": "distance against time apart",
    "error_over_move_h5": "imagined end: error over distance moved",
    "error_over_random_h5": "imagined end: error over distance of random frames",
    "pixels_ridge": "pictures read off linearly",
    "pixels_knn": "pictures read off by neighbours",
    "effective_rank": "effective rank",
    "worst_r2": "state read off by an MLP, worst quantity (needs states)",
    "num_lost": "quantities lost (needs states)",
    "within_share": "variance within episodes",
}


@table
def tune_sweep() -> str:
    """Success and the figure of `tune` over lambda, one table a task."""
    result = load("tune_sweep")
    parts = []
    for row in result["rows"]:
        head = ["lambda", *row["runs"][0]["success"], "correlation of plans", "rank of the expert's plan"]
        head += ["contrast", "effective rank"]
        lines = []
        for run in row["runs"]:
            found = run["figures"]
            cells = [f"{run['weight']:g}", *(percent(value) for value in run["success"].values())]
            cells += [f"{found['correlation_h5']:.2f}", percent(found["rank_h5"])]
            lines.append([*cells, f"{found['contrast_h5']:.2f}", f"{found['effective_rank']:.1f}"])
        parts.append(
            f"`{row['task']}`, {row['steps']:,} steps, {row['pairs']} pairs a protocol, seed "
            f"{row['seed']}, {row['sweep_seconds'] / 60:.0f} CPU minutes:\n\n{markdown(head, lines)}"
        )
    return "\n\n".join([*parts, source(result)])


@table
def tune_figures() -> str:
    """How well each figure follows success, the best first."""
    result = load("tune_sweep")
    tasks = [row["task"] for row in result["rows"]]
    told = {row["task"]: {part["figure"]: part for part in row["figures"]} for row in result["rows"]}
    lines: list[tuple[float, list[str]]] = []
    for name, words in _WORDS.items():
        found: list[dict[str, Any]] = [told[task][name] for task in tasks if name in told[task]]
        if len(found) < len(tasks):
            continue
        cells = [words]
        for part in found:
            cells += [f"{part['spearman']:.2f}", f"{part['chosen']:g}", percent(part["success_of_chosen"])]
        lines.append((-fmean(part["spearman"] for part in found), cells))
    head = ["figure"]
    for row in result["rows"]:
        head += [f"{row['task']}: rank correlation", f"lambda chosen (best {row['best']:g})"]
        head.append(f"its success (best {percent(row['best_success'])})")
    return f"{markdown(head, [cells for _, cells in sorted(lines)])}\n\n{source(result)}"


@table
def tune_found() -> str:
    """What the search found, beside the sweep."""
    result = load("tune")
    head = [
        "task",
        "lambda found",
        "best of the sweep",
        "factor",
        "trainings",
        "steps each",
        "the sweep's steps",
        "CPU seconds",
        "the sweep's",
        "share",
    ]
    lines = [
        [
            row["task"],
            f"{row['found']:g}",
            f"{row['sweep_best']:g}",
            f"{row['factor']:.1f}",
            str(len(row["search"])),
            f"{row['steps']:,}",
            f"{row['sweep_steps']:,}",
            f"{row['seconds']:.0f}",
            f"{row['sweep_seconds']:.0f}",
            percent(row["share_of_sweep"]),
        ]
        for row in result["rows"]
    ]
    return f"{markdown(head, lines)}\n\n{source(result)}"
