"""The few operations that deserve more than plain PyTorch, each with its definition beside its fast versions.

Every operation takes `implementation="auto"` or a name. A named implementation that cannot run raises with
the reason; `auto` takes the first that can and pays at the size, and `explain` says which and why.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._registry import check_implementation as check_implementation
from ._registry import explain as explain
from .sliced_ecf import ecf_sums as ecf_sums

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
