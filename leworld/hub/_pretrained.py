"""Pretrained weights of a part, from the Hub or a file, and from where they came."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from torch import nn

from .._checks import check_choice, described_name
from .._files import digest
from .._typing import shapechecked
from ..errors import CheckpointError, ConfigError
from ..nn import Frozen
from ..serialise import load_weights
from ._download import HubRepository, fetch
from ._names import HUB_PREFIX, hub_name


@shapechecked
def pretrained(
    module: nn.Module,
    name: str,
    *,
    file: str = "model.safetensors",
    sha256: str | None = None,
    stored: Literal["value", "reference"] = "value",
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    token: bool | str | None = None,
) -> Frozen:
    """Read pretrained weights from the Hugging Face Hub into `module`, and freeze it.

    The file is taken from the cache or downloaded, read as data (`leworld.serialise.load_weights`), and its
    repository, commit and digest are noted in what is returned. For weights that shall be trained further,
    take `.module` out of it.

    Args:
        module: What takes the weights, such as `DINOv2Encoder("small")`.
        name: `hf-hub:owner/repository`, with or without `@revision`.
        file: The safetensors file there.
        sha256: The digest that it has to have; None takes what there is.
        stored: "value" keeps the weights in each checkpoint, "reference" the repository, commit and digest
            only: `leworld.load` then fetches the file, and refuses another one.
        cache_dir: Where downloads are kept; None is huggingface_hub's cache.
        local_files_only: Whether to use the cache only.
        token: Access token of the Hub; None uses the stored one, False none.

    Raises:
        CheckpointError: if the file cannot be had, has another digest, or does not hold exactly the weights
            of `module`.
        ConfigError: if `name` or an option cannot be used.

    Example:
        ```python
        from leworld.encoders import DINOv2Encoder
        from leworld.errors import ConfigError
        from leworld.hub import pretrained

        mine = {"hidden_dim": 8, "depth": 1, "num_heads": 2, "mlp_dim": 16}
        try:
            pretrained(DINOv2Encoder(mine), "facebook/dinov2-small")
        except ConfigError as error:
            assert "hf-hub:facebook/dinov2-small" in str(error)
        ```
    """
    check_choice("leworld.hub.pretrained", "stored", stored, ("value", "reference"))
    if not name.startswith(HUB_PREFIX):
        raise ConfigError(
            "leworld.hub.pretrained needs the name of a repository on the Hub",
            f"it is {described_name(name)}",
            f"Write `{HUB_PREFIX}{name}`, or read a file of your own with `leworld.serialise.load_weights`",
        )
    repository, revision = hub_name(name, None)
    _check_file(file)
    place = HubRepository(repository, revision, cache_dir, local_files_only, token)
    path, exact = fetch(place, file, sha256=sha256)
    load_weights(module, path)
    source = {
        "repository": repository,
        "revision": exact.revision or "",
        "file": file,
        "sha256": digest(path),
    }
    frozen = Frozen(module, source=source, stored=stored)
    frozen.note_source()
    return frozen


def fetch_source(source: Mapping[str, str], hub: HubRepository) -> Path:
    """Return the file of a part that is stored by reference, from the cache or the Hub.

    Raises:
        CheckpointError: if it cannot be had, or the checkpoint names no place on the Hub.
    """
    try:
        repository, revision = hub_name(f"{HUB_PREFIX}{source['repository']}@{source['revision']}", None)
        _check_file(source["file"])
    except ConfigError as error:
        raise CheckpointError(
            "A part that is stored by reference needs a place on the Hub", str(error), "Save the model again"
        ) from error
    place = replace(hub, repository=repository, revision=revision)
    path, _ = fetch(place, source["file"])  # whoever reads it compares the digest
    return path


def _check_file(file: str) -> None:
    steps = file.split("/")
    if not file.endswith(".safetensors") or any(step in ("", ".", "..") for step in steps) or "\\" in file:
        raise ConfigError(
            "Pretrained weights need to be a safetensors file of the repository, which runs nothing",
            f"the file is {described_name(file)}",
            "Pass for example `model.safetensors`",
        )
