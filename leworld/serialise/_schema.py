"""What `config.json` holds, version by version."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from .. import __version__
from .._checks import describe, described_name, nearest, quoted
from .._json import read_json
from ..errors import CheckpointError

SCHEMA_VERSION = 1

# From version n to n + 1: each takes the whole object of version n and returns that of n + 1.
_MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}

_FIELDS = ("schema_version", "written_by", "architecture", "processor", "provenance")


@final
@dataclass(frozen=True)
class CheckpointConfig:
    """The parsed `config.json` of a stored module.

    `architecture` is what `ModuleConfig.to_json` wrote, `processor` what `Processor.to_json` did (no concern
    of this room), `provenance` is the writer's own JSON object.
    """

    architecture: Mapping[str, Any]
    processor: Mapping[str, Any] | None
    provenance: Mapping[str, Any]
    written_by: str = f"leworld {__version__}"

    def to_json(self) -> dict[str, Any]:
        """Return the object that `config.json` stores."""
        return {
            "schema_version": SCHEMA_VERSION,
            "written_by": self.written_by,
            "architecture": self.architecture,
            "processor": self.processor,
            "provenance": self.provenance,
        }


def read_config(path: Path) -> CheckpointConfig:
    """Read and check a `config.json`, migrating older versions.

    Raises:
        CheckpointError: for a file of a newer leworld, an unknown, missing or malformed field.
    """
    return parsed_config(read_json(path), where=str(path))


def parsed_config(data: dict[str, Any], *, where: str) -> CheckpointConfig:
    """Check what a `config.json` holds, migrating older versions; `where` is how errors call it."""
    version = data.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise CheckpointError(
            f"{where} needs `schema_version` to be a whole number of at least 1",
            f"it is {describe(version)}" if "schema_version" in data else "it has none",
            "Load a folder that leworld wrote",
        )
    if version > SCHEMA_VERSION:
        raise CheckpointError(
            f"{where} needs `schema_version` of at most {SCHEMA_VERSION}, the newest that this leworld reads",
            f"it is {describe(version)} (written by {describe(data.get('written_by'))})",
            "Upgrade with `pip install --upgrade leworld`",
        )
    for step in range(version, SCHEMA_VERSION):
        data = _MIGRATIONS[step](data)
    for field in data:
        if field not in _FIELDS:
            raise CheckpointError(
                f"{where} needs known fields only", f"it has {described_name(field)}", nearest(field, _FIELDS)
            )
    missing = [field for field in _FIELDS if field not in data]
    if missing:
        raise CheckpointError(
            f"{where} needs the fields {quoted(_FIELDS)}",
            f"`{missing[0]}` is missing",
            "Restore the file, or save the model again",
        )
    return CheckpointConfig(
        architecture=_mapping(where, "architecture", data["architecture"]),
        processor=None if data["processor"] is None else _mapping(where, "processor", data["processor"]),
        provenance=_mapping(where, "provenance", data["provenance"]),
        written_by=str(data["written_by"])[:100],
    )


def _mapping(where: str, field: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CheckpointError(
            f"{where} needs `{field}` to be an object", f"it is {describe(value)}", "Save the model again"
        )
    return value
