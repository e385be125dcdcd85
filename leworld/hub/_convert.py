"""From one layout to the other."""

from pathlib import Path
from typing import Literal

import torch

from .._checks import check_choice
from .._files import local_path, write_by_memory
from .._folder import CARD_FILE, CONFIG_FILE, check_replaceable, replaced_folder
from .._json import json_text
from .._typing import shapechecked
from ..errors import CheckpointError
from ..models import DINOWM, TDMPC2, WorldModel
from ._load import load
from ._save import save
from .catalog._catalog import checkpoint_info
from .catalog._provenance import plain
from .released._files import RELEASED_WEIGHTS
from .released._swm_prejepa import dinowm_to_swm
from .released._swm_tdmpc2 import tdmpc2_to_swm
from .released._to_released import to_released


@shapechecked
def convert(
    source: str | Path,
    folder: str | Path,
    *,
    layout: Literal["leworld", "released"] = "leworld",
    overwrite: bool = False,
) -> Path:
    """Read a checkpoint of either layout and write it in the chosen one.

    Reach for it to give published LeWM weights safetensors, a strict config and a processor, or to run a
    model of leworld with tools that read the published layout. Weights are copied bit for bit.

    Args:
        source: Anything that `leworld.load` takes.
        folder: Where to write; as for `leworld.save`.
        layout: "leworld", or "released" for the layout of the published weights (`config.json` and
            `weights.pt`), which stable-worldmodel loads: of LeWM, PLDM, DINOWM and TDMPC2 as far as it knows
            their parts. It has no place for the processor: it goes into `README.md` as text.
        overwrite: Replace an earlier checkpoint in `folder`.

    Returns:
        The folder, as an absolute path.

    Raises:
        CheckpointError: if the source cannot be loaded, the layout cannot express it, or the folder cannot be
            written.
        ConfigError: for an unknown layout.

    Example:
        ```python
        import json
        import tempfile
        from pathlib import Path

        import leworld
        from leworld.encoders import ActionEncoder, ViTEncoder
        from leworld.nn import Projector
        from leworld.predictors import TransformerPredictor

        model = leworld.LeWM(
            ViTEncoder(28, 14, hidden_dim=8, depth=1, num_heads=2, mlp_dim=16),
            TransformerPredictor(8, history_size=1, depth=1, num_heads=2, head_dim=4, mlp_dim=16),
            action_encoder=ActionEncoder(4, 8),
            projector=Projector(8, hidden_dim=16),
            prediction_projector=Projector(8, hidden_dim=16),
        )
        with tempfile.TemporaryDirectory() as place:
            leworld.save(model, Path(place) / "ours")
            theirs = leworld.hub.convert(Path(place) / "ours", Path(place) / "theirs", layout="released")
            assert "_target_" in json.loads((theirs / "config.json").read_text())
            assert leworld.load(theirs).action_dim == 4
        ```
    """
    check_choice("convert", "layout", layout, ("leworld", "released"))
    check_replaceable(local_path(folder), overwrite=overwrite)
    model = load(source)
    if layout == "leworld":
        return save(model, folder, provenance=_provenance(source), overwrite=overwrite)
    return _save_released(model, local_path(folder), overwrite=overwrite)


def _save_released(model: WorldModel, folder: Path, *, overwrite: bool) -> Path:
    if isinstance(model, DINOWM):
        config, tensors = dinowm_to_swm(model)
    elif isinstance(model, TDMPC2):
        config, tensors = tdmpc2_to_swm(model)
    else:
        config, tensors = to_released(model)
    text = json_text(config, owner="convert")
    processor = model.processor.to_json() if model.has_processor else {}
    facts = json_text(processor, owner="convert")
    title = f"# {type(model).__name__} in the published layout"
    card = f"{title}\n\nThe processor that it needs:\n\n```json\n{facts}```\n"
    with replaced_folder(folder, overwrite=overwrite) as fresh:
        write_by_memory(fresh / RELEASED_WEIGHTS, lambda memory: torch.save(tensors, memory))
        (fresh / CARD_FILE).write_text(card, encoding="utf-8")
        (fresh / CONFIG_FILE).write_text(text, encoding="utf-8")
    return folder


def _provenance(source: str | Path) -> dict[str, object]:
    """Carry over what a record knows, and say what this was converted from."""
    facts: dict[str, object] = {"converted_from": str(source)}
    try:
        record = checkpoint_info(source)
    except CheckpointError:
        return facts
    facts |= {
        "name": record.name,
        "summary": record.summary,
        "licence": record.licence,
        "scores": record.scores,
    }
    if record.paper is not None:
        facts["paper"] = record.paper
    if record.repository is not None:
        facts["converted_from"] = f"hf-hub:{record.repository}@{record.commit}"
    return plain(facts)
