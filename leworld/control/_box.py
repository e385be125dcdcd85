"""Limits of raw actions."""

from collections.abc import Sequence

import numpy as np

from ..errors import ConfigError


def action_box(
    owner: str,
    low: float | Sequence[float] | np.ndarray,
    high: float | Sequence[float] | np.ndarray,
    action_dim: int,
    *,
    finite: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Return both limits as float32 arrays (action,), or say what is wrong with them."""
    box = []
    for name, value in (("action_low", low), ("action_high", high)):
        array = np.asarray(value, dtype=np.float32)
        usable = np.isfinite(array) if finite else ~np.isnan(array)
        if array.shape not in ((), (action_dim,)) or not usable.all():
            raise ConfigError(
                f"{owner} needs `{name}` to be a {'finite ' * finite}number or {action_dim} of them",
                f"`{name}` is {value!r}",
                "Take `action_space.low` and `action_space.high` of a single environment",
            )
        box.append(np.broadcast_to(array, (action_dim,)).copy())
    if (box[0] > box[1]).any():
        raise ConfigError(
            f"{owner} needs `action_low` <= `action_high`",
            f"they are {box[0].tolist()} and {box[1].tolist()}",
            "Swap them",
        )
    return box[0], box[1]
