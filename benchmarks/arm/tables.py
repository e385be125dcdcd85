"""The arm's table."""

from benchmarks.layout import interval, load, markdown, percent, source, table


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


@table
def arm_blindness() -> str:
    """What each model sees, with both inputs and with the joints off."""
    result = load("arm_blindness")
    facts = result["settings"]
    head = [
        "lambda",
        "joints left out in training",
        "blind to",
        "moved by the picture",
        "moved by the joints",
        "R2 of the elbow",
        "with the joints off",
        "rank of the expert's plan",
        "with the joints off",
    ]
    lines = []
    for row in result["rows"]:
        both, off = row["both"], row["joints_off"]
        lines.append(
            [
                f"{row['regularizer_weight']}",
                percent(row["input_dropout"]),
                ", ".join({"pixels": "picture", "proprio": "joints"}[name] for name in both["blind_parts"])
                or "-",
                *(f"{both['parts'][f'{part} shuffled']['moved']:.2f}" for part in ("pixels", "proprio")),
                *(f"{found['r2']['elbow']:.2f}" for found in (both, off)),
                *(percent(found["rank"]) for found in (both, off)),
            ]
        )
    pixels = result["rows"][0]["both"]["pixel_r2"]["elbow"]
    return (
        f"{facts['num_episodes']} episodes, {facts['steps']} steps, seed {facts['seed']}. `moved` is by "
        "shuffling a part over the frames, in units of the distance of two frames. A probe on the pixels "
        f"reads the elbow with R2 {pixels:.2f}.\n\n{markdown(head, lines)}\n\n{source(result)}"
    )
