"""One run at a time in a folder, and a look at what stands in it before the work begins."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._checks import plain_numbers, require
from .._folder import check_replaceable
from .._lock import locked_folder
from ..errors import ConfigError
from ._log import METRICS_FILE, TENSORBOARD_FOLDER
from ._writes import check_places, remove_leftovers, run_folder

require("lightning.pytorch", extra="train", purpose="leworld.training")
from lightning.fabric.utilities.rank_zero import rank_zero_only  # noqa: E402 -- after the check

STATE_FILE = "state.ckpt"


def first_process() -> bool:
    """Whether this is the process that writes, of those of one run."""
    return getattr(rank_zero_only, "rank", 0) == 0


@plain_numbers
@contextmanager
def reserve_folder(
    folder: str | os.PathLike[str],
    *,
    result: str | None = None,
    resume: bool = True,
    owner: str = "reserve_folder",
) -> Iterator[Path]:
    """Keep other runs out of a run's folder while the block lasts; `train` does so by itself.

    Use it around work that belongs to a run and begins before `train` does, such as collecting its data: a
    second run in the same folder is then refused at once, and a folder that cannot be written is found out
    before the work. A `train` within the block, for the same folder, is let in. What killed processes left
    half written is removed.

    The lock is the operating system's (`flock`; on Windows a locked byte), on the file `.leworld.lock`, which
    stays in the folder: a killed process holds it no longer. Linux passes it on to NFS servers. Where a file
    system has no locks, a warning says so. Of several processes of one run the first holds it.

    Args:
        folder: The folder, `~` allowed; made if missing.
        result: A folder within it that the run will replace with what it trained.
        resume: Whether the run goes on; if not, it may replace any `result`.
        owner: Who asks, for messages.

    Returns:
        The folder, as an absolute path.

    Raises:
        ConfigError: Another run is using the folder, or it holds a `result` without the state of its run.
        CheckpointError: It cannot be written, or something else stands in a place of the run's files.

    Example:
        ```python
        import tempfile
        from leworld.training import reserve_folder

        with tempfile.TemporaryDirectory() as place, reserve_folder(f"{place}/run") as folder:
            assert folder.is_dir()
        ```
    """
    target = run_folder(folder, owner=owner)
    if not first_process():
        yield target
        return
    with locked_folder(target, owner=owner):
        folders = [TENSORBOARD_FOLDER, *([] if result is None else [result])]
        check_places(target, files=[STATE_FILE, METRICS_FILE], folders=folders, owner=owner)
        remove_leftovers(target)
        if result is not None and resume and not (target / STATE_FILE).exists():
            held = target / result
            if held.is_dir() and any(held.iterdir()):
                raise ConfigError(
                    f"{owner} replaces `{result}` in its folder only beside the state of the same run",
                    f"{held} is there and `{STATE_FILE}` is not",
                    "Choose another folder, or pass `resume=False` (`--restart`) to replace it",
                )
        if result is not None:
            check_replaceable(target / result, overwrite=True)
        yield target
