"""Names of repositories on the Hub, and their revisions, as a user writes them."""

import re

from ..errors import ConfigError

HUB_PREFIX = "hf-hub:"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_REVISION = re.compile(r"[\w][\w./-]{0,199}")


def hub_name(text: str, revision: str | None) -> tuple[str, str | None]:
    """Parse `hf-hub:owner/repository[@revision]` into repository and revision.

    Raises:
        ConfigError: if it does not read so, or names two different revisions.
    """
    repository, _, pinned = text.removeprefix(HUB_PREFIX).partition("@")
    if not HUB_ID.fullmatch(repository) or ".." in repository or (pinned == "" and text.endswith("@")):
        raise ConfigError(
            "A name on the Hugging Face Hub reads `hf-hub:owner/repository`, with or without `@revision`",
            f"it is `{text}`",
            "Copy owner and repository from the address of its page",
        )
    return repository, one_revision(text, pinned or None, revision)


def one_revision(text: str, pinned: str | None, revision: str | None) -> str | None:
    """Return the one revision that `name@revision` and `revision=` agree on, if any."""
    if pinned and revision and pinned != revision:
        raise ConfigError(
            "leworld.load needs one revision",
            f"`{text}` and `revision={revision!r}` differ",
            "Give one of them",
        )
    chosen = pinned or revision
    if chosen is not None and (not _REVISION.fullmatch(chosen) or ".." in chosen):
        raise ConfigError(
            "A revision is a branch, a tag or a commit",
            f"it is `{chosen}`",
            "Take it from the page's history",
        )
    return chosen
