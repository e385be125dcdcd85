"""The command line: `leworld demo`, `train`, `plan`, `list`, `info` and further commands.

Each command is one file and only joins parts of the library: everything that it does can be done in Python
with the functions that it calls. A user's mistake ends in one line on stderr and exit code 2; Ctrl-C ends
with 130.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._main import main as main

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
