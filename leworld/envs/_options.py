"""What the environments of every world check alike: options of a reset, seeds, modes."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._checks import check_number, describe, nearest, quoted
from ..errors import ConfigError

RENDER_SIZE = 224


def read_reset_options(
    owner: str,
    options: Mapping[str, Any] | None,
    read: Callable[[str, Any], np.ndarray],
    *,
    num_envs: int | None,
) -> dict[str, np.ndarray | None]:
    """Return `state` and `goal` of a reset as `read(name, value)` gives them, or None where left out.

    For vectors, of `num_envs`, also `reset_mask`, gymnasium's choice of the environments to reset.
    """
    if not isinstance(options, Mapping | None):
        raise ConfigError(
            f"{owner} needs `options` to be a mapping",
            f"it is {describe(options)}",
            "Pass for example {'goal': (0.8, 0.2)}",
        )
    given = dict(options or {})
    keys = ("state", "goal")
    known = keys if num_envs is None else (*keys, "reset_mask")
    for key in given:
        if key not in known:
            raise ConfigError(
                f"{owner} needs the keys of `options` to be among {quoted(known)}",
                f"`options` has the key {key!r}",
                nearest(str(key), known),
            )
    found: dict[str, np.ndarray | None] = {}
    for key in keys:
        found[key] = None if given.get(key) is None else read(f"options[{key!r}]", given[key])
    mask = given.get("reset_mask")
    if mask is not None:
        mask = np.asarray(mask)
        if mask.shape != (num_envs,) or mask.dtype != np.bool_:
            raise ConfigError(
                f"{owner} needs `options['reset_mask']` to hold {num_envs} booleans",
                f"it is {describe(mask)}",
                "Pass one boolean for each environment",
            )
    found["reset_mask"] = mask
    return found


def check_seed(owner: str, seed: object) -> None:
    """Raise unless `seed` is None or an integer that a generator takes."""
    if seed is not None:
        check_number(owner, "seed", seed, low=0, integer=True)


def check_started(owner: str, started: bool) -> None:
    """Raise unless an episode has begun."""
    if not started:
        raise ConfigError(
            f"{owner} needs a started episode", "`reset` was never called", "Call `reset()` first"
        )


def check_render_mode(owner: str, mode: str | None) -> None:
    """Raise unless `mode` is None or "rgb_array"."""
    if mode not in (None, "rgb_array"):
        raise ConfigError(
            f"{owner} needs `render_mode` to be `rgb_array` or None",
            f"`render_mode={mode!r}` was given",
            "Use `rgb_array` and show the returned picture",
        )
