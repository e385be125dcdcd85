"""The episodes that `probe` and `surprise` look at: a file, or fresh ones of TwoRoom."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ._measure import ENVIRONMENT

if TYPE_CHECKING:
    from ..data import Episodes
    from ..models import WorldModel


def held_out(model: "WorldModel", data: Path | None, num_episodes: int, *, seed: int) -> "Episodes":
    """Read `data`, or collect episodes of TwoRoom from seeds that no training set uses."""
    from ..data import read_hdf5
    from ..evaluation import two_room_held_out

    if data is not None:
        return read_hdf5(data)
    known = None if model.processor is None else model.processor.environment_id
    if model.processor is None or known != ENVIRONMENT:
        raise ConfigError(
            f"leworld collects episodes for models of `{ENVIRONMENT}`",
            f"this model is of `{known}`",
            "Pass recorded episodes that it was not trained on with --data",
        )
    return two_room_held_out(
        num_episodes, image_size=model.processor.image_size, seed=seed, progress=sys.stderr.isatty()
    )
