"""Tables of reading data from disk."""

from benchmarks.layout import load, markdown, source, table


@table
def data_throughput() -> str:
    """Random windows a second from every format."""
    result = load("data_throughput")
    sizes = list(dict.fromkeys(row["size"] for row in result["rows"]))
    lines = []
    for name in dict.fromkeys(row["source"] for row in result["rows"]):
        cells = [name]
        for size in sizes:
            (row,) = (row for row in result["rows"] if (row["source"], row["size"]) == (name, size))
            cells += [f"{row['windows_per_second']:,.0f}", f"{row['times_best_other']:.2f}"]
        lines.append(cells)
    head = ["source"]
    for size in sizes:
        head += [f"windows a second, {size} px", "times the best of others"]
    settings = result["settings"]
    versions = ", ".join(f"{name} {version}" for name, version in settings["baselines"].items())
    return (
        f"Batches of {settings['batch_size']} windows of {settings['frames']} frames; {versions}:\n\n"
        f"{markdown(head, lines)}\n\n{source(result)}"
    )


@table
def data_memory() -> str:
    """What training from a large store takes."""
    result = load("data_memory")
    (row,) = result["rows"]
    taken = row["anonymous_mb_most"] - row["anonymous_mb_before"]
    lines = [
        ["memory that training takes beyond that of training on two episodes", f"{taken:.0f} MB"],
        ["opening the store", f"{1e3 * row['seconds_to_open']:.0f} ms"],
        ["packing it", f"{row['seconds_to_pack']:.0f} s"],
        [
            f"a random batch, from {row['gigabytes_in_memory']:.1f} GB in memory",
            f"{row['batch_ms_memory']:.2f} ms",
        ],
        ["a random batch, from the store", f"{row['batch_ms_store']:.2f} ms"],
        ["the second over the first, median of pairs", f"{row['store_times_memory']:.2f}"],
    ]
    what = f"{row['gigabytes']:.1f} GB, {row['frames']:,} frames of {result['settings']['image_size']} pixels"
    return f"{markdown([f'a store of {what}', ''], lines)}\n\n{source(result)}"
