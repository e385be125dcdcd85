"""The tables of models that were trained and measured alike."""

from statistics import fmean, median
from typing import Any

from benchmarks.layout import interval, load, markdown, percent, source, table
from leworld.metrics import wilson_interval


@table
def tworoom_compare() -> str:
    """LeWM, PLDM and DINO-WM in TwoRoom."""
    return _compared("tworoom_compare")


@table
def arm_compare() -> str:
    """LeWM, PLDM and DINO-WM with the arm."""
    return _compared("arm_compare")


@table
def pusht_compare() -> str:
    """LeWM, PLDM and DINO-WM in Push-T."""
    return _compared("pusht_compare")


@table
def tworoom_rewarded() -> str:
    """Models of one task beside models of none, in TwoRoom."""
    result = load("tworoom_rewarded")
    protocols = result["settings"]["protocols"]
    by_model: dict[str, list[dict[str, Any]]] = {}
    for row in result["rows"]:
        by_model.setdefault(row["model"], []).append(row)
    lines = []
    for model, rows in by_model.items():
        cells = [_pooled([row["success"][protocol] for row in rows]) for protocol in protocols]
        seconds = fmean(row["training_seconds"] for row in rows)
        decision = median(row["plan"]["seconds"] for row in rows)
        flops = f"{rows[0]['plan']['flops'] / 1e9:.3f}"
        lines.append([model, str(len(rows)), *cells, f"{seconds:.0f}", flops, f"{decision:.3f}"])
    head = ["model", "trainings", *protocols, "training seconds", "GFLOP a decision", "seconds a decision"]
    pairs = result["settings"]["pairs"]
    return (
        f"{result['settings']['budget'].partition(';')[0]}, as many frames for all. {pairs} pairs a protocol "
        "and seed. Share of goals reached over all trainings with its 95 % Wilson interval, then the lowest "
        f"and the highest seed. Seconds are those of one CPU thread.\n\n{markdown(head, lines)}\n\n"
        f"{source(result)}"
    )


@table
def tworoom_proposals() -> str:
    """Success of TD-MPC2 over the evaluations of a search, with and without its policy's proposals."""
    result = load("tworoom_proposals")
    by_search: dict[tuple[str, bool], list[dict[str, Any]]] = {}
    for row in result["rows"]:
        by_search.setdefault((row["search"], row["proposals"]), []).append(row)
    lines = []
    for (search, proposals), rows in by_search.items():
        count, pairs = (sum(row[name] for row in rows) for name in ("reached", "pairs"))
        ends = wilson_interval(count, pairs)
        told = interval({"success": count / pairs, "low": ends.low, "high": ends.high})
        seconds = fmean(row["seconds"] for row in rows)
        guesses = "no" if not proposals else "yes" if rows[0]["evaluations"] else "-"
        lines.append([search, f"{rows[0]['evaluations']}", guesses, told, f"{seconds:.0f}"])
    head = ["search", "evaluations a decision", "proposals", "goals reached", "seconds for 100 pairs"]
    return f"{markdown(head, lines)}\n\n{source(result)}"


def _compared(name: str) -> str:
    """Goals reached by several models, trained alike, and what they cost."""
    result = load(name)
    protocols = result["settings"]["protocols"]
    by_model: dict[str, list[dict[str, Any]]] = {}
    for row in result["rows"]:
        by_model.setdefault(row["model"], []).append(row)
    found = result["rows"][0]["probe_r2"]
    quantities = [(quantity, probe) for quantity in found for probe in ("linear", "MLP")]
    reached, costs = [], []
    for model, rows in by_model.items():
        for key, search in (("success", "search"), ("success_at_fixed_flops", "search_at_fixed_flops")):
            if key != "success" and all(row["search"] == row[search] for row in rows):
                continue
            counts = " x ".join(map(str, rows[0][search]))
            told = counts if key == "success" else f"{counts}, fixed FLOPs"
            cells = [_pooled([row[key][protocol] for row in rows]) for protocol in protocols]
            reached.append([model, str(len(rows)), told, *cells])
        plan = rows[0]["plan"]
        r2 = [fmean(row["probe_r2"][quantity][probe]["r2"] for row in rows) for quantity, probe in quantities]
        costs.append(
            [
                model,
                *(f"{value:.3f}" for value in r2),
                f"{plan['flops'] / 1e9:.2f}",
                f"{plan['plain_flops'] / 1e9:.2f}",
                f"{median(row['plan']['seconds'] for row in rows):.2f}",
                f"{rows[0]['num_parameters']:,}",
                str(len(rows[0]["loss_weights"])),
                f"{fmean(row['training_seconds'] for row in rows):.0f}",
                f"{fmean(row['pretraining_seconds'] for row in rows):.0f}",
            ]
        )
    first = markdown(["model", "trainings", "search", *protocols], reached)
    head = ["model", *(_r2_words(quantity, probe, found) for quantity, probe in quantities)]
    head += ["GFLOP a plan", "without cache", "seconds a plan"]
    head += ["parameters", "loss weights", "training seconds", "of it before"]
    pairs = result["settings"]["pairs"]
    return (
        f"{result['settings']['budget']}. {pairs} pairs a protocol and seed; share of goals reached over all "
        "trainings with its 95 % Wilson interval, then the lowest and the highest seed. Seconds are those of "
        f"one CPU thread.\n\n{first}\n\n{markdown(head, costs)}\n\n{source(result)}"
    )


def _r2_words(quantity: str, probe: str, found: dict[str, Any]) -> str:
    return f"R2, {probe}" if len(found) == 1 else f"{quantity}: R2, {probe}"


def _pooled(found: list[dict[str, float]]) -> str:
    count, pairs = int(sum(one["reached"] for one in found)), int(sum(one["pairs"] for one in found))
    ends, shares = wilson_interval(count, pairs), [one["success"] for one in found]
    told = interval({"success": count / pairs, "low": ends.low, "high": ends.high})
    return f"{told}; {percent(min(shares))} to {percent(max(shares))}"
