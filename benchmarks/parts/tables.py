"""Tables of encoders and predictors."""

from typing import Any

from benchmarks.layout import load, markdown, source, table


@table
def parts_encoders() -> str:
    """Size and speed of encoders."""
    return _parts(
        "encoder",
        "{pictures} pictures of 64 pixels (DINOv2: 70), {embedding_dim} numbers where that can be said",
    )


@table
def parts_predictors() -> str:
    """Size and speed of predictors."""
    return _parts("predictor", "A rollout of {samples} candidates over {horizon} steps, history {history}")


def _parts(kind: str, words: str) -> str:
    result = load("parts_cpu")
    rows = [_row(row) for row in result["rows"] if row["kind"] == kind]
    head = [kind, "parameters", "CPU ms", "time, first row = 1"]
    return f"{words.format(**result['settings'])}:\n\n{markdown(head, rows)}\n\n{source(result)}"


def _row(row: dict[str, Any]) -> list[str]:
    name, comma, size = row["what"].partition(",")
    times = f"{row['median_ms']:.1f}", f"{1 / row['ratio']:.1f}"
    return [f"`{name}`{comma}{size}", f"{row['parameters']:,}", *times]
