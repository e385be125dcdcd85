"""The catalogue of named checkpoints."""

import fnmatch
from pathlib import Path

from .._checks import nearest
from .._typing import shapechecked
from ..errors import CheckpointError
from ._describe import describe_folder
from ._paths import local_path
from ._record import CheckpointRecord
from ._records import KNOWN_NAMES, PINNED, pinned_record
from ._shipped import SHIPPED, shipped_folder


@shapechecked
def list_checkpoints(pattern: str = "*") -> list[str]:
    """Return the names that `leworld.load` knows and that match a shell-style `pattern`, sorted.

    Costs nothing: no file and no network is touched.

    Args:
        pattern: `*` stands for any letters, `?` for one; names and aliases are matched.

    Returns:
        The names; empty when none matches.

    Raises:
        ConfigError: if `pattern` is no string.

    Example:
        ```python
        import leworld

        assert "lewm-tworoom-tiny" in leworld.list_checkpoints("lewm-*")
        ```
    """
    names = set(fnmatch.filter(SHIPPED, pattern))
    for name, record in PINNED.items():
        if fnmatch.filter((name, *record.aliases), pattern):
            names.add(name)
    return sorted(names)


@shapechecked
def checkpoint_info(name: str | Path) -> CheckpointRecord:
    """Return what is known about a checkpoint without loading its weights.

    Args:
        name: A name or alias of `list_checkpoints`, or a folder that `leworld.save` wrote.

    Returns:
        Its record. For a shipped checkpoint or a folder it is read from the `config.json` there.

    Raises:
        CheckpointError: if the name is unknown, or the folder is no checkpoint of leworld.

    Example:
        ```python
        import leworld

        record = leworld.hub.checkpoint_info("lewm-tworoom-tiny")
        assert record.processor.environment_id == "leworld/TwoRoom-v0"
        ```
    """
    if isinstance(name, str):
        if name in SHIPPED:
            return describe_folder(shipped_folder(name), name)
        record = pinned_record(name)
        if record is not None:
            return record
    folder = local_path(name)
    if not folder.is_dir():
        raise CheckpointError(
            "checkpoint_info needs a known name or an existing folder",
            f"`{name}` is neither",
            nearest(str(name), KNOWN_NAMES),
        )
    return describe_folder(folder, folder.name)
