"""The few pieces of HTML that sections are made of."""

import html
from collections.abc import Iterable, Mapping, Sequence

from .._checks import describe
from ..errors import ConfigError


def escape(text: object) -> str:
    """Make text safe inside an element or a quoted attribute."""
    return html.escape(str(text), quote=True)


def paragraph(text: str, *, style: str = "") -> str:
    """Write a paragraph of plain text."""
    return f'<p class="{style}">{escape(text)}</p>' if style else f"<p>{escape(text)}</p>"


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, label: str, numbers: int = 1) -> str:
    """Write a table that scrolls sideways where it is too wide; columns from `numbers` on hold numbers."""
    head = "".join(
        f'<th scope="col"{_right(index, numbers)}>{escape(cell)}</th>' for index, cell in enumerate(header)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{escape(cell)}</th>'
            if index == 0
            else f"<td{_right(index, numbers)}>{escape(cell)}</td>"
            for index, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" role="region" aria-label="{escape(label)}" tabindex="0"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _right(index: int, numbers: int) -> str:
    return ' class="n"' if index >= numbers else ""


def figure(content: str, caption: str, *, legend: Mapping[str, int] | None = None, wide: bool = False) -> str:
    """Wrap a chart or picture with its caption, and the names of its series."""
    names = "".join(
        f'<span class="key"><span class="swatch s{series}"></span>{escape(name)}</span>'
        for name, series in (legend or {}).items()
    )
    keys = f'<span class="keys">{names}</span>' if names else ""
    opening = '<figure class="wide">' if wide else "<figure>"
    return f"{opening}{content}<figcaption>{escape(caption)}{keys}</figcaption></figure>"


def picture(uri: str, alt: str, *, width: int, still: str | None = None) -> str:
    """Write an image; `still` takes its place for readers who asked for less motion."""
    image = f'<img src="{uri}" alt="{escape(alt)}" width="{width}">'
    if still is None:
        return image
    return f'<picture><source media="(prefers-reduced-motion: reduce)" srcset="{still}">{image}</picture>'


def grid(*figures: str) -> str:
    """Put figures side by side as the width allows."""
    return f'<div class="grid">{"".join(figures)}</div>'


def check_result(owner: str, name: str, value: object, kind: type, source: str) -> None:
    """Raise `ConfigError` unless `value` is a `kind`, which `source` makes."""
    if not isinstance(value, kind):
        raise ConfigError(
            f"{owner} needs `{name}` to be a {kind.__name__}",
            f"`{name}` is {describe(value)}",
            f"Pass what {source} returned",
        )
