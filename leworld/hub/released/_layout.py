"""Which layout a folder has, and why it is refused when that is another library's."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from ..._checks import described_name
from ..._folder import CONFIG_FILE, WEIGHTS_FILE
from ..._json import read_json
from ..._tensor_file import tensor_names
from ...errors import CheckpointError
from ._files import RELEASED_WEIGHTS

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
    raise _foreign_layout(folder, config)


def _foreign_layout(folder: Path, config: Mapping[str, Any]) -> CheckpointError:
    """Return the error for a folder whose `config.json` is of neither layout that leworld reads."""
    path = folder / CONFIG_FILE
    rule = (
        f"{path} needs `schema_version` (leworld's layout) or `_target_` (the published LeWM weights' layout)"
    )
    if _is_torch_world(tensor_names(folder / WEIGHTS_FILE)):
        return CheckpointError(
            rule,
            "the folder holds a LeWM of torch-world, whose architecture does not map: the blocks of its "
            "predictor have no LayerNorm inside attention and MLP, and biases on queries, keys and values",
            "Use it with torch-world, or train the like of it with `leworld train`",
        )
    fields = ", ".join(described_name(key) for key in list(config)[:6]) or "no field"
    return CheckpointError(
        rule,
        f"it has {fields}",
        "For weights of another library, build the model of leworld's parts and rename the tensors yourself",
    )


def _is_torch_world(names: Iterable[str]) -> bool:
    """Whether these are the tensors of torch-world 0.2's LeWM."""
    known = {"pos_embed", "predictor.blocks.0.modulation.1.weight", "predictor.blocks.0.attn.qkv.bias"}
    return known <= set(names)
