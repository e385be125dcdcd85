"""Limits of raw actions."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from .._checks import describe
from ..errors import ConfigError

Limit: TypeAlias = float | Sequence[float] | np.ndarray
Limits: TypeAlias = tuple[Limit, Limit]


def limit_arrays(
    owner: str, limits: object, action_dim: int, *, finite: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest action as float32 arrays (action), or say what is wrong with them."""
    if not isinstance(limits, tuple | list) or len(limits) != 2:
        raise ConfigError(
            f"{owner} needs `action_limits` to be the lowest and the highest action",
            f"`action_limits` is {describe(limits)}",
            "Pass `(action_space.low, action_space.high)` of a single environment",
        )
    ends = []
    for name, value in zip(("lowest", "highest"), limits, strict=True):
        array = np.asarray(value, dtype=np.float32)
        usable = np.isfinite(array) if finite else ~np.isnan(array)
        if array.shape not in ((), (action_dim,)) or not usable.all():
            raise ConfigError(
                f"{owner} needs the {name} of `action_limits` to be a {'finite ' * finite}number or "
                f"{action_dim} of them",
                f"it is {value!r}",
                "Take `action_space.low` and `action_space.high` of a single environment",
            )
        ends.append(np.broadcast_to(array, (action_dim,)).copy())
    if (ends[0] > ends[1]).any():
        raise ConfigError(
            f"{owner} needs the lowest of `action_limits` to be at most the highest",
            f"they are {ends[0].tolist()} and {ends[1].tolist()}",
            "Swap them",
        )
    return ends[0], ends[1]
