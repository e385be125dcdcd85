"""Tables of Push-T."""

from benchmarks.layout import interval, load, markdown, source, table


@table
def pusht_speed() -> str:
    """Steps and pictures a second, beside gym-pusht."""
    result = load("pusht_speed")
    rows = [
        [
            row["what"] if row["kind"] != "steps without pictures" else "physics alone, no pictures",
            str(row["copies"]),
            f"{row['per_second']:,.0f}",
            f"{row['times_the_last']:.1f}" if row.get("last") == "gym-pusht" else "",
        ]
        for row in result["rows"]
        if row["kind"] != "pictures"
    ]
    head = ["environment", "copies", "steps a second", "times gym-pusht"]
    drawn = [
        [f"{row['what']} pixels", f"{row['per_second']:,.0f}"]
        for row in result["rows"]
        if row["kind"] == "pictures"
    ]
    settings = result["settings"]
    return (
        f"With pictures of {settings['image_size']} pixels, one thread; gym-pusht {settings['gym_pusht']}, "
        f"pymunk {settings['pymunk']}:\n\n{markdown(head, rows)}\n\n"
        f"{markdown(['style and size', 'pictures a second'], drawn)}\n\n{source(result)}"
    )


@table
def pusht_pictures() -> str:
    """How near the pictures are to those of pygame and OpenCV."""
    result = load("pusht_pictures")
    rows = [
        [
            row["style"],
            str(row["image_size"]),
            row["states"],
            f"{100 * row['equal_pictures']:.1f} %" if "equal_pictures" in row else "",
            f"{row['mean_absolute_error']:.4f}",
        ]
        for row in result["rows"]
    ]
    head = ["style", "size", "states", "equal to the byte", "mean absolute error of 255"]
    return f"{markdown(head, rows)}\n\n{source(result)}"


@table
def pusht_coverage() -> str:
    """What the collected episodes hold, beside the published statistics."""
    result = load("pusht_coverage")
    (row,), facts = result["rows"], result["settings"]
    published = facts["published"]
    lines = [
        [
            name,
            *(f"{found['mean'][index]:.0f} ± {found['std'][index]:.0f}" for found in (row, published)),
        ]
        if name != "angle"
        else [
            name,
            *(f"{found['mean'][index]:.2f} ± {found['std'][index]:.2f}" for found in (row, published)),
        ]
        for index, name in enumerate(facts["components"])
    ]
    lines += [
        [f"action {axis}", *(f"± {found['action std'][index]:.2f}" for found in (row, published))]
        for index, axis in enumerate("xy")
    ]
    return (
        f"Mean and standard deviation over {facts['episodes']} episodes of {facts['steps']} actions. "
        f"The block is pushed in {row['pushed']:.0%} of the steps, over {row['block px an episode']:.0f} px "
        f"and {row['turned rad an episode']:.1f} rad an episode; {facts['later']} steps later the block is "
        f"{row['block px in 25 steps']:.0f} px and the agent {row['agent px in 25 steps']:.0f} px away "
        f"(medians), and {row['solved at the start']:.1%} of such pairs are solved at the start.\n\n"
        f"{markdown(['component', 'collected', 'published'], lines)}\n\n{source(result)}"
    )


@table
def pusht_shipped() -> str:
    """Goals that the shipped model reaches, training time and what probes read."""
    result = load("lewm_pusht_tiny")
    first, *rows = result["rows"]
    facts = result["settings"]
    head = ["protocol", "pairs", "lewm-pusht-tiny", "random actions", "planner on the true dynamics"]
    lines = [
        [
            row["protocol"],
            str(row["pairs_played"]),
            *(interval(row[name]) if name in row else "-" for name in ("LeWM", "random", "oracle")),
        ]
        for row in rows
    ]
    return (
        f"Share of held-out pairs reached, with 95 % Wilson intervals:\n\n"
        f"{markdown(head, lines)}\n\n"
        f"{facts['num_episodes']:,} episodes of {facts['episode_steps']} actions, pictures of "
        f"{facts['image_size']} pixels, an embedding of {facts['embedding_dim']}, lambda "
        f"{facts['regularizer_weight']:g}, inverse dynamics {facts['inverse_dynamics_weight']:g}, "
        f"{facts['settings']['num_steps']:,} steps of {facts['settings']['batch_size']} windows, "
        f"{facts['num_parameters']:,} parameters; {first['cpu_seconds'] / 60:.0f} CPU minutes on one thread, "
        f"collecting included. On {facts['probed_episodes']:,} held-out episodes an MLP (a linear) probe "
        f"reads {_read(first)}.\n\n{source(result)}"
    )


def _read(row: dict[str, float]) -> str:
    told = [
        f"the {name} with R2 {row[f'r2_{name}_MLP']:.3f} ({row[f'r2_{name}_linear']:.3f})"
        for name in ("agent", "block", "angle")
    ]
    return ", ".join(told)


@table
def pusht_trials() -> str:
    """What was tried for Push-T."""
    result = load("pusht_trials")
    names = ("agent", "block", "angle")
    head = ["trial", "CPU seconds", *(f"R2 of {name}, MLP (linear)" for name in names), "reached"]
    lines = [
        [
            row["name"],
            f"{row['cpu_seconds']:.0f}",
            *(f"{row[f'r2_{name}_MLP']:.2f} ({row[f'r2_{name}_linear']:.2f})" for name in names),
            interval(row),
        ]
        for row in result["rows"]
    ]
    base, facts = result["rows"][0], result["settings"]
    return (
        f"`base`: {base['num_episodes']:,} episodes of {base['episode_steps']} actions, embedding "
        f"{base['embedding_dim']}, lambda {base['regularizer_weight']:g}, inverse dynamics "
        f"{base['inverse_dynamics_weight']:g}, BatchNorm, rate {base['learning_rate']:g}, "
        f"{base['num_steps']:,} steps; the others change what their names say. One seed, {facts['pairs']} "
        f"pairs of trajectory-25, {facts['iterations']} rounds of CEM, {facts['probed_episodes']} held-out "
        f"episodes to probe.\n\n{markdown(head, lines)}\n\n{source(result)}"
    )
