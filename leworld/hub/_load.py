"""Load a world model by name, from a folder or from the Hub, ready to act."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .._checks import describe
from .._typing import shapechecked
from ..data import Processor
from ..errors import CheckpointError, ConfigError
from ..models import WorldModel
from ..serialise import read_module
from ._download import HubRepository
from ._pretrained import fetch_source
from ._processor import stored_processor
from ._sources import locate
from ._trained_on import of_these_weights, stored_record
from .catalog._record import CheckpointRecord
from .released._layout import layout_of
from .released._load_released import load_released


@shapechecked
def load(
    name_or_path: str | Path,
    *,
    revision: str | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    token: bool | str | None = None,
    classes: Sequence[type[nn.Module]] = (),
    replace: Mapping[str, Any] | None = None,
) -> WorldModel:
    """Load a world model in evaluation mode, with its `processor`.

    The order is: the cache, then a download pinned to a commit, then the SHA-256 digests of the record, then
    the config, then the weights, strictly: every field and every tensor must be known, present and of the
    right shape, and every weight finite. Nothing in a checkpoint is executed; pickles are read as plain
    tensors only. A known name wins over a folder of the same name (write `./name` for the folder). Once
    downloaded, a pinned model loads without a single request. The cost is building the module and reading the
    file once; nothing is in memory twice.

    Args:
        name_or_path: A name or alias of `list_checkpoints`, `hf-hub:owner/repository` (both also with
            `@revision`), or a local folder (`~` allowed); the folder of a training run stands for the `model`
            in it. Folders and repositories may have leworld's layout or that of the published LeWM weights
            (`config.json` with `weights.pt`), which stable-worldmodel writes for its LeWM, PLDM, PreJEPA and
            TDMPC2.
        revision: Branch, tag or commit on the Hub. None is the record's commit, or the main branch; digests
            are checked at the record's commit only.
        device: Where the model goes; None is the CPU.
        dtype: Floating-point dtype to convert to; None keeps that of the file.
        cache_dir: Where downloads are kept; None is huggingface_hub's cache. The files of parts that are
            stored by reference (`leworld.nn.Frozen`) may also lie here by hand, as `owner/repository/file`.
        local_files_only: Whether to use the cache only.
        token: Access token of the Hub; None uses the stored one, False none.
        classes: Classes of your own, decorated with `leworld.nn.configurable`, that the config may name. No
            class is ever imported because a file names it.
        replace: Constructor arguments of the model that take the place of the stored ones, by name: parts
            such as `{"regularizer": VICReg()}`, and settings such as `{"regularizer_weight": 0.01}`. What the
            file holds for a replaced part is not read; everything else stays strict. Weights in the published
            layout of a LeWM take these two only, those of other models none.

    Returns:
        The model, in evaluation mode; `model.processor` turns pixels and actions into its units and back. A
        folder in the published layout that matches no record holds neither frameskip nor statistics: then
        `model.has_processor` is False, so set the processor before acting.

    Raises:
        CheckpointError: if the checkpoint cannot be had, is damaged, newer than this leworld, or not what its
            config or record says.
        ConfigError: if an option cannot be used.

    Randomness: torch's global generator is left as it was found.

    Example:
        ```python
        import leworld

        model = leworld.load("lewm-tworoom-tiny")
        assert not model.training
        assert model.processor.frameskip == 5

        milder = leworld.load("lewm-tworoom-tiny", replace={"regularizer_weight": 0.01})
        assert milder.regularizer_weight == 0.01
        ```
    """
    target = _device(device)
    if dtype is not None and not dtype.is_floating_point:
        raise ConfigError(
            "leworld.load needs a floating-point `dtype`", f"it is `dtype={dtype}`", "Pass torch.float32"
        )
    hub = HubRepository("", revision, cache_dir, local_files_only, token)
    folder, record = locate(name_or_path, hub)
    with torch.random.fork_rng(devices=[]):
        model = _load_folder(folder, classes, replace or {}, hub)
    if not model.has_processor and record is not None:
        model.processor = _fitting(record, model)
    try:
        model = model.to(device=target, dtype=dtype).eval()
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            "leworld.load needs a `device` that works here",
            f"`device={device!r}` failed ({error})",
            "Pass `cpu`",
        ) from error
    model.trained_on = of_these_weights(model)
    return model


@torch.inference_mode(False)
def _load_folder(
    folder: Path, classes: Sequence[type[nn.Module]], replace: Mapping[str, Any], hub: HubRepository
) -> WorldModel:
    """Load a folder of either layout, on the CPU, in evaluation mode; released ones have no processor.

    Weights are normal tensors, also when the caller is under `torch.inference_mode`.
    """
    if layout_of(folder) == "released":
        return load_released(folder, replace)
    stored = read_module(folder)
    processor = stored_processor(stored)
    fetch = functools.partial(fetch_source, hub=hub)
    model = stored.build(WorldModel, classes=classes, replace=replace, sources=hub.cache_dir, fetch=fetch)
    if processor is not None and processor.block_dim != model.action_dim:
        raise CheckpointError(
            f"{stored.source} needs the processor's `block_dim` to be the model's `action_dim`",
            f"they are {processor.block_dim} and {model.action_dim}",
            "Restore the file",
        )
    model.processor = processor
    model.trained_on = stored_record(stored)
    return model


def _fitting(record: CheckpointRecord, model: WorldModel) -> Processor | None:
    """Return the record's processor, its action size read from the weights where they know better."""
    processor = record.processor
    if processor is None or processor.block_dim == model.action_dim:
        return processor
    if model.action_dim % processor.frameskip or processor.action_mean is not None:
        return None
    return changed(processor, action_dim=model.action_dim // processor.frameskip)


def _device(device: str | torch.device | None) -> torch.device:
    try:
        return torch.device("cpu" if device is None else device)
    except RuntimeError as error:
        raise ConfigError(
            "leworld.load needs `device` to name a device of torch",
            f"it is {describe(device)}",
            "Pass `cpu` or `cuda`",
        ) from error
