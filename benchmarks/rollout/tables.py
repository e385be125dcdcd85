"""Tables of rollouts."""

from benchmarks.layout import load, markdown, source, table


@table
def rollout_cpu() -> str:
    """Rollouts and whole plans of the released architecture, beside the plain rollout."""
    result = load("rollout_cpu")
    groups: dict[tuple[str, int, int], dict[str, float]] = {}
    for row in result["rows"]:
        group = groups.setdefault((row["what"], row["history"], row["threads"]), {})
        group[row["how"]] = row["median_ms"]
    rows = []
    for (what, history, threads), times in groups.items():
        plain, ours = times["plain rollout"], times["LeWM.rollout"]
        again = next((ms for how, ms in times.items() if "encoded again" in how), None)
        rows.append(
            [
                what,
                str(history),
                str(threads),
                f"{ours:.0f}",
                f"{plain / ours:.2f}",
                "-" if again is None else f"{again / ours:.2f}",
            ]
        )
    head = ["what", "history", "threads", "ms", "x plain rollout", "x encoding again at every call"]
    facts = result["settings"]
    return (
        f"Speed-up of `LeWM.rollout` for {facts['samples']} candidates over {facts['horizon']} steps, "
        f"{facts['dtype']}, CPU time:\n\n{markdown(head, rows)}\n\n{source(result)}"
    )
