"""Which layout a folder has, and loading it whichever that is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from torch import nn

from ..errors import CheckpointError
from ..models import WorldModel
from ._build import build
from ._foreign import foreign_layout
from ._json import read_json
from ._released_files import RELEASED_WEIGHTS, load_released
from ._schema import CONFIG_FILE, WEIGHTS_FILE, read_config
from ._weights import read_weights

Layout = Literal["leworld", "released"]
WEIGHTS_OF: dict[Layout, str] = {"leworld": WEIGHTS_FILE, "released": RELEASED_WEIGHTS}


def layout_of(folder: Path) -> Layout:
    """Tell leworld's own layout from that of the published weights by the fields of `config.json`.

    Raises:
        CheckpointError: for any other config, or none.
    """
    config = read_json(folder / CONFIG_FILE)
    if "schema_version" in config:
        return "leworld"
    if "_target_" in config:
        return "released"
    raise foreign_layout(folder, config)


def load_folder(folder: Path, own: Mapping[str, type[nn.Module]]) -> WorldModel:
    """Load a folder of either layout, on the CPU, in evaluation mode; released ones have no processor.

    `own` holds classes outside the registry that the config may name.
    """
    return load_released(folder) if layout_of(folder) == "released" else _load_own(folder, own)


def _load_own(folder: Path, own: Mapping[str, type[nn.Module]]) -> WorldModel:
    path = folder / CONFIG_FILE
    config = read_config(path)

    def make() -> WorldModel:
        model = build(config.architecture, own, where=f"{path}: architecture")
        if not isinstance(model, WorldModel):
            raise CheckpointError(
                f"{path} needs a world model as its architecture",
                f"`class` is {config.architecture['class']}",
                "Save the whole model, not a part of it",
            )
        if config.processor is not None and config.processor.block_dim != model.action_dim:
            raise CheckpointError(
                f"{path} needs the processor's `block_dim` = {model.action_dim} (the model's `action_dim`)",
                f"it is {config.processor.block_dim}",
                "Restore the file",
            )
        return model

    model = read_weights(folder / WEIGHTS_FILE, make)
    model.processor = config.processor
    return model.eval()
