"""Tables of TwoRoom."""

import math
from typing import Any

import torch

from benchmarks.layout import PROTOCOLS, interval, load, markdown, percent, source, table
from leworld.metrics import paired_t_test, wilson_interval


@table
def tworoom_shipped() -> str:
    """Goal reaching of the shipped model beside random actions and the oracle."""
    result = load("lewm_tworoom_tiny")
    rows = [
        [row["protocol"], *(interval(row[name]) for name in ("LeWM", "random", "oracle"))]
        for row in result["rows"]
    ]
    head = ["protocol", "lewm-tworoom-tiny", "random actions", "planner on the true dynamics"]
    pairs = result["settings"]["pairs"]
    return (
        f"Share of {pairs} pairs reached, those solved at the start left out, 95 % Wilson intervals:\n\n"
        f"{markdown(head, rows)}\n\n{source(result)}"
    )


@table
def tworoom_seeds() -> str:
    """The recipe over seeds."""
    result = load("tworoom_seeds")
    rows = [
        [
            str(row["seed"]),
            f"{row['cpu_seconds'] / 60:.1f}",
            *(percent(row[protocol]) for protocol in PROTOCOLS),
            f"{row['probe_r2']:.3f}",
            f"{row['embedding_std']:.2f}",
            f"{row['effective_rank']:.1f}",
        ]
        for row in result["rows"]
    ]
    mean = result["settings"]["mean"]
    middle = [f"{mean['cpu_seconds'] / 60:.1f}", *(interval(mean[protocol]) for protocol in PROTOCOLS)]
    rows.append(["mean", *middle, "", "", ""])
    head = ["seed", "CPU minutes", *PROTOCOLS, "linear-probe R2", "embedding std", "effective rank"]
    return (
        f"The recipe from several seeds, {result['settings']['num_parameters']:,} parameters, with data "
        f"collection:\n\n{markdown(head, rows)}\n\n{source(result)}"
    )


def spread(values: list[float], digits: int) -> str:
    """Mean and range over seeds."""
    low, high = min(values), max(values)
    return f"{sum(values) / len(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def pooled(shares: list[float], pairs: int) -> str:
    """Success over the pairs of all seeds with its interval, and the range over seeds."""
    found = wilson_interval(round(sum(shares) * pairs), len(shares) * pairs)
    low, high = percent(min(shares)), percent(max(shares))
    mean = percent(sum(shares) / len(shares))
    return f"{mean} ({percent(found.low)} to {percent(found.high)}), seeds {low} to {high}"


def against(rows: list[dict[str, Any]], base: list[dict[str, Any]], keys: list[str], unit: float) -> str:
    """Mean difference of a score from the base, seed by seed, with the seeds on its side and the p-value."""
    ours, theirs = (
        torch.tensor([unit * sum(row[key] for key in keys) / len(keys) for row in group], dtype=torch.float64)
        for group in (rows, base)
    )
    test = paired_t_test(ours, theirs)
    better, worse = int((ours > theirs).sum()), int((ours < theirs).sum())
    p_value = "-" if math.isnan(test.p_value) else f"{test.p_value:.2g}"
    return f"{test.mean_difference:+.3g} ({better} up, {worse} down, p = {p_value})"


@table
def tworoom_regularizers() -> str:
    """Five regularizers over five seeds, beside each other and against SIGReg."""
    result = load("tworoom_regularizers")
    facts = result["settings"]
    protocols = facts["protocols"]
    final: dict[str, list[dict[str, Any]]] = {name: [] for name in facts["regularizers"]}
    tried: dict[str, list[float]] = {name: [] for name in facts["regularizers"]}
    for row in sorted(result["rows"], key=lambda row: (row["seed"], row["weight"])):
        if row["phase"] == "final":
            final[row["regularizer"]].append(row)
        else:
            tried[row["regularizer"]].append(row["weight"])
    rows = [
        [
            f"`{name}`",
            f"{facts['weights'][name]:g} ({', '.join(f'{w:g}' for w in tried[name])})",
            spread([row["effective_rank"] for row in seeds], 1),
            spread([row["embedding_std"] for row in seeds], 2),
            spread([row["probe_r2"] for row in seeds], 3),
            *(pooled([row[protocol] for row in seeds], facts["pairs"]) for protocol in protocols),
            spread([row["cpu_seconds"] for row in seeds], 0),
            f"{facts['regularizer_milliseconds'][name]:.1f}",
        ]
        for name, seeds in final.items()
    ]
    head = ["regularizer", "lambda (tried)", "effective rank", "embedding std", "linear-probe R2"]
    base = final["SIGReg"]
    differences = [
        [f"`{name}`", against(seeds, base, protocols, 100), against(seeds, base, ["probe_r2"], 1)]
        for name, seeds in final.items()
        if name != "SIGReg"
    ]
    planner, sweep = facts["planner"], (facts["sweep_steps"], facts["sweep_seed"])
    return (
        f"The shipped model's recipe shortened to {facts['num_steps']} of its "
        f"{facts['recipe_num_steps']:,} steps, "
        f"{len(facts['seeds'])} seeds, mean (least to most). Weights were chosen for each by "
        f"{sweep[0]} steps from seed {sweep[1]}. Success on {facts['pairs']} pairs a protocol, the same "
        "for every seed, with the 95 % Wilson interval over all seeds' plays; "
        f"{planner['num_samples']} samples and {planner['num_iterations']} rounds of CEM. CPU seconds are "
        "those of training alone, on a machine with other work; the last column times the term by itself, "
        "side by side, forward and backward.\n\n"
        f"{markdown([*head, *protocols, 'CPU seconds', 'ms a step, the term'], rows)}\n\n"
        "Against SIGReg, seed by seed (paired t-test, not corrected for four comparisons):\n\n"
        f"{markdown(['regularizer', 'points of success, both', 'linear-probe R2'], differences)}\n\n"
        f"{source(result)}"
    )


@table
def tworoom_planners() -> str:
    """Every planner on TwoRoom, success beside cost."""
    result = load("tworoom_planners")
    facts = result["settings"]
    rows = []
    for name in dict.fromkeys(row["planner"] for row in result["rows"]):
        found = {row["protocol"]: row for row in result["rows"] if row["planner"] == name}
        one = next(iter(found.values()))
        cells = [interval(found[p]) + ("" if found[p]["equal_success"] else " *") for p in PROTOCOLS]
        milliseconds = sum(row["cpu_ms_a_decision"] for row in found.values()) / len(found)
        rows.append(
            [
                name,
                str(one["decisions_an_episode"]),
                f"{one['evaluations_a_decision']:.0f}",
                f"{100 * one['share_of_evaluations']:.1f} %",
                f"{milliseconds:.1f}",
                *cells,
            ]
        )
    head = [
        "planner",
        "decisions",
        "evaluations a decision",
        "of the first's",
        "CPU ms a decision",
        *PROTOCOLS,
    ]
    return (
        f"Share of {facts['pairs']} pairs reached with `{facts['model']}`, the same pairs for all, 95 % "
        f"Wilson intervals; * where the paired difference to {facts['reference']} is not compatible with "
        "none (95 %). Evaluations are rollouts of the whole horizon, a gradient counts as three; their share "
        f"is taken over an episode. CPU time with {facts['side_by_side']} environments side by side, "
        "encoding included:\n\n"
        f"{markdown(head, rows)}\n\n{source(result)}"
    )


@table
def tworoom_amortised() -> str:
    """Decisions of the inverse model and of CEM."""
    result = load("tworoom_amortised")
    facts = result["settings"]
    timed = [
        [
            str(row["environments"]),
            f"{row['cem_ms']:.0f}",
            f"{row['inverse_ms']:.2f}",
            f"{row['times_cheaper']:.0f}",
            f"{row['times_cheaper_an_executed_step']:.0f}",
        ]
        for row in result["rows"]
        if row["what"] == "decision"
    ]
    head = [
        "environments",
        f"{facts['reference']}, ms",
        "inverse model, ms",
        "times cheaper",
        "and an executed step",
    ]
    reached = [
        [row["protocol"], interval(row["CEM"]), interval(row["inverse"])]
        for row in result["rows"]
        if row["what"] == "success"
    ]
    beside = markdown(["protocol", facts["reference"], "inverse model alone"], reached)
    return (
        "CPU time of one decision for all environments together, encoding included. CEM decides for "
        f"{facts['horizon']} blocks, the inverse model for one. Its {facts['inverse_parameters']:,} "
        f"parameters were trained in {facts['training_cpu_seconds'] / 60:.1f} CPU minutes:\n\n"
        f"{markdown(head, timed)}\n\n"
        f"Share of goals reached, 95 % Wilson intervals:\n\n{beside}\n\n{source(result)}"
    )


@table
def tworoom_surprise() -> str:
    """How often the shipped model notices events, and what it takes for one at the door."""
    result = load("tworoom_surprise")
    (row,) = result["rows"]
    rates = [f"{100 * level['rate']:g} %" for level in row["levels"]]

    def share(count: int, total: int) -> str:
        return f"{100 * count / total:.1f} % ({count} of {total})"

    lines = []
    for kind in row["rows"]:
        shares = [share(count, kind["num_events"]) for count in kind["num_detected"]]
        lines.append([f"noticed: {kind['kind']}", *shares, f"{kind['auroc']:.4f}"])
    for what, label in (("frames", "false alarms, frames"), ("events", "false alarms, passages")):
        for name in row["levels"][0][what]:
            shares = [share(*level[what][name]) for level in row["levels"]]
            lines.append([f"{label}, {name}", *shares, ""])
    lines.append(["alarm above", *(f"{level['threshold']:.3g}" for level in row["levels"]), ""])
    spread = row["spread"]
    head = ["", *(f"at {rate}" for rate in rates), "AUROC"]
    return (
        "Share of events whose first frame raises an alarm, and false alarms on the same episodes "
        "undisturbed, by the share of normal frames that may raise one (set by "
        f"{row['num_calibration']:,} frames of other episodes):\n\n{markdown(head, lines)}\n\n"
        f"The most surprising frame at the door has {spread['at the door'][2]:.2g}, the least surprising "
        f"teleport {spread['teleport'][0]:.2g}.\n\n{source(result)}"
    )


@table
def tworoom_probing() -> str:
    """What probes read off the shipped model."""
    result = load("tworoom_probing")
    rows = []
    for row in result["rows"]:
        told = ""
        if row["accuracy"] is not None:
            low, high = row["accuracy_interval"]
            told = f"{row['accuracy']:.3f} ({low:.3f} to {high:.3f}), by chance {row['chance']:.3f}"
        low, high = row["r2_interval"]
        rows.append(
            [
                row["quantity"],
                row["probe"],
                f"{row['mse']:.4f} +- {row['mse_std']:.4f}",
                f"{row['pearson']:.4f}",
                f"{row['r2']:.4f} ({low:.4f} to {high:.4f})",
                told,
            ]
        )
    head = ["quantity", "probe", "MSE, standardised", "r", "R2, 95 % interval", "accuracy, 95 % interval"]
    return f"{markdown(head, rows)}\n\n{source(result)}"


@table
def tworoom_open_loop() -> str:
    """How far the shipped model's imagination strays."""
    result = load("tworoom_open_loop")
    (row,) = result["rows"]
    columns = {f"{name}, latent": values for name, values in row["latent"].items()}
    columns |= {f"{name}, units": values for name, values in row["physical"].items()}
    rows = [
        [str(step), *(f"{value:.3g}" for value in values)]
        for step, values in enumerate(zip(*columns.values(), strict=True), start=1)
    ]
    return f"{markdown(['steps ahead', *columns], rows)}\n\n{source(result)}"


@table
def tworoom_decoder() -> str:
    """Decoded held-out frames beside the mean frame."""
    result = load("tworoom_decoder")
    settings = result["settings"]
    rows = [
        [
            row["pictures"],
            *(
                ranged(row[name], digits)
                for name, digits in (("psnr", 1), ("psnr_around_agent", 1), ("ssim", 3))
            ),
            f"{row['psnr_worst_percent']:.1f}",
            f"{percent(row['agent_found'])}" if "agent_found" in row else "-",
        ]
        for row in result["rows"]
        if row["what"] == "held-out frames"
    ]
    side = settings["pixels_around_agent"]
    head = ["pictures", "PSNR in dB", f"{side} x {side} pixels around the agent", "SSIM"]
    head += ["worst 1 %", "agent found"]
    return (
        f"{settings['held_out_frames']:,} frames of {settings['held_out_episodes']} held-out episodes, means "
        f"over episodes with 95 % intervals; a decoder of {settings['decoder_parameters']:,} parameters, "
        f"trained on {settings['training_episodes']} episodes in "
        f"{settings['train_cpu_seconds'] / 60:.1f} CPU minutes:\n\n"
        f"{markdown(head, rows)}\n\n{source(result)}"
    )


@table
def tworoom_imagined() -> str:
    """Where the agent is in imagined rollouts."""
    result = load("tworoom_decoder")
    names = {
        "ridge probe": "linear probe",
        "mlp probe": "MLP probe",
        "picture": "red in the picture",
        "ridge probe on true embeddings": "linear probe, true embedding",
        "agent that stays": "agent that stays",
    }
    rows = [
        [str(row["step"]), *(ranged(row[name], 1) for name in names), percent(row["picture"]["found"])]
        for row in result["rows"]
        if row["what"] == "imagined"
    ]
    head = ["blocks ahead", *names.values(), "agent found in the picture"]
    return (
        f"Median distance from the true position in arena units (the arena is 224 wide, the agent 14), "
        f"{result['settings']['rollouts']} rollouts from as many held-out episodes, 95 % intervals:\n\n"
        f"{markdown(head, rows)}\n\n{source(result)}"
    )


def ranged(value: dict[str, float], digits: int) -> str:
    """A number with its interval."""
    return f"{value['value']:.{digits}f} ({value['low']:.{digits}f} to {value['high']:.{digits}f})"
