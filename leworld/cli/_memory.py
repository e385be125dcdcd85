"""Whether what a user asks for fits into this machine's memory, told before the work."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..models import WorldModel

_SIDE_BY_SIDE = 50  # environments that a task plays at once
_LAYERS = 16  # what a model keeps of a latent while it predicts, a guess on the low side


def check_memory(option: str, value: int, size: float) -> None:
    """Raise `ConfigError` if `size` bytes, which follow from an option's value, are more than there are."""
    room = available()
    if size > room:
        raise ConfigError(
            f"{option} needs memory for what it asks for",
            f"`{option} {value}` takes {size / 1e9:,.0f} GB or more where {room / 1e9:,.0f} GB are free",
            "Ask for fewer",
        )


def pictures(num_episodes: int, steps: int, image_size: int) -> float:
    """Return the bytes that the pictures of episodes take."""
    return float(num_episodes) * (steps + 1) * image_size**2 * 3


def candidates(model: "WorldModel", num_pairs: int, num_samples: int, horizon: int) -> float:
    """Return the bytes that a round of planning takes at least."""
    latent = 1
    for size in model.latent_shape:
        latent *= size
    each = horizon * model.action_dim + model.history_size * latent * _LAYERS
    return 4.0 * min(num_pairs, _SIDE_BY_SIDE) * num_samples * each


def available() -> float:
    """Return the bytes that this machine has left, or has where it tells no more; infinite if unknown."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024.0
        return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):  # no Linux; no POSIX
        return float("inf")
