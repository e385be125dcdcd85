"""What a processor checks of action bounds and of a stored processor."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .._checks import describe, nearest, quoted
from ..errors import ConfigError


def checked_bounds(low: Any, high: Any, action_dim: int) -> tuple[Tensor, Tensor]:
    """Return the bounds of a raw action, one float64 number a component."""
    bounds = []
    for name, value in (("low", low), ("high", high)):
        try:
            bound = torch.as_tensor(value, dtype=torch.float64, device="cpu")
        except (TypeError, ValueError):
            bound = torch.tensor(torch.nan, dtype=torch.float64, device="cpu")
        if bound.shape not in ((), (action_dim,)) or bool(bound.isnan().any()):
            raise ConfigError(
                f"Processor.block_bounds needs `{name}` to be one number or {action_dim} of them",
                f"`{name}` is {describe(value)}",
                "Pass `env.action_space.low` and `.high` of a single environment",
            )
        bounds.append(bound.expand(action_dim))
    if bool((bounds[0] > bounds[1]).any()):
        raise ConfigError(
            "Processor.block_bounds needs `low` to be at most `high`",
            f"`low={bounds[0].tolist()}` and `high={bounds[1].tolist()}`",
            "Swap them",
        )
    return bounds[0], bounds[1]


def check_fields(data: object, known: Sequence[str], required: Sequence[str]) -> None:
    """Raise `ConfigError` unless `data` is a mapping with the required fields and known ones only."""
    if not isinstance(data, Mapping):
        raise ConfigError(
            "Processor.from_json needs a mapping of fields",
            f"it was given {describe(data)}",
            "Pass the object that `to_json` returned",
        )
    for key in data:
        if key not in known:
            raise ConfigError(
                "Processor.from_json needs known fields only",
                f"`{key}` is unknown",
                nearest(str(key), known),
            )
    missing = [name for name in required if name not in data]
    if missing:
        raise ConfigError(
            "Processor.from_json needs every field",
            f"`{missing[0]}` is missing",
            f"Write the file with `to_json`, which stores {quoted(required)}",
        )
