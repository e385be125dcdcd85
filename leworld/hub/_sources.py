"""From what a user wrote to a folder on this machine, through the cache and the network if need be."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from .._checks import quoted
from .._files import digest
from .._folder import CONFIG_FILE
from ..errors import CheckpointError, ConfigError
from ._download import HubRepository, fetch
from ._names import HUB_PREFIX, existing_folder, hub_name, one_revision
from .catalog._known import KNOWN_NAMES, SHIPPED, pinned_record, record_of_weights, shipped_folder
from .catalog._record import CheckpointRecord
from .released._files import RELEASED_WEIGHTS
from .released._layout import WEIGHTS_OF, layout_of


def locate(name_or_path: str | Path, hub: HubRepository) -> tuple[Path, CheckpointRecord | None]:
    """Return the folder that `name_or_path` means, and the record of it where there is one.

    `hub` carries the options for the Hub; its repository is filled in here.
    """
    if isinstance(name_or_path, str):
        name, _, pinned = name_or_path.partition("@")
        if name_or_path in SHIPPED:
            _refuse_revision(name_or_path, hub.revision)
            return shipped_folder(name_or_path), None
        if name_or_path.startswith(HUB_PREFIX):
            repository, revision = hub_name(name_or_path, hub.revision)
            return _download(replace(hub, repository=repository, revision=revision), {}), None
        record = pinned_record(name)
        if record is not None and record.repository is not None:
            revision = one_revision(name_or_path, pinned or None, hub.revision) or record.commit
            place = replace(hub, repository=record.repository, revision=revision)
            return _download(place, record.files if revision == record.commit else {}), record
    _refuse_revision(str(name_or_path), hub.revision)
    folder = existing_folder(name_or_path, KNOWN_NAMES)
    weights = folder / RELEASED_WEIGHTS
    return folder, record_of_weights(digest(weights)) if os.path.isfile(weights) else None


def _download(place: HubRepository, digests: Mapping[str, str | None]) -> Path:
    """Bring config and weights of one commit into the cache and return their folder there."""
    config, exact = fetch(place, CONFIG_FILE, sha256=digests.get(CONFIG_FILE))
    weights = WEIGHTS_OF[layout_of(config.parent)]
    if digests and weights not in digests:
        raise CheckpointError(
            f"`{place}` needs the files {quoted(digests)}, as its record says",
            f"its config asks for `{weights}`",
            "Do not trust its source",
        )
    fetch(exact, weights, sha256=digests.get(weights))
    return config.parent


def _refuse_revision(name: str, revision: str | None) -> None:
    if revision is not None:
        raise ConfigError(
            "leworld.load takes `revision` for repositories on the Hub only",
            f"`{name}` is none and `revision={revision!r}`",
            f"Leave it out, or write `{HUB_PREFIX}owner/repository`",
        )
