"""The names of columns in stable-worldmodel's HDF5 files, and how errors about such a file are told."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import DataError, LeWorldError

EPISODE_COLUMNS = ("ep_len", "ep_offset")
ROW_COLUMNS = ("pixels", "action")
# Follow from the lengths or concern the recording only: accepted and not loaded.
IGNORED_COLUMNS = ("ep_idx", "episode_idx", "step_idx", "id", "render_time", "policy")
LOADED_COLUMNS = (
    "proprio",
    "state",
    "observation",
    "goal",
    "goal_state",
    "reward",
    "terminated",
    "truncated",
    "terminal",
    "success",
    "qpos",
    "qvel",
    "pos_agent",
    "pos_target",
    "distance_to_target",
)
LOADED_PREFIXES = ("proprio_", "privileged_", "goal_", "variation")
CAMERA_PREFIX = "pixels_"
REWARD = "reward"
RESERVED_COLUMNS = (*ROW_COLUMNS, *EPISODE_COLUMNS, "ep_idx", "step_idx")
ENVIRONMENT_ATTRIBUTE = "environment_id"
COLUMNS_ATTRIBUTE = "leworld_columns"
FPS_ATTRIBUTE = "fps"
CHOICES_ATTRIBUTE = "action_choices"
TEXTS_ATTRIBUTE = "leworld_task_texts"
MOST_ATTRIBUTE_BYTES = 2**20
REPAIR = "Fetch, unpack or write it again"


def is_known(name: str) -> bool:
    """Whether stable-worldmodel's recorders write a column of this name."""
    known = (*ROW_COLUMNS, *EPISODE_COLUMNS, *IGNORED_COLUMNS, *LOADED_COLUMNS)
    return name in known or name.startswith((*LOADED_PREFIXES, CAMERA_PREFIX))


def rule(path: Path, need: str) -> str:
    """Begin an error about the file `path`."""
    return f"The data file {path} needs {need}"


def shown(name: str | bytes) -> str:
    """Return a name from a file for a message: short, on one line, printable everywhere."""
    text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
    text = text if text.isprintable() else text.encode("unicode_escape", "backslashreplace").decode()
    return text if len(text) <= 60 else f"{text[:57]}..."


def told(error: BaseException) -> str:
    """Return the words of a foreign error for a message: short, on one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return shown(text) if not text.isprintable() else text[:300]


@contextmanager
def guarded(path: Path, need: str) -> Iterator[None]:
    """Turn whatever h5py and libhdf5 raise about damaged bytes, which is nearly anything, into one error."""
    try:
        yield
    except LeWorldError:
        raise
    except Exception as error:
        raise DataError(
            rule(path, need), f"reading it failed ({told(error)})", f"The file is damaged. {REPAIR}"
        ) from error
