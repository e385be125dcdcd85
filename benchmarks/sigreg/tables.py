"""Tables of SIGReg's cost."""

from benchmarks.layout import load, markdown, source, table


@table
def sigreg_cpu() -> str:
    """SIGReg's implementations beside the published formula, eager and compiled."""
    result = load("sigreg_cpu")
    sizes = list(
        dict.fromkeys((row["leading"], row["samples"], row["dim"], row["slices"]) for row in result["rows"])
    )
    rows = []
    for what in dict.fromkeys(row["what"] for row in result["rows"]):
        cells = [what]
        for size in sizes:
            found = [
                row
                for row in result["rows"]
                if row["what"] == what and (row["leading"], row["samples"], row["dim"], row["slices"]) == size
            ]
            cells += (
                [f"{found[0]['ratio']:.1f}", f"{found[0]['peak_megabytes']:.1f}"] if found else ["-", "-"]
            )
        rows.append(cells)
    head = ["forward + backward"]
    for leading, samples, dim, slices in sizes:
        head += [f"speed-up at ({leading}, {samples}, {dim}), {slices} slices", "peak MB"]
    return f"{markdown(head, rows)}\n\n{source(result)}"
