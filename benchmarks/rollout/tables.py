"""Tables of rollouts."""

from benchmarks.layout import load, markdown, source, table


@table
def rollout_cpu() -> str:
    """Rollouts and whole plans of the released architecture, beside the plain rollout."""
    result = load("rollout_cpu")
    groups: dict[tuple[str, int, int], dict[str, dict[str, float]]] = {}
    for row in result["rows"]:
        groups.setdefault((row["what"], row["history"], row["threads"]), {})[row["how"]] = row
    rows = []
    for (what, history, threads), group in groups.items():
        ratios = {
            how: row["ratio"] for how, row in group.items()
        }  # of paired rounds, to the first of the group
        ours = ratios["LeWM.rollout"]
        again = next((ratio for how, ratio in ratios.items() if "encoded again" in how), None)
        rows.append(
            [
                what,
                str(history),
                str(threads),
                f"{group['LeWM.rollout']['median_ms']:.0f}",
                f"{ours / ratios['plain rollout']:.2f}",
                "-" if again is None else f"{ours / again:.2f}",
            ]
        )
    head = ["what", "history", "threads", "ms", "x plain rollout", "x encoding again at every call"]
    facts = result["settings"]
    return (
        f"Speed-up of `LeWM.rollout` for {facts['samples']} candidates over {facts['horizon']} steps, "
        f"{facts['dtype']}, CPU time:\n\n{markdown(head, rows)}\n\n{source(result)}"
    )
