"""Looking up records of checkpoints on the Hub."""

from ._official import OFFICIAL
from ._record import CheckpointRecord
from ._shipped import SHIPPED

# Records of checkpoints on the Hub by name; those that ship with leworld describe themselves.
PINNED: dict[str, CheckpointRecord] = {record.name: record for record in OFFICIAL}
KNOWN_NAMES = (*SHIPPED, *PINNED, *(alias for record in OFFICIAL for alias in record.aliases))


def pinned_record(name: str) -> CheckpointRecord | None:
    """Return the record of a checkpoint on the Hub by name or alias."""
    return next((record for record in PINNED.values() if name in (record.name, *record.aliases)), None)


def record_of_weights(sha256: str) -> CheckpointRecord | None:
    """Return the record that one of whose files has this digest."""
    return next((record for record in PINNED.values() if sha256 in record.files.values()), None)
