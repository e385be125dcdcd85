"""Sections on one page that needs nothing else."""

from collections.abc import Sequence

from .._checks import describe
from ..errors import ConfigError
from ._html import escape
from ._section import Section
from ._style import STYLE


def render_page(sections: Sequence[Section], *, title: str, lead: str = "") -> str:
    """Put sections on one self-contained HTML page.

    The page holds its style and pictures in itself, runs no script, and forbids the browser by its content
    security policy to fetch anything. It follows the reader's choice of light or dark. The same sections give
    the same text, byte for byte.

    Args:
        sections: What to show, in this order, each with a title of its own.
        title: Heading of the page.
        lead: One or two sentences below it.

    Returns:
        The HTML text; write it to a file as UTF-8.

    Raises:
        ConfigError: No section, something else among them, or two with the same title.

    Example:
        ```python
        from leworld.report import Section, render_page

        page = render_page([Section("Notes", "<p>All is well.</p>")], title="My model")
        assert page.startswith("<!doctype html>") and "All is well." in page
        ```
    """
    if isinstance(sections, str) or not isinstance(sections, Sequence) or not sections:
        raise ConfigError(
            "render_page needs at least one section",
            f"`sections` is {describe(sections)}",
            "Pass a list of what the functions `..._section` returned",
        )
    for section in sections:
        if not isinstance(section, Section):
            raise ConfigError(
                "render_page needs `sections` to hold Section objects",
                f"one is {describe(section)}",
                "Wrap your HTML as Section(title, html)",
            )
    anchors = [section.anchor for section in sections]
    twice = [anchor for anchor in anchors if anchors.count(anchor) > 1]
    if twice:
        raise ConfigError(
            "render_page needs sections with different titles",
            f"{anchors.count(twice[0])} are called `{twice[0]}`",
            "Rename one of them",
        )
    links = "".join(f'<li><a href="#{part.anchor}">{escape(part.title)}</a></li>' for part in sections)
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f'<header><h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>'
        f'<nav aria-label="Sections"><ol>{links}</ol></nav></header>'
        f"<main>{''.join(part.html for part in sections)}</main>"
        "<footer>Made with leworld. This file loads nothing from outside.</footer></body></html>\n"
    )
