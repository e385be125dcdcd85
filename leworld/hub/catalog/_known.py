"""The checkpoints that have a name: those in the installed package, and those pinned on the Hub."""

from pathlib import Path

from ...errors import CheckpointError
from ._official import OFFICIAL
from ._record import CheckpointRecord

SHIPPED = ("lewm-tworoom-tiny", "lewm-pusht-tiny", "lewm-arm-tiny")
# Records of checkpoints on the Hub by name; those that ship with leworld describe themselves.
PINNED: dict[str, CheckpointRecord] = {record.name: record for record in OFFICIAL}
KNOWN_NAMES = (*SHIPPED, *PINNED, *(alias for record in OFFICIAL for alias in record.aliases))


def pinned_record(name: str) -> CheckpointRecord | None:
    """Return the record of a checkpoint on the Hub by name or alias."""
    return next((record for record in PINNED.values() if name in (record.name, *record.aliases)), None)


def record_of_weights(sha256: str) -> CheckpointRecord | None:
    """Return the record that one of whose files has this digest."""
    return next((record for record in PINNED.values() if sha256 in record.files.values()), None)


def shipped_folder(name: str) -> Path:
    """Return the folder of a shipped checkpoint.

    Raises:
        CheckpointError: if this installation lacks it.
    """
    folder = Path(__file__).parent.parent / "checkpoints" / name
    if not (folder / "config.json").is_file():
        raise CheckpointError(
            f"`{name}` needs its folder inside the installed package",
            f"{folder} is missing or holds no config.json",
            "Reinstall leworld, or train such a model with `leworld train`",
        )
    return folder
