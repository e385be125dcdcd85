"""What policies read from an environment's info."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..._checks import check_float_array, describe
from ...errors import ConfigError, ShapeError


def read_positions(owner: str, info: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[np.ndarray, ...]:
    """Return the named entries of `info` as float64 arrays (*batch, 2) of one shape."""
    if not isinstance(info, Mapping) or any(key not in info for key in keys):
        wanted = " and ".join(f"`{key}`" for key in keys)
        got = f"has the keys {sorted(info)}" if isinstance(info, Mapping) else f"is {describe(info)}"
        raise ConfigError(
            f"{owner} needs the environment's info with {wanted}",
            f"`info` {got}",
            "Pass what `reset` or `step` of a TwoRoom returned",
        )
    found = tuple(
        check_float_array(owner, f"info[{key!r}]", info[key], shape="... 2").astype(np.float64)
        for key in keys
    )
    if len({array.shape for array in found}) > 1:
        shapes = " and ".join(f"`{key}` {array.shape}" for key, array in zip(keys, found, strict=True))
        raise ShapeError(
            f"{owner} needs one shape for all positions", f"the shapes are {shapes}", "Match them"
        )
    return found
