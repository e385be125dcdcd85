"""Read a stored module: first what it is, then the module itself."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, final

import torch
from torch import nn

from .._checks import describe, described_name
from .._files import local_path
from .._folder import CONFIG_FILE, WEIGHTS_FILE
from .._json import parse_json
from .._tensor_file import open_tensors
from .._tensors import unwrapped
from .._typing import shapechecked
from ..errors import CheckpointError
from ._build import build
from ._references import open_sources
from ._registry import by_name
from ._schema import read_config
from ._weights import read_weights

M = TypeVar("M", bound=nn.Module)

_DECODER_KEY = "leworld_decoder"  # in the header of a file that `save_decoder` of leworld 0.1 wrote


@final
@dataclass(frozen=True)
class StoredModule:
    """What a stored module says of itself; `build` reads its weights.

    Attributes:
        architecture: Constructor arguments of the module and, nested, of its parts; `class` names each class.
        processor: The processor that it belongs to as JSON, for `Processor.from_json`; None if there is none.
        provenance: The writer's own facts.
        written_by: The version of leworld that wrote it.
        source: The file that says all this.
        weights: The file with the tensors.

    Example:
        ```python
        import tempfile
        from leworld.nn import Projector
        from leworld.serialise import read_module, save_module

        with tempfile.TemporaryDirectory() as place:
            stored = read_module(save_module(Projector(4, hidden_dim=8), f"{place}/p"))
            assert stored.architecture["hidden_dim"] == 8
            assert stored.build(Projector).in_dim == 4
        ```
    """

    architecture: Mapping[str, Any]
    processor: Mapping[str, Any] | None
    provenance: Mapping[str, Any]
    written_by: str
    source: Path
    weights: Path

    @torch.inference_mode(False)
    def build(
        self,
        kind: type[M] = nn.Module,
        *,
        classes: Sequence[type[nn.Module]] = (),
        replace: Mapping[str, Any] | None = None,
        sources: str | Path | None = None,
        fetch: Callable[[Mapping[str, str]], Path] | None = None,
    ) -> M:
        """Build the module and read its weights, on the CPU, in evaluation mode; see `load_module`.

        `fetch` brings the file of a part that is stored by reference where the folder `sources` has it not.
        """
        own, replace = by_name(classes), dict(replace or {})

        def make(stored: int) -> M:
            where = f"{self.source}: architecture"
            module = build(self.architecture, own, where=where, replace=replace, stored=stored)
            if not isinstance(module, kind):
                raise CheckpointError(
                    f"{self.source} needs a {kind.__name__} as its architecture",
                    f"`class` is {described_name(self.architecture['class'])}",
                    "Load a world model with `leworld.load`, others with `leworld.serialise.load_module`",
                )
            return module

        given = {name: modules for name, value in replace.items() if (modules := _modules(value))}
        kept = [unwrapped(module) for modules in given.values() for module in modules]
        left = {name: value for name, value in self.architecture.items() if name not in replace}
        removed = [name for name, value in replace.items() if value is None]
        with open_sources(left, sources, fetch) as files:
            return read_weights(
                self.weights, make, apart=given, kept=kept, removed=removed, files=files
            ).eval()


@shapechecked
def read_module(path: str | Path) -> StoredModule:
    """Read what a stored module says of itself, without its weights.

    Args:
        path: The folder, `~` allowed; or a file that `save_decoder` of leworld 0.1 wrote.

    Raises:
        CheckpointError: if there is no stored module, or its config is damaged or of a newer leworld.

    Example:
        ```python
        import tempfile
        from leworld.nn import Projector
        from leworld.serialise import read_module, save_module

        with tempfile.TemporaryDirectory() as place:
            folder = save_module(Projector(4), f"{place}/p", provenance={"seed": 3})
            assert read_module(folder).provenance == {"seed": 3}
        ```
    """
    place = local_path(path)
    if os.path.isfile(place):
        return _decoder_file(place)
    config = read_config(place / CONFIG_FILE)
    return StoredModule(
        config.architecture,
        config.processor,
        config.provenance,
        config.written_by,
        place / CONFIG_FILE,
        place / WEIGHTS_FILE,
    )


@shapechecked
def load_module(
    path: str | Path,
    kind: type[M] = nn.Module,
    *,
    classes: Sequence[type[nn.Module]] = (),
    replace: Mapping[str, Any] | None = None,
    sources: str | Path | None = None,
) -> M:
    """Load what `save_module` wrote, on the CPU, in evaluation mode.

    The config is read, then the tensors, strictly: every field and every tensor must be known, present and of
    the right shape, and every weight finite. Before any memory is asked for, a shadow without memory is held
    against the file. Nothing in the files is executed.

    Args:
        path: The folder, `~` allowed; or a file that `save_decoder` of leworld 0.1 wrote.
        kind: What it has to be an instance of.
        classes: Classes of your own, decorated with `leworld.nn.configurable`, that the config may name. No
            class is ever imported because a file names it.
        replace: Arguments of the outermost class that take the place of the stored ones, for example
            `{"regularizer": VICReg()}`. The tensors that the file has for a replaced part are not read.
        sources: A folder with the files of parts that are stored by reference (`leworld.nn.Frozen`), each as
            `owner/repository/file`; one of another digest is refused.

    Raises:
        CheckpointError: if a file is missing, damaged, newer than this leworld, not of that `kind`, or not
            what its config says.
        ConfigError: if `classes` or `replace` has a name that cannot be.

    Example:
        ```python
        import tempfile
        from leworld.nn import Projector
        from leworld.serialise import load_module, save_module

        with tempfile.TemporaryDirectory() as place:
            folder = save_module(Projector(4, hidden_dim=8), f"{place}/p")
            assert not load_module(folder, Projector).training
        ```
    """
    return read_module(path).build(kind, classes=classes, replace=replace, sources=sources)


def _modules(value: object) -> list[nn.Module]:
    """Return the modules that an argument is or holds."""
    if isinstance(value, nn.Module):
        return [value]
    held = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [module for item in held for module in _modules(item)]


def _decoder_file(path: Path) -> StoredModule:
    """Read the header of a decoder in one file, leworld 0.1's layout."""
    rule = f"{path} needs to say in its header which decoder it holds"
    fix = "Pass a folder that leworld wrote, or a file that `save_decoder` of leworld 0.1 wrote"
    with open_tensors(path) as file:
        text = file.metadata.get(_DECODER_KEY)
    if text is None:
        raise CheckpointError(rule, f"it says nothing of `{_DECODER_KEY}`", fix)
    architecture = parse_json(text.encode("utf-8"), where=f"{path}: `{_DECODER_KEY}` in its header")
    if architecture.get("class") != "CrossAttentionDecoder":
        raise CheckpointError(rule, f"it is of another class, {describe(architecture.get('class'))}", fix)
    return StoredModule(architecture, None, {}, "leworld 0.1", path, path)
