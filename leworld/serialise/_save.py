"""Store a module as a folder: what builds it, and its tensors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from .._config import ModuleConfig
from .._files import local_path
from .._folder import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, replaced_folder
from .._json import check_text, json_text, parse_json
from .._tensors import check_storable, checked_tensors, unwrapped
from .._typing import shapechecked
from ._memory import check_rebuilds, config_in_memory
from ._references import check_references, referring
from ._schema import CheckpointConfig, parsed_config
from ._weights import check_values, write_weights


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
    text = _proven_text(module, processor, provenance)
    check_text("card", card)
    tensors = checked_tensors(module)
    check_values(module, owner="Saving")
    for name in referring(module):  # whose weights the file of another holds
        tensors = {key: value for key, value in tensors.items() if not key.startswith(f"{name}.".lstrip("."))}
    with replaced_folder(target, overwrite=overwrite) as fresh:
        write_weights(fresh / WEIGHTS_FILE, tensors)
        if card is not None:
            (fresh / CARD_FILE).write_text(card, encoding="utf-8")
        (fresh / CONFIG_FILE).write_text(text, encoding="utf-8")  # the last: without it, no checkpoint
    return target


@shapechecked
def check_saveable(
    module: nn.Module,
    *,
    processor: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Prove that `save_module` could write `module` and that `load_module` would take it back.

    Call it before work whose result is to be saved, such as the first step of a training: everything that a
    save could refuse is looked at, but for the values of the weights, which may still be anything, and for
    the folder. Nothing is written. The cost is one build without memory.

    Args:
        module: As for `save_module`.
        processor: As for `save_module`.
        provenance: As for `save_module`.

    Raises:
        CheckpointError: if the class of a part is not configurable, if the module was changed so that its
            config would build another one, if a tensor is of a kind that no file holds or shares the memory
            of another, or if `processor` or `provenance` holds what no file can.

    Example:
        ```python
        from torch import nn
        from leworld.errors import CheckpointError
        from leworld.nn import Projector
        from leworld.serialise import check_saveable

        projector = Projector(4, hidden_dim=8)
        check_saveable(projector)
        projector.widen = nn.Linear(4, 9)
        try:
            check_saveable(projector)
        except CheckpointError as error:
            assert "`model.widen.out_features` is 9" in str(error)
        ```
    """
    _proven_text(unwrapped(module), processor, provenance)


def _proven_text(
    module: nn.Module, processor: Mapping[str, Any] | None, provenance: Mapping[str, Any] | None
) -> str:
    """Return the text of `config.json`, which a reader takes back and which builds `module`."""
    content = CheckpointConfig(config_in_memory(module, "model").to_json(), processor, provenance or {})
    text = json_text(content.to_json(), owner="Saving")
    check_storable(module)
    check_references(module, "model")
    written = parsed_config(parse_json(text.encode("utf-8"), where="Saving"), where="Saving")
    check_rebuilds(ModuleConfig.from_json(written.architecture), module, "model")
    return text
