"""What the children of `tests.hub.processes` do."""

import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import leworld
from leworld.hub import _download
from tests.hub.processes import PATIENCE, without_privileges


def load(name: str, **options: Any) -> int:
    assert "huggingface_hub" not in sys.modules  # it reads the environment at import
    _download._PATIENCE = PATIENCE
    return leworld.load(name, **options).action_dim


def load_and_miss(name: str, missing: str) -> tuple[int, str]:
    """Load one model, and return its action size and how another one is refused."""
    found = load(name)
    try:
        return found, str(leworld.load(missing))
    except leworld.errors.CheckpointError as error:
        return found, str(error)


def memory_of_loading(folder: str) -> int:
    """Return by how many bytes the highest resident memory grows over what it was before."""
    status = Path("/proc/self/status")

    def resident(mark: str) -> int:
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines[mark].split()[0]) * 1024

    leworld.load("lewm-tworoom-tiny")  # what is imported or compiled once does not count here
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark starts anew
    before = resident("VmRSS")
    kept = leworld.load(folder)
    growth = resident("VmHWM") - before
    assert kept.history_size
    return growth


def load_with_small_files_only(name: str) -> int:
    """Load where the kernel lets no file grow beyond 8 KiB."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
    return load(name)


def load_from_what_cannot_be_written(name: str, cache: str, warm_up: str) -> tuple[bool, Any]:
    """Return whether the cache refuses to be written, and the model's action size or what went wrong.

    `warm_up` is another name, loaded first: whom permissions bind may not even read Python's own modules.
    """
    with tempfile.TemporaryDirectory() as place:
        load(warm_up, cache_dir=place)
    without_privileges()
    try:
        (Path(cache) / "probe").touch()
        is_closed = False
    except PermissionError:
        is_closed = True
    try:
        return is_closed, leworld.load(name, cache_dir=cache).action_dim
    except leworld.errors.CheckpointError as error:
        return is_closed, str(error)


def save_and_be_killed(folder: str) -> None:
    """Die with everything written and nothing yet put in place."""
    from leworld import _folder
    from tests.hub.examples import tiny_lewm

    def die(path: Path) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    _folder.flush = die
    leworld.save(tiny_lewm(), folder, overwrite=True)
