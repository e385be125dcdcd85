"""The catalogue of named checkpoints."""

import fnmatch
import os
from collections.abc import Mapping
from pathlib import Path

from ..._files import digest
from ..._folder import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE
from ..._typing import shapechecked
from ...errors import CheckpointError, ConfigError
from ...serialise import read_module
from .._names import existing_folder
from .._processor import stored_processor
from ._known import KNOWN_NAMES, PINNED, SHIPPED, pinned_record, shipped_folder
from ._provenance import read_scores
from ._record import CheckpointRecord


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
        name: A name or alias of `list_checkpoints`, a folder that `leworld.save` wrote, or the folder of a
            training run, for the `model` in it.

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
    folder = existing_folder(name, KNOWN_NAMES)
    return describe_folder(folder, Path(name).name)


def describe_folder(folder: Path, name: str) -> CheckpointRecord:
    """Read the record of a folder in leworld's own layout from its config."""
    stored = read_module(folder)
    facts = stored.provenance
    predictor = stored.architecture.get("predictor")
    history = predictor.get("history_size") if isinstance(predictor, Mapping) else None
    paper = facts.get("paper")
    try:
        scores = read_scores(facts)
    except ConfigError as error:
        raise CheckpointError(f"{stored.source}: {error.rule}", error.got, error.fix) from error
    present = [file for file in (CONFIG_FILE, WEIGHTS_FILE, CARD_FILE) if os.path.isfile(folder / file)]
    return CheckpointRecord(
        name=name,
        summary=str(
            facts.get("summary", f"A {stored.architecture.get('class')} saved by {stored.written_by}")
        ),
        files={file: digest(folder / file) for file in present},
        architecture=stored.architecture,
        processor=stored_processor(stored),
        history_size=history if isinstance(history, int) else None,
        licence=str(facts.get("licence", "unknown")),
        paper=None if paper is None else str(paper),
        scores=scores,
    )
