"""Names, repositories with their revisions, and folders, as a user writes them."""

import os
import re
from pathlib import Path

from .._checks import described_name, nearest
from .._files import local_path
from .._folder import CONFIG_FILE
from ..errors import CheckpointError, ConfigError

HUB_PREFIX = "hf-hub:"
RUN_MODEL = "model"  # where a training run leaves its model, in the folder of the run
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


def existing_folder(name_or_path: str | Path, known: tuple[str, ...]) -> Path:
    """Return the local folder that `name_or_path` means; `known` are the names that it could have been.

    The folder of a training run stands for the `model` in it.

    Raises:
        CheckpointError: if there is no such folder, saying what else may have been meant.
    """
    folder = local_path(name_or_path)
    if os.path.isdir(folder):  # unlike `Path.is_dir`, it takes a name that is too long for one that is not
        inner = folder / RUN_MODEL
        is_run = not os.path.exists(folder / CONFIG_FILE) and os.path.exists(inner / CONFIG_FILE)
        return inner if is_run else folder
    text = str(name_or_path)
    rule = "A model needs a known name, `hf-hub:owner/repository` or an existing folder"
    if os.path.exists(folder):
        raise CheckpointError(rule, f"{folder} is a file", "Pass the folder that holds config.json")
    if isinstance(name_or_path, str) and HUB_ID.fullmatch(text):
        fix = f"For a repository on the Hub write `{HUB_PREFIX}{text}`, for a folder check the path"
        raise CheckpointError(rule, f"there is no folder {described_name(folder)}", fix)
    if (
        isinstance(name_or_path, str)
        and "/" not in text
        and "\\" not in text
        and not text.startswith(("~", "."))
    ):
        raise CheckpointError(
            rule, f"{described_name(text)} is neither a name nor a folder", nearest(text, known)
        )
    raise CheckpointError(rule, f"there is no folder {described_name(folder)}", "Check the path")
