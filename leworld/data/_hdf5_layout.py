"""The names of columns in stable-worldmodel's HDF5 files, and how errors about such a file begin."""

from pathlib import Path

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


def is_known(name: str) -> bool:
    """Whether stable-worldmodel's recorders write a column of this name."""
    known = (*ROW_COLUMNS, *EPISODE_COLUMNS, *IGNORED_COLUMNS, *LOADED_COLUMNS)
    return name in known or name.startswith((*LOADED_PREFIXES, CAMERA_PREFIX))


def rule(path: Path, need: str) -> str:
    """Begin an error about the file `path`."""
    return f"The data file {path} needs {need}"
