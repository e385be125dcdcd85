"""The arm's table."""

from benchmarks.layout import interval, load, markdown, percent, source, table


@table
def arm() -> str:
    """Goals that the shipped model reaches, training time and what probes read."""
    result = load("lewm_arm_tiny")
    row, strict = result["rows"]
    facts = result["settings"]
    head = ["within", "lewm-arm-tiny", "random actions", "planner on the true dynamics"]
    lines = [
        [f"{row['tolerance']:g} rad", *(interval(row[name]) for name in ("LeWM", "random", "oracle"))],
        [f"{strict['tolerance']:g} rad", interval(strict["LeWM"]), "-", "-"],
    ]
    joints = " and ".join(
        f"{row[f'r2_{joint}_MLP']:.3f} ({row[f'r2_{joint}_linear']:.3f})" for joint in ("shoulder", "elbow")
    )
    return (
        f"Share of {row['pairs_played']} held-out goals of {row['protocol']} reached, with 95 % Wilson "
        f"intervals:\n\n{markdown(head, lines)}\n\n"
        f"{facts['num_episodes']:,} episodes of {facts['episode_steps']} actions, pictures of "
        f"{facts['image_size']} pixels, an embedding of {facts['embedding_dim']}, lambda "
        f"{facts['regularizer_weight']:g}, {facts['settings']['num_steps']:,} steps of "
        f"{facts['settings']['batch_size']} windows, {facts['num_parameters']:,} parameters; "
        f"{row['cpu_seconds'] / 60:.1f} CPU minutes on one thread, collecting included. An MLP (a linear) "
        f"probe reads shoulder and elbow with R2 {joints}.\n\n{source(result)}"
    )


@table
def arm_trials() -> str:
    """What was tried for the arm."""
    result = load("arm_trials")
    head = ["pixels", "embedding", "hidden", "lambda", "BatchNorm", "steps", "learning rate", "CPU seconds"]
    head += ["R2 of shoulder, elbow (MLP)", "reached"]
    lines = [
        [
            str(row.get("image_size", 64)),
            str(row["embedding_dim"]),
            str(row.get("hidden_dim") or 8 * row["embedding_dim"]),
            f"{row['regularizer_weight']:g}",
            "yes" if row.get("encoder_norm") == "batch" else "no",
            f"{row['num_steps']:,}",
            f"{row['learning_rate']:g}",
            f"{row['cpu_seconds']:.0f}",
            f"{row['r2_shoulder_MLP']:.3f}, {row['r2_elbow_MLP']:.3f}",
            interval(row),
        ]
        for row in result["rows"]
    ]
    facts = result["settings"]
    return (
        f"{facts['pairs']} pairs of trajectory-25 (seed {facts['seed']}), {facts['iterations']} rounds of "
        f"CEM. CPU seconds are those of a busy machine.\n\n{markdown(head, lines)}\n\n{source(result)}"
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
