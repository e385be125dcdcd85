"""What went wrong between here and the Hub, in our words."""

import errno
from typing import Any

from ..errors import CheckpointError, LeWorldError

_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)
_AGAIN = "Try again in a moment; files that came whole are kept"


def is_unreachable(error: Exception) -> bool:
    """Whether the Hub did not answer, or answered that it is ill, so that a cached file may serve."""
    from huggingface_hub.errors import FileMetadataError, HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        status = getattr(error.response, "status_code", 0)
        return status >= 500 or status in (408, 429)
    return isinstance(error, TimeoutError | FileMetadataError) or _is_transport(error)


def explain(error: Exception, place: Any, file: str) -> LeWorldError:
    """Turn an error of huggingface_hub or of the transport into a `CheckpointError` that says what to do."""
    from huggingface_hub import constants
    from huggingface_hub import errors as hub

    where = f"{constants.ENDPOINT}/{place.repository}"
    rule = f"leworld.load needs `{file}` of {place}"
    got, fix = f"that failed ({_brief(error)})", _AGAIN
    # Gated is a kind of not found, and not found a kind of HTTP error: the order matters.
    if isinstance(error, hub.GatedRepoError):
        got = "its owner admits only users who asked"
        fix = f"Ask at {where}, then log in with `hf auth login`"
    elif isinstance(error, hub.RepositoryNotFoundError):
        got = "there is no such repository, or it is private"
        fix = f"Check the name at {where}; for a private one log in with `hf auth login` or pass `token`"
    elif isinstance(error, hub.RevisionNotFoundError):
        got, fix = f"there is no revision `{place.revision}`", f"Choose one of {where}/commits/main"
    elif isinstance(error, hub.LocalEntryNotFoundError):
        got = "it is not in the cache, and downloading is switched off"
        fix = "Load it once with a connection, without `local_files_only` and HF_HUB_OFFLINE"
    elif isinstance(error, hub.EntryNotFoundError):
        got, fix = "the repository has no such file", f"See what it holds at {where}/tree/main"
    elif isinstance(error, hub.HfHubHTTPError):
        got = f"the Hub answered with status {getattr(error.response, 'status_code', 'unknown')}"
    elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        got = f"the disk of the cache {constants.HF_HUB_CACHE} has no room ({error.strerror})"
        fix = "Make room, or pass `cache_dir` on another disk"
    elif isinstance(error, OSError) and error.errno in _FORBIDDEN:
        got = f"the cache cannot be written ({error.strerror}: {error.filename})"
        fix = "Pass a `cache_dir` that you may write to"
    elif isinstance(error, TimeoutError) or _is_transport(error):
        got = f"{constants.ENDPOINT} does not answer ({_brief(error)})"
        fix = "Check the connection; files loaded once are read from the cache without any"
    return CheckpointError(rule, got, fix)


def _is_transport(error: Exception) -> bool:
    """Whether the error is one of the HTTP client below huggingface_hub, whichever that is."""
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool(names & {"TransportError", "ConnectionError"})


def _brief(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:197]}..."
