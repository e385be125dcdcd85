"""Reading what stable-worldmodel hands to a cost: a dict of tensors by the names of its environments."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from .._checks import describe, quoted
from .._lending import own_copy
from ..data import Observation, PicturePart
from ..errors import ConfigError, ShapeError
from ..models import WorldModel, model_input, processor_of, to_weights

Observations = Literal["raw", "normalised"]
HISTORY = "action_history"
_FIX = {
    "raw": "Leave observations out of the policy's `transform` and `process`, or pass "
    '`observations="normalised"`',
    "normalised": 'Normalise it in the policy, or pass `observations="raw"`',
}


class Reader:
    """Finds what a model reads among the entries of an info, and normalises it.

    Args:
        model: Reads parts of an observation.
        keys: Name of a part's entry, where it differs from the part's own.
        observations: Whether entries are raw, or normalised by the policy.
    """

    def __init__(self, model: WorldModel, keys: Mapping[str, str], observations: Observations) -> None:
        self.model = model
        self.observations = observations
        self.processor = processor_of(model, owner="SWMCost")
        names = self.processor.observation_parts if observations == "raw" else model.observation_parts
        self.present = {name: keys.get(name, name) for name in names}
        self.goal = {name: "goal" if key == "pixels" else f"goal_{key}" for name, key in self.present.items()}

    def parts(self, info: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Tensor]:
        """Return copies of the named entries by the names of the parts."""
        missing = [key for key in keys.values() if key not in info]
        if missing:
            raise ConfigError(
                f"SWMCost needs the entries {quoted(keys.values())} of the info",
                f"`{missing[0]}` is missing among {quoted(info)}",
                "Let the environment tell it, or name the entry of each part with `keys`",
            )
        return {name: own_copy(as_tensor(key, info[key])) for name, key in keys.items()}

    def normalise(self, parts: Mapping[str, Tensor]) -> Observation:
        """Return what the model's `encode` takes, of parts with the axes (batch, time, ...)."""
        for name, part in parts.items():
            self._check(name, part)
        if self.observations == "raw":
            # vectors arrive in the solver's dtype, whatever the environment had
            raw = {n: part.float() if part.is_floating_point() else part for n, part in parts.items()}
            return model_input(self.model, Observation(parts=raw))
        return Observation(parts={n: to_weights(self.model, part) for n, part in parts.items()})

    def _check(self, name: str, part: Tensor) -> None:
        picture = name == "pixels" or isinstance(self.processor.parts.get(name), PicturePart)
        raw = self.observations == "raw"
        if not picture:
            fits, due = part.ndim == 3, "a vector with the axes (batch, time, dim)"
        elif raw:
            fits = part.ndim == 5 and part.dtype == torch.uint8 and part.shape[-1] == 3
            due = "uint8 pictures with the axes (batch, time, height, width, 3)"
        else:
            fits = part.ndim == 5 and part.is_floating_point() and part.shape[2] == 3
            due = "floating-point pictures with the axes (batch, time, 3, height, width)"
        if not fits:
            raise ShapeError(
                f'SWMCost with `observations="{self.observations}"` needs `{name}` as {due}',
                f"without the candidates' axis it is {describe(part)}",
                _FIX[self.observations],
            )


def as_tensor(key: str, value: object) -> Tensor:
    """Return an entry as a tensor, or say that it is none."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        value = torch.from_numpy(np.array(value))
    if not isinstance(value, Tensor):
        raise ShapeError(
            f"SWMCost needs `{key}` of the info to be numbers", f"it is {describe(value)}", "Pass a tensor"
        )
    return value


def first_candidates(info: Mapping[str, Any], batch: int, samples: int) -> dict[str, Any]:
    """Return an info of expanded entries (batch, sample, ...) without the candidates' axis.

    The entries are the same for all candidates. Those of other kinds or sizes are left out: no model reads
    them.
    """
    return {
        key: value[:, 0]
        for key, value in info.items()
        if isinstance(value, Tensor | np.ndarray)
        and value.ndim >= 2
        and tuple(value.shape[:2]) == (batch, samples)
    }


def past_blocks(info: Mapping[str, Any], frames: int, action_dim: int) -> Tensor | None:
    """Return the action blocks between the frames (batch, frame - 1, action), or None for a single frame."""
    if frames == 1:
        return None
    if HISTORY not in info:
        raise ConfigError(
            f"SWMCost needs `{HISTORY}`, the action blocks between the {frames} frames of the info",
            "there is none",
            "Pass `history_len=1` to stable-worldmodel's 0.1.1, which keeps no history of actions, or give "
            "the blocks under that name",
        )
    blocks = own_copy(as_tensor(HISTORY, info[HISTORY]))
    if blocks.ndim != 3 or tuple(blocks.shape[1:]) != (frames - 1, action_dim):
        raise ShapeError(
            f"SWMCost needs `{HISTORY}` with the axes (batch, sample, frame - 1, action), here "
            f"(..., {frames - 1}, {action_dim})",
            f"without the candidates' axis it is {describe(blocks)}",
            "Pass one block of normalised actions for each two frames",
        )
    return blocks.nan_to_num(nan=0.0)  # before an episode's first action
