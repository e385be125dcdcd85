"""The one network seam: files of a repository on the Hugging Face Hub, from the cache where it has them."""

import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from .. import __version__
from .._files import digest
from ..errors import CheckpointError
from ._download_errors import explain, is_unreachable

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ETAG = re.compile(r"[0-9A-Za-z_-][\w.=+-]{0,199}")  # huggingface_hub makes it the name of a file
_PATIENCE = 4.0  # seconds that a Hub may take to say which commit a revision is


@final
@dataclass(frozen=True)
class HubRepository:
    """A repository at a revision (None is the main branch), and how to reach it."""

    repository: str
    revision: str | None = None
    cache_dir: str | Path | None = None
    local_files_only: bool = False
    token: bool | str | None = None

    def __str__(self) -> str:
        return f"{self.repository}@{self.revision or 'main'}"

    @staticmethod
    def endpoint() -> str:
        """Return the address of the Hub, which the environment variable HF_ENDPOINT can change."""
        from huggingface_hub import constants

        return constants.ENDPOINT


def fetch(place: HubRepository, file: str, *, sha256: str | None = None) -> tuple[Path, HubRepository]:
    """Return the path of `file` in the cache, downloading it if need be, and `place` at its exact commit.

    The cache is asked first: a file at a full commit needs no request at all, one at a branch needs one (to
    learn its commit), and when the Hub does not answer within seconds the cached file of that branch serves.
    Only whole files enter the cache; one whose SHA-256 is wrong is taken out again.

    Raises:
        CheckpointError: if the file cannot be had, saying why, or is not the expected one.
    """
    known = _cached(place, file)
    if known is not None and _COMMIT.fullmatch(place.revision or ""):
        return _verified(known, sha256, place, file), place
    if _offline(place):
        if known is None:
            raise explain(_local_only(), place, file)
        return _verified(known, sha256, place, file), _at_commit(place, known)
    try:
        commit = _ask_commit(place, file)
    except Exception as error:
        if known is not None and is_unreachable(error):
            return _verified(known, sha256, place, file), _at_commit(place, known)
        raise explain(error, place, file) from error
    pinned = replace(place, revision=commit)
    path = _cached(pinned, file) or _download(place, file)
    return _verified(path, sha256, pinned, file), _at_commit(place, path)


def _cached(place: HubRepository, file: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(place.repository, file, cache_dir=place.cache_dir, revision=place.revision)
    return Path(found) if isinstance(found, str) else None


def _offline(place: HubRepository) -> bool:
    from huggingface_hub import constants

    return place.local_files_only or constants.is_offline_mode()


def _local_only() -> Exception:
    from huggingface_hub.errors import LocalEntryNotFoundError

    return LocalEntryNotFoundError("not in the cache")


def _ask_commit(place: HubRepository, file: str) -> str:
    """Ask the Hub for the commit that the revision is at, in bounded time: the resolver has no timeout."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    def ask() -> str:
        url = hf_hub_url(place.repository, file, revision=place.revision, endpoint=place.endpoint())
        metadata = get_hf_file_metadata(
            url,
            timeout=_PATIENCE,
            token=place.token,
            library_name="leworld",
            library_version=__version__,
            endpoint=place.endpoint(),
        )
        if metadata.commit_hash is None or not _COMMIT.fullmatch(metadata.commit_hash):
            raise OSError("its answer names no commit, so it is no Hub")
        if metadata.etag is None or not _ETAG.fullmatch(metadata.etag):
            raise OSError("its answer has an ETag that is no plain name, so it is no Hub to trust")
        return metadata.commit_hash

    return _within(_PATIENCE + 0.5, ask)


def _within(seconds: float, call: Callable[[], str]) -> str:
    answer: list[Any] = []

    def run() -> None:
        try:
            answer.append(call())
        except Exception as error:
            answer.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not answer:
        raise TimeoutError(f"no answer within {seconds:g} s")
    if isinstance(answer[0], Exception):
        raise answer[0]
    return answer[0]


def _download(place: HubRepository, file: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        path = hf_hub_download(
            place.repository,
            file,
            revision=place.revision,
            cache_dir=place.cache_dir,
            token=place.token,
            library_name="leworld",
            library_version=__version__,
            endpoint=place.endpoint(),
        )
    except Exception as error:
        raise explain(error, place, file) from error
    return Path(path)


def _at_commit(place: HubRepository, path: Path) -> HubRepository:
    """Read the commit off a path in the cache: .../snapshots/COMMIT/FILE, the file in folders perhaps."""
    commit = next((parent for parent in path.parents if parent.parent.name == "snapshots"), path.parent)
    return replace(place, revision=commit.name)


def _verified(path: Path, sha256: str | None, place: HubRepository, file: str) -> Path:
    """Compare a file with its digest; large files without a known one carry theirs as their name."""
    blob = Path(os.path.realpath(path))
    expected = sha256 or (blob.name if _SHA256.fullmatch(blob.name) else None)
    if expected is None:
        return path
    found = digest(path)
    if found != expected:
        for stale in (path, blob):
            stale.unlink(missing_ok=True)
        raise CheckpointError(
            f"`{file}` of {place} needs the SHA-256 digest {expected}",
            f"what was downloaded has {found}",
            "It was removed from the cache: load again, and if that fails too, do not trust the source",
        )
    return path
