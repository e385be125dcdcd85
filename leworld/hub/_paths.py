"""Local folders, as a user writes them."""

from pathlib import Path

from .._checks import nearest
from ..errors import CheckpointError
from ._names import HUB_ID, HUB_PREFIX


def local_path(path: str | Path) -> Path:
    """Return `path` as an absolute path with `~` expanded."""
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise CheckpointError(
            "A path that starts with `~` needs a user that exists",
            f"it is `{path}`",
            "Write the path in full",
        ) from error


def existing_folder(name_or_path: str | Path, known: tuple[str, ...]) -> Path:
    """Return the local folder that `name_or_path` means; `known` are the names that it could have been.

    Raises:
        CheckpointError: if there is no such folder, saying what else may have been meant.
    """
    folder = local_path(name_or_path)
    if folder.is_dir():
        return folder
    text = str(name_or_path)
    rule = "leworld.load needs a known name, `hf-hub:owner/repository` or an existing folder"
    if folder.exists():
        raise CheckpointError(rule, f"{folder} is a file", "Pass the folder that holds config.json")
    if isinstance(name_or_path, str) and HUB_ID.fullmatch(text):
        fix = f"For a repository on the Hub write `{HUB_PREFIX}{text}`, for a folder check the path"
        raise CheckpointError(rule, f"there is no folder {folder}", fix)
    if (
        isinstance(name_or_path, str)
        and "/" not in text
        and "\\" not in text
        and not text.startswith(("~", "."))
    ):
        raise CheckpointError(rule, f"`{text}` is neither a name nor a folder", nearest(text, known))
    raise CheckpointError(rule, f"there is no folder {folder}", "Check the path")
