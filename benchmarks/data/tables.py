"""Tables of data on disk."""

from benchmarks.layout import load, markdown, source, table


@table
def data_throughput() -> str:
    """Windows a second from memory, a store and HDF5."""
    result = load("data_throughput")
    rows = [
        [
            str(row["size"]),
            row["source"],
            f"{row['windows_per_second']:,.0f}",
            f"{row['median_ms']:.1f}",
            f"{row['times_memory']:.2f}",
        ]
        for row in result["rows"]
    ]
    head = ["pixels", "source", "windows a second", "ms a batch of 128", "times memory"]
    return f"{markdown(head, rows)}\n\n{source(result)}"


@table
def data_memory() -> str:
    """What training from a large store allocates."""
    result = load("data_memory")
    rows = [
        [
            f"{row['gigabytes']:.1f}",
            f"{row['frames']:,}",
            f"{row['seconds_to_open']:.1f}",
            f"{row['anonymous_mb_before']:,.0f}",
            f"{row['anonymous_mb_most']:,.0f}",
            f"{row['file_pages_mb_at_end']:,.0f}",
        ]
        for row in result["rows"]
    ]
    head = [
        "GB of pictures",
        "frames",
        "seconds to open",
        "MB allocated before",
        "most MB in training",
        "MB of file pages",
    ]
    return f"{markdown(head, rows)}\n\n{source(result)}"
