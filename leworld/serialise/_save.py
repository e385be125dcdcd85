"""Store a module as a folder: what builds it, and its tensors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from .._files import local_path
from .._folder import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, replaced_folder
from .._json import json_text
from .._tensors import checked_tensors, unwrapped
from .._typing import shapechecked
from ._memory import check_rebuilds, config_in_memory
from ._schema import CheckpointConfig
from ._weights import write_weights


@shapechecked
def save_module(
    module: nn.Module,
    folder: str | Path,
    *,
    provenance: Mapping[str, Any] | None = None,
    processor: Mapping[str, Any] | None = None,
    card: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write `module` as `config.json` and `model.safetensors` into `folder`, in one step or not at all.

    Use it for decoders, inverse models, fitted probes and modules of your own; world models have
    `leworld.save`. What is written is the module in memory: parts that were exchanged and settings that were
    changed after it was built are either in the file or refused. A module in `torch.compile`,
    `DistributedDataParallel`, `DataParallel` or `AveragedModel` is written as what they wrap. Saving twice
    writes the same bytes. The cost is one pass over the weights, one write, and one build without memory.

    Args:
        module: A module whose class, like those of the parts it was built from, is `configurable`.
        folder: Where to write, `~` allowed; missing or empty, or an earlier checkpoint with `overwrite`.
        provenance: JSON values to keep beside the weights.
        processor: What `Processor.to_json` returns, where the module belongs to one.
        card: The text of a `README.md`; None writes none.
        overwrite: Replace an earlier checkpoint in `folder`. Anything else in there is an error anyway.

    Returns:
        The folder, as an absolute path.

    Raises:
        CheckpointError: if the folder may not or cannot be written, if the class of a part is not
            configurable, or if the module was changed so that its config would build another one.
        NonFiniteError: if a tensor holds NaN or infinity.

    Numerics: dtypes are kept as they are.

    Example:
        ```python
        import tempfile
        import torch
        from leworld.probes import RidgeProbe
        from leworld.serialise import load_module, save_module

        x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
        probe = RidgeProbe(3, 1, penalties=(1e-3,)).fit(x, x[:, :1])
        with tempfile.TemporaryDirectory() as place:
            again = load_module(save_module(probe, f"{place}/probe", provenance={"of": "x"}), RidgeProbe)
        assert torch.equal(again(x), probe(x))
        ```
    """
    target = local_path(folder)
    module = unwrapped(module)
    config = config_in_memory(module, "model")
    content = CheckpointConfig(config.to_json(), processor, provenance or {})
    text = json_text(content.to_json(), owner="Saving")
    tensors = checked_tensors(module)
    check_rebuilds(config, module, "model")
    with replaced_folder(target, overwrite=overwrite) as fresh:
        write_weights(fresh / WEIGHTS_FILE, tensors)
        if card is not None:
            (fresh / CARD_FILE).write_text(card, encoding="utf-8")
        (fresh / CONFIG_FILE).write_text(text, encoding="utf-8")  # the last: without it, no checkpoint
    return target
