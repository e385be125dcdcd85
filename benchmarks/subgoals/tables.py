"""The table of recorded sub-goals."""

from benchmarks.layout import interval, load, markdown, source, table


@table
def subgoals() -> str:
    """Far goals reached with and without, and the paired gain."""
    result = load("subgoals")
    head = [
        "task",
        "steps apart",
        "budget",
        "plain",
        "horizon of the whole way",
        "sub-goals",
        "gain over plain",
    ]
    head.append("pairs won and lost")
    lines = []
    for row in result["rows"]:
        gain = row["gain_over_plain"]
        ends = " to ".join(f"{100 * gain[name]:+.0f}" for name in ("low", "high"))
        lines.append(
            [
                row["task"],
                str(row["offset"]),
                str(row["budget"]),
                *(interval(row[name]) for name in ("plain", "whole_way", "subgoals")),
                f"{100 * gain['gain']:+.1f} points ({ends})",
                f"{gain['won']} and {gain['lost']}",
            ]
        )
    facts, first = result["settings"], result["rows"][0]
    return (
        f"Share of {first['pairs']} goals reached that a held-out episode reached so many steps later, with "
        "95 % Wilson intervals; the gain is over the same pairs, with its 95 % interval. Recorded: "
        f"{first['recorded_frames']:,} frames of {facts['recorded_episodes']} episodes. CEM with "
        f"{facts['search']['num_samples']} samples and {facts['search']['num_iterations']} iterations."
        f"\n\n{markdown(head, lines)}\n\n{source(result)}"
    )
