"""Checkpoints that come inside the installed package."""

from pathlib import Path

from ..errors import CheckpointError

SHIPPED = ("lewm-tworoom-tiny",)


def shipped_folder(name: str) -> Path:
    """Return the folder of a shipped checkpoint.

    Raises:
        CheckpointError: if this installation lacks it.
    """
    folder = Path(__file__).parent / "checkpoints" / name
    if not (folder / "config.json").is_file():
        raise CheckpointError(
            f"`{name}` needs its folder inside the installed package",
            f"{folder} is missing or holds no config.json",
            "Reinstall leworld, or train such a model with `leworld train tworoom`",
        )
    return folder
