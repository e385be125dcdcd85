"""The table of DINO-WM beside LeWM."""

from benchmarks.layout import load, markdown, source, table


@table
def dinowm_cpu() -> str:
    """Operations and time a candidate of both models, with and without cached frames."""
    result = load("dinowm_cpu")
    rows = [
        [
            row["model"],
            row["history"],
            row["how"],
            f"{row['gflop_candidate']:.4g}",
            f"{row['tflop_search']:.3g}",
            f"{row['ms_candidate']:.3g}",
            f"{row['speed_up']:.2f}",
        ]
        for row in result["rows"]
    ]
    head = ["model", "window", "how", "GFLOP", "TFLOP a search", "ms", "x plain rollout"]
    facts = result["settings"]
    ratios = facts["DINO-WM to LeWM"]
    return (
        f"A candidate of {facts['horizon']} steps from one known frame, {facts['dtype']}, CPU time of one "
        f"thread; a search is {facts['candidates of a search']:,} candidates:\n\n{markdown(head, rows)}\n\n"
        f"DINO-WM takes {ratios['gflop by formula']:.0f} times LeWM's operations by formula, with the pairs "
        f"that its mask hides, and {ratios['gflop_candidate, plain rollout']:.0f} times as counted, where "
        f"they are left out; with cached frames on both sides "
        f"{ratios['gflop_candidate, cached frames']:.0f} times. Time: "
        f"{ratios['ms_candidate, plain rollout']:.0f} and {ratios['ms_candidate, cached frames']:.0f} times."
        f"\n\n{source(result)}"
    )
