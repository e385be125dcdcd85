"""Reading a folder in the layout of the published weights: config.json beside a pickled state dict."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..._checks import quoted
from ..._folder import CONFIG_FILE, WEIGHTS_FILE
from ..._json import read_json
from ...errors import CheckpointError, ConfigError, ShapeError
from ...models import WorldModel
from ._files import RELEASED_WEIGHTS, check_tensors, read_pickle, read_safetensors
from ._from_released import from_released
from ._swm_prejepa import PREJEPA_TARGETS, dinowm_from_swm
from ._swm_tdmpc2 import TDMPC2_TARGETS, tdmpc2_from_swm


def load_released(folder: Path, replace: Mapping[str, Any]) -> WorldModel:
    """Load a folder in the released layout, on the CPU, in evaluation mode, without a processor.

    It may hold a LeWM or PLDM, or stable-worldmodel's PreJEPA or TDMPC2. `replace` may give what is not in
    the layout of the first two: the regularizer and its weight.

    Raises:
        CheckpointError: naming the file, for anything but a known config and a plain state dict that fits it.
    """
    pickled, safe = folder / RELEASED_WEIGHTS, folder / WEIGHTS_FILE
    state = (
        read_safetensors(safe)
        if os.path.isfile(safe) and not os.path.lexists(pickled)
        else read_pickle(pickled)
    )
    check_tensors(folder, state)
    config = read_json(folder / CONFIG_FILE)
    target = config.get("_target_")
    others = dict.fromkeys(PREJEPA_TARGETS, dinowm_from_swm)
    others |= dict.fromkeys(TDMPC2_TARGETS, tdmpc2_from_swm)
    try:
        if not isinstance(target, str) or target not in others:
            return from_released(config, state, replace=replace, take_over=True)
        if replace:
            raise ConfigError(
                "`replace` can give weights in the published layout of a LeWM or PLDM only what it lacks",
                f"it has {quoted(sorted(replace))}, and the folder holds a `{target}`",
                "Convert them with `leworld.hub.convert`, which writes leworld's own layout, and load that",
            )
        return _built(others[target], config, state)
    except CheckpointError as error:
        raise CheckpointError(f"{folder}: {error.rule}", error.got, error.fix) from error


def _built(
    build: Callable[[Mapping[str, Any], Mapping[str, Any]], WorldModel],
    config: Mapping[str, Any],
    state: Mapping[str, Any],
) -> WorldModel:
    try:
        return build(config, state)
    except (ConfigError, ShapeError) as error:
        rule = "A released config needs settings that leworld's model accepts"
        raise CheckpointError(rule, str(error).rstrip("."), "Restore the file") from error
