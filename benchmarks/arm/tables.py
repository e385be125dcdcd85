"""The arm's table."""

from benchmarks.layout import interval, load, markdown, source, table


@table
def arm() -> str:
    """Goals reached, training time and what a linear probe reads."""
    result = load("arm")
    (row,) = result["rows"]
    facts = result["settings"]
    head = [
        "LeWM",
        "random actions",
        "planner on the true dynamics",
        "CPU minutes",
        "shoulder, R2",
        "elbow, R2",
    ]
    cells = [interval(row[name]) for name in ("LeWM", "random", "oracle")]
    cells.append(f"{row['cpu_seconds'] / 60:.1f}")
    cells += [f"{row[f'probe_r2_{joint}']:.3f}" for joint in ("shoulder", "elbow")]
    return (
        f"Share of {row['pairs_played']} goals of {row['protocol']} reached, with 95 % Wilson intervals; "
        f"{facts['num_episodes']:,} episodes of {facts['episode_steps']} actions, an embedding of "
        f"{facts['embedding_dim']}, lambda {facts['regularizer_weight']}, "
        f"{facts['settings']['num_steps']:,} steps. Minutes are those of collecting "
        f"and training, R2 that of a linear probe.\n\n{markdown(head, [cells])}\n\n{source(result)}"
    )
