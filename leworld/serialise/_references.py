"""Weights that a checkpoint names by their file's digest in place of holding them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import describe, described_name
from .._files import digest, local_path
from .._tensor_file import TensorFile, open_tensors
from .._tensors import is_finite, parts, tensor_state
from .._typing import shapechecked
from ..errors import CheckpointError

Source = Mapping[str, str]
Fetch = Callable[[Source], Path]

_MAX_SOURCES = 16
_FIELDS = frozenset({"repository", "revision", "file", "sha256"})


def referring(module: nn.Module) -> dict[str, nn.Module]:
    """Return the parts that are stored by reference, by name; each has its weights in `module`."""
    return {name: part for name, part in parts(module) if reference_of(part) is not None}


def reference_of(part: nn.Module) -> Source | None:
    """Return the source of a part that is stored by reference, which its method `_reference` returns."""
    ask = vars(type(part)).get("_reference")
    found: Any = ask(part) if callable(ask) else None
    return found


def sources_in(architecture: Mapping[str, Any]) -> list[Source]:
    """Return the sources that an architecture refers to, each once, before anything of it is built.

    Raises:
        CheckpointError: if there are too many, or one is not whole.
    """
    found: list[Source] = []
    waiting: list[Any] = [architecture]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            if value.get("class") == "Frozen" and value.get("stored") == "reference":
                source = value.get("source")
                fields = {} if not isinstance(source, Mapping) else {**source}
                fields.pop("class", None)
                if fields.keys() != _FIELDS or not all(isinstance(text, str) for text in fields.values()):
                    raise CheckpointError(
                        "A part that is stored by reference needs a whole `source`",
                        f"it is {describe(source)}",
                        "Save the model again",
                    )
                if fields not in found:
                    found.append(fields)
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
    if len(found) > _MAX_SOURCES:
        rule = f"An architecture needs to refer to at most {_MAX_SOURCES} files of weights"
        raise CheckpointError(rule, f"it refers to {len(found)}", "Do not trust its source")
    return found


@contextmanager
def open_sources(
    architecture: Mapping[str, Any], folder: str | Path | None, fetch: Fetch | None
) -> Iterator[dict[str, TensorFile]]:
    """Open the files that an architecture refers to, by digest, after a look at every byte of them."""
    with ExitStack() as stack:
        files: dict[str, TensorFile] = {}
        for source in sources_in(architecture):
            path = _find(source, folder, fetch)
            file = stack.enter_context(open_tensors(path))
            found = digest(path)  # that it is of the file that is open, the check at the end of reading tells
            if found != source["sha256"]:
                raise CheckpointError(
                    f"{path} needs the SHA-256 digest {source['sha256'][:64]}, as the model says",
                    f"it has {found}",
                    f"Put {_described(source)} there, or do not trust the checkpoint",
                )
            files[found] = file
        yield files


def _find(source: Source, folder: str | Path | None, fetch: Fetch | None) -> Path:
    rule = f"Loading needs {_described(source)}, to which the model refers"
    place = None if folder is None else _place_in(local_path(folder), source)
    if place is not None and place.is_file():
        return place
    if fetch is not None:
        return fetch(source)
    if place is not None:
        raise CheckpointError(rule, f"there is no {place}", "Put it there")
    fix = "Pass a folder with it as `sources`, or load a world model with `leworld.load`, which fetches it"
    raise CheckpointError(rule, "no folder was given to look for it", fix)


def _place_in(folder: Path, source: Source) -> Path:
    """Return where a source lies in a folder of the user's, and nowhere outside it.

    Raises:
        CheckpointError: if a name would lead elsewhere.
    """
    steps = [*source["repository"].split("/"), *source["file"].split("/")]
    if any(step in ("", ".", "..") or "\\" in step or ":" in step or "\0" in step for step in steps):
        raise CheckpointError(
            "A source needs plain names of a repository and a file",
            f"they are {described_name(source['repository'])} and {described_name(source['file'])}",
            "Do not trust the checkpoint",
        )
    return folder.joinpath(*steps)


def _described(source: Source) -> str:
    """Return the name of a source's file for a message."""
    return described_name(f"{source['file']} of {source['repository']}@{source['revision']}")


def fill_references(found: Mapping[str, nn.Module], files: Mapping[str, TensorFile], *, where: Path) -> None:
    """Give parts that are stored by reference the tensors of their files."""
    for name, part in found.items():
        source = reference_of(part)
        if source is None or source["sha256"] not in files:
            raise CheckpointError(
                f"{where} needs to say to which files its parts refer",
                f"`{name}` refers to one that its architecture does not name",
                "Hand the part over as an argument of the class",
            )
        fill_part(part, files[source["sha256"]])


def check_references(module: nn.Module, where: str) -> None:
    """Raise `CheckpointError` if a part that is to be stored by reference is not what its source says."""
    for name, part in referring(module).items():
        fault = part._source_fault()  # type: ignore[operator]
        if fault is not None:
            raise CheckpointError(
                f"Saving `{where}.{name}` by reference needs its weights to be those of its source",
                str(fault),
                "Make it with `leworld.hub.pretrained`, or set `stored` to `value`",
            )


def fill_part(part: nn.Module, file: TensorFile) -> None:
    """Read all of a file into what a frozen part holds, and let the part take note of it."""
    held = part.get_submodule("module")
    _fill(held, file)
    file.check_unchanged()
    part.note_source()  # type: ignore[operator]


@shapechecked
def load_weights(module: nn.Module, path: str | Path) -> None:
    """Read a safetensors file of pretrained weights into `module`, strictly.

    The file is read as data and runs nothing. Modules that know how other libraries name their weights, such
    as `DINOv2Encoder`, `TimmEncoder` and `HuggingFaceEncoder`, take their files as they are; for every other
    one names and shapes must be those of its state dict. Floating-point tensors become float32.

    Args:
        module: What takes the weights, in place.
        path: The file, `~` allowed.

    Raises:
        CheckpointError: if the file is missing or damaged, or does not hold exactly the module's tensors, all
            finite. The module is then as it was.

    Example:
        ```python
        import tempfile
        import torch
        from safetensors.torch import save_file
        from leworld.encoders import VectorEncoder
        from leworld.serialise import load_weights

        one, other = VectorEncoder(3, 4).float(), VectorEncoder(3, 4)
        with tempfile.TemporaryDirectory() as place:
            save_file(one.state_dict(), f"{place}/weights.safetensors")
            load_weights(other, f"{place}/weights.safetensors")
        state = torch.ones(3, dtype=torch.float32)
        assert torch.equal(one(state), other(state))
        ```
    """
    with open_tensors(local_path(path)) as file:
        _fill(module, file)
        file.check_unchanged()


def _fill(module: nn.Module, file: TensorFile) -> None:
    tensors = {name: file.read(name) for name in file.entries}
    known: Callable[..., dict[str, Tensor]] | None = getattr(module, "_from_foreign", None)
    if known is not None:
        tensors = known(tensors)
    due = tensor_state(module)
    rule = f"{file.path} needs exactly the {len(due)} tensors of {type(module).__name__}"
    for names, what in ((due.keys() - tensors.keys(), "missing"), (tensors.keys() - due.keys(), "unknown")):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            got = f"{described_name(min(names))}{more} {'are' if more else 'is'} {what}"
            raise CheckpointError(rule, got, "Build the module as the weights ask for")
    for name, target in due.items():
        value = tensors[name]
        if value.shape != target.shape or value.is_floating_point() != target.is_floating_point():
            got = f"`{name}` is {describe(value)} where {describe(target)} is due"
            raise CheckpointError(rule, got, "Build the module as the weights ask for")
        if not is_finite(value):
            raise CheckpointError(rule, f"`{name}` holds NaN or infinity", "Restore the file")
    for name, target in due.items():
        value = (
            tensors[name].to(torch.float32) if target.is_floating_point() else tensors[name].to(target.dtype)
        )
        target.data = value.clone().to(target.device)
