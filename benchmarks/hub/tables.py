"""Tables of loading."""

from benchmarks.layout import load, markdown, source, table


@table
def checkpoint_loading() -> str:
    """Time and memory of loading a checkpoint of the published size."""
    result = load("hub_load")
    names = {"leworld": "leworld's", "released": "published"}
    rows = [
        [
            names[row["layout"]],
            f"{row['file_bytes'] / 1e6:.1f} MB",
            f"{row['load_ms']:.0f} ms",
            f"{row['read_and_build_ms']:.0f} ms",
            f"{row['time_ratio']:.2f}",
            f"{row['digest_ms']:.0f} ms",
            f"{row['peak_bytes'] / 1e6:.0f} MB",
            f"{row['peak_ratio']:.2f}",
        ]
        for row in result["rows"]
    ]
    head = [
        "layout",
        "file",
        "`load`",
        "read and build alone",
        "ratio",
        "SHA-256",
        "peak memory",
        "of the file",
    ]
    return f"{markdown(head, rows)}\n\n{source(result)}"
