"""One part of a report: a title and a fragment of HTML that stands alone."""

import re
from dataclasses import dataclass
from typing import final

from ..errors import ConfigError
from ._html import escape


@final
@dataclass(frozen=True)
class Section:
    """A titled fragment of HTML, as the functions `..._section` make it and `render_page` puts it on a page.

    Make one of your own from any HTML that needs nothing from outside.

    Attributes:
        title: Heading, plain text.
        body: HTML below it. Text in it must be escaped already.

    Raises:
        ConfigError: No title, or a body that is not text.

    Example:
        ```python
        from leworld.report import Section

        section = Section("Notes", "<p>Trained on a laptop.</p>")
        assert section.anchor == "notes" and "<h2>Notes</h2>" in section.html
        ```
    """

    title: str
    body: str

    def __post_init__(self) -> None:
        if not isinstance(self.title, str) or not self.anchor or not isinstance(self.body, str):
            raise ConfigError(
                "Section needs a `title` with letters or digits, and a `body` of HTML text",
                f"`title` is {self.title!r} and `body` a {type(self.body).__name__}",
                'Pass for example Section("Notes", "<p>...</p>")',
            )

    @staticmethod
    def missing(title: str, reason: str) -> "Section":
        """Make a section that says why there is nothing to see."""
        return Section(title, f'<p class="missing">Not in this report: {escape(reason)}</p>')

    @property
    def anchor(self) -> str:
        """The name that links within the page use."""
        return anchor_of(self.title)

    @property
    def html(self) -> str:
        """The section as one HTML element."""
        return f'<section id="{self.anchor}"><h2>{escape(self.title)}</h2>{self.body}</section>'


def anchor_of(title: str) -> str:
    """Return the anchor of a section with such a title."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
