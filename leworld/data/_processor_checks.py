"""What a processor checks of action bounds and of a stored processor."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .._checks import check_equal_size, describe, described_name, nearest, quoted
from ..errors import ConfigError
from ._parts import MOST_COMPONENTS, MOST_LETTERS, MOST_PIXELS

# Largest values of the whole numbers of a processor.
MOST = {
    "image_size": MOST_PIXELS,
    "frameskip": 10_000,
    "action_dim": MOST_COMPONENTS,
    "action_choices": MOST_COMPONENTS,
}


def check_components(method: str, actions: Tensor, action_dim: int) -> None:
    """Raise `ShapeError` unless the last axis of `actions` has `action_dim` entries."""
    check_equal_size(
        f"Processor.{method}",
        "the last axis of `actions`",
        actions.shape[-1],
        action_dim,
        expected_by="the processor's action_dim",
        fix="Pass raw actions of the environment that the processor was fitted on",
    )


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


def check_remark(name: str, text: object) -> None:
    """Raise `ConfigError` unless a remark of a processor is None or a short text."""
    if not isinstance(text, str | None) or len(text or "") > MOST_LETTERS:
        raise ConfigError(
            f"Processor needs `{name}` to be a string of at most {MOST_LETTERS} letters or None",
            f"`{name}` is {describe(text)}",
            "Pass a short text",
        )


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
                f"{described_name(key)} is unknown",
                nearest(str(key), known),
            )
    missing = [name for name in required if name not in data]
    if missing:
        raise ConfigError(
            "Processor.from_json needs every field",
            f"`{missing[0]}` is missing",
            f"Write the file with `to_json`, which stores {quoted(required)}",
        )
