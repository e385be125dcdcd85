"""The entry point that the `leworld` script calls."""

from ._compare import compare
from ._convert import convert
from ._demo import demo
from ._explore import explore
from ._export import export
from ._group import TeachingGroup, top
from ._info import info
from ._list import list_command
from ._pack import pack
from ._plan import plan
from ._probe import probe
from ._report import report
from ._stats import stats
from ._surprise import surprise
from ._train import train
from ._tune import tune

COMMANDS = (
    demo,
    train,
    tune,
    plan,
    probe,
    surprise,
    report,
    explore,
    compare,
    pack,
    list_command,
    info,
    convert,
    export,
    stats,
)

for _command in COMMANDS:
    top.add_command(_command)


def main() -> None:
    """Run the command line on `sys.argv` and exit with its code.

    Example:
        ```python
        import sys

        from leworld.cli import main

        sys.argv = ["leworld", "--version"]
        try:
            main()
        except SystemExit as exit:
            assert exit.code == 0
        ```
    """
    group: TeachingGroup = top
    group(prog_name="leworld")
