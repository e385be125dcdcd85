"""Tables of planners on problems with a known optimum."""

from benchmarks.layout import load, markdown, source, table


def short(value: float) -> str:
    """Two digits, without an exponent where none is needed."""
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"


@table
def planners_analytic() -> str:
    """Evaluations that each planner needs on problems with a known optimum, or what it leaves."""
    result = load("planners_analytic")
    problems = list(dict.fromkeys(row["problem"] for row in result["rows"]))
    budget = result["settings"]["budget"]
    rows = []
    for planner in dict.fromkeys(row["planner"] for row in result["rows"]):
        found = {row["problem"]: row for row in result["rows"] if row["planner"] == planner}
        cells = []
        for problem in problems:
            row = found[problem]
            if row["evaluations_to_enough"] is None or row["evaluations_to_enough"] > budget:
                cells.append(f"leaves {short(100 * row['left'][str(budget)])} %")
            else:
                cells.append(f"{row['evaluations_to_enough']:,} in {row['ms_to_enough']:.0f} ms")
        rows.append([planner, *cells])
    settings = result["settings"]
    return (
        f"Evaluations and CPU time until 1 % of the cost of doing nothing is left (median over "
        f"{settings['seeds']} seeds, each with a problem of its own), or what is left after at most "
        f"{budget:,} evaluations. Horizon {settings['horizon']}, 1 or 2 numbers a step, one problem at a "
        f"time. An evaluation with gradient counts as {settings['gradient_counts']}:\n\n"
        f"{markdown(['planner', *problems], rows)}\n\n{source(result)}"
    )


@table
def planners_peers() -> str:
    """Cost and time beside pytorch_mppi and torch-world."""
    result = load("planners_peers")
    costs = [row for row in result["rows"] if row["what"] == "cost"]
    rows = [
        [
            row["peer"] + (f" ({row['setting']})" if "setting" in row else ""),
            f"{row['problem']}, horizon {row['horizon']}",
            f"{short(100 * row['ours'])} %",
            f"{short(100 * row['theirs'])} %",
            f"{short(100 * row['low'])} to {short(100 * row['high'])}",
        ]
        for row in costs
    ]
    head = ["peer", "problem", "leworld leaves", "peer leaves", "difference, points (95 %)"]
    times = [row for row in result["rows"] if row["what"] == "time" and row["how"].startswith("leworld")]
    timed = []
    for row in times:
        (base,) = [
            other["median_ms"]
            for other in result["rows"]
            if other["what"] == "time"
            and other["how"] == row["peer"]
            and all(other[key] == row[key] for key in ("peer", "problem", "horizon", "batch"))
        ]
        timed.append(
            [
                row["peer"],
                f"{row['problem']}, horizon {row['horizon']}, batch {row['batch']}",
                row["how"],
                f"{row['median_ms']:.1f}",
                f"{base:.1f}",
                f"{row['ratio']:.2f}",
            ]
        )
    time_head = ["peer", "problem", "ours", "leworld, ms a plan", "peer, ms a plan", "peer / leworld"]
    settings = result["settings"]
    versions = ", ".join(f"{name} {version}" for name, version in settings["baselines"].items())
    return (
        f"{settings['samples']} samples, {settings['iterations']} iterations, shares of the cost of doing "
        f"nothing, means over problems; {versions}:\n\n{markdown(head, rows)}\n\n"
        f"CPU time of a whole plan; above 1 in the last column leworld is faster:\n\n"
        f"{markdown(time_head, timed)}\n\n{source(result)}"
    )
