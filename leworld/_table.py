"""Plain-text tables."""

from collections.abc import Sequence


def table(lines: Sequence[Sequence[str]]) -> str:
    """Lay out rows of cells, the header first, in columns two spaces apart, with a rule under the header."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(text)
