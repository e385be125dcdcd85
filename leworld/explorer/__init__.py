"""Look at a model in the browser: scrub through time, click a goal, disturb the world, see the surprise.

`Explorer` holds a model with recorded episodes and answers what the page asks: an episode with its surprise,
a disturbed one, an imagined plan, a played one. `serve` shows it on a local page, as `leworld explore` does.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._explorer import Explorer as Explorer
from ._serve import serve as serve

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
