"""One HTML page that shows what a world model knows.

`build_report` measures everything and returns the page, `compare_report` one of two models side by side. Both
begin with a verdict: `verdict_lines` judges a result, each `VerdictLine` compares with something, and
`verdict_section` shows them. Each part is a function from a result to a `Section`, usable alone:
`card_section`, `training_section`, `gaussianity_section`, `probing_section`, `diagnosis_section`,
`surprise_section`, `planning_section`, `imagination_section`, `open_loop_section`, `latent_map_section` and
`monotonicity_section`. `render_page` joins sections, yours among them, on a page that loads nothing from
outside.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._build import build_report as build_report
from ._card import card_section as card_section
from ._compare import compare_report as compare_report
from ._diagnosis import diagnosis_section as diagnosis_section
from ._gaussianity import gaussianity_section as gaussianity_section
from ._imagination import imagination_section as imagination_section
from ._judgement import verdict_lines as verdict_lines
from ._latent_map import latent_map_section as latent_map_section
from ._monotonicity import monotonicity_section as monotonicity_section
from ._open_loop import open_loop_section as open_loop_section
from ._page import render_page as render_page
from ._planning import planning_section as planning_section
from ._probing import probing_section as probing_section
from ._section import Section as Section
from ._surprise import surprise_section as surprise_section
from ._training import training_section as training_section
from ._verdict import VerdictLine as VerdictLine
from ._verdict import verdict_section as verdict_section

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
