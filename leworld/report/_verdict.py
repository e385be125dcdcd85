"""What is good and what is not, on top of a report."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

from .._checks import check_choice, describe
from ..errors import ConfigError
from ._html import escape, paragraph
from ._section import Section, anchor_of

TITLE = "Verdict"
Grade = Literal["good", "poor", "unclear"]
WORDS: dict[str, tuple[str, str]] = {  # a sign beside each colour, for readers who do not see it
    "good": ("\u2713", "good"),
    "poor": ("\u2717", "not good"),
    "unclear": ("?", "unclear"),
}
_ORDER = ("poor", "unclear", "good")


@final
@dataclass(frozen=True)
class VerdictLine:
    """One sentence of a verdict: what was found, compared with what, and whether that is good.

    Attributes:
        grade: "good", "poor", or "unclear" where the numbers do not decide.
        text: What was found, as a sentence.
        against: What it was compared with, for example "random actions".
        section: Title of the section that holds the numbers.

    Raises:
        ConfigError: Another grade, or an empty or missing text.

    Example:
        ```python
        from leworld.report import VerdictLine

        line = VerdictLine("good", "It reaches 8 of 8 goals.", against="random actions", section="Planning")
        assert line.grade == "good"
        ```
    """

    grade: Grade
    text: str
    against: str
    section: str

    def __post_init__(self) -> None:
        check_choice("VerdictLine", "grade", self.grade, tuple(WORDS))
        for name in ("text", "against", "section"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise ConfigError(
                    f"VerdictLine needs `{name}` to be text",
                    f"`{name}` is {describe(value)}",
                    'Pass for example text="It reaches 8 of 8 goals.", against="random actions"',
                )


def verdict_section(lines: Sequence[VerdictLine]) -> Section:
    """Show a verdict: what is not good first, then what is unclear, then what is good.

    Each line has a sign and a word beside its colour, and links to the section that holds its numbers. Put
    the section on a page with those that its lines name.

    Args:
        lines: What `verdict_lines` returned for your results, and lines of your own; at least one.

    Raises:
        ConfigError: No line, or something else among them.

    Example:
        ```python
        from leworld.metrics import GoalMonotonicity
        from leworld.report import monotonicity_section, render_page, verdict_lines, verdict_section

        result = GoalMonotonicity(edges=(0.0, 10.0, 20.0), share=(1.0, 0.9), count=(300, 100))
        sections = [verdict_section(verdict_lines(result)), monotonicity_section(result)]
        assert "1 good" in render_page(sections, title="My model")
        ```
    """
    fits = isinstance(lines, Sequence) and not isinstance(lines, str) and len(lines) > 0
    if not fits or not all(isinstance(line, VerdictLine) for line in lines):
        raise ConfigError(
            "verdict_section needs a list of at least one VerdictLine",
            f"`lines` is {describe(lines)}",
            "Pass what `verdict_lines` returned",
        )
    counts = {grade: sum(line.grade == grade for line in lines) for grade in reversed(_ORDER)}
    told = ", ".join(f"{counts[grade]} {WORDS[grade][1]}" for grade in ("good", "poor", "unclear"))
    body = paragraph(f"{told}. Brackets hold 95 % intervals; each line links to its numbers.")
    ordered = [line for grade in _ORDER for line in lines if line.grade == grade]
    return Section(TITLE, body + f'<ul class="verdict">{"".join(map(_item, ordered))}</ul>')


def _item(line: VerdictLine) -> str:
    sign, word = WORDS[line.grade]
    return (
        f'<li class="{line.grade}"><p class="mark"><span aria-hidden="true">{sign}</span> {word}</p>'
        f'<p><a href="#{anchor_of(line.section)}">{escape(line.section)}</a>: {escape(line.text)} '
        f'<span class="soft">Compared with {escape(line.against)}.</span></p></li>'
    )
