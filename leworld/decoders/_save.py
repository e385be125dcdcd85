"""A decoder as one file: its weights, and in the header what it was built from."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .._checks import check_finite, describe
from .._files import write_atomically
from ..errors import CheckpointError, ConfigError, LeWorldError
from ._cross_attention import CrossAttentionDecoder

_KEY = "leworld_decoder"


def save_decoder(decoder: CrossAttentionDecoder, path: str | os.PathLike[str]) -> Path:
    """Write a decoder to one safetensors file, whole or not at all, and return its path.

    World models have `leworld.save`; a decoder is an instrument beside them and comes in one file, with its
    constructor's arguments in the header. Equal decoders give equal bytes.

    Args:
        decoder: The decoder.
        path: Where to write; a file of that name is replaced.

    Raises:
        ConfigError: Not a decoder.
        NonFiniteError: A weight is NaN or infinite.

    Example:
        ```python
        import tempfile
        import torch
        from leworld.decoders import CrossAttentionDecoder, load_decoder, save_decoder

        decoder = CrossAttentionDecoder(4, image_size=8, patch_size=4, hidden_dim=8, depth=1)
        with tempfile.TemporaryDirectory() as folder:
            again = load_decoder(save_decoder(decoder, f"{folder}/decoder.safetensors"))
        z = torch.randn(2, 4)
        assert torch.equal(again(z), decoder(z))
        ```
    """
    if not isinstance(decoder, CrossAttentionDecoder):
        raise ConfigError(
            "save_decoder needs `decoder` to be a leworld.decoders.CrossAttentionDecoder",
            f"it is {describe(decoder)}",
            "Save world models with `leworld.save`",
        )
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in decoder.state_dict().items()}
    for name, tensor in tensors.items():
        check_finite("save_decoder", name, tensor, fix="Train it again with a smaller learning rate")
    header = {_KEY: json.dumps(vars(decoder)["config"].to_json(), sort_keys=True)}
    return write_atomically(path, lambda file: save_file(tensors, file, metadata=header))


def load_decoder(path: str | os.PathLike[str]) -> CrossAttentionDecoder:
    """Read what `save_decoder` wrote: the decoder on the CPU, in evaluation mode.

    Nothing in the file is run, and a header that lies about sizes is refused before it can ask for memory.

    Args:
        path: The file.

    Raises:
        CheckpointError: The file is missing, damaged, of another kind, or its weights are not those of its
            architecture or not finite.

    Example:
        ```python
        import tempfile
        from leworld.decoders import CrossAttentionDecoder, load_decoder, save_decoder

        with tempfile.TemporaryDirectory() as folder:
            path = save_decoder(CrossAttentionDecoder(4, image_size=16, depth=1), f"{folder}/d.safetensors")
            assert load_decoder(path).image_size == 16
        ```
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            arguments = _arguments(path, file.metadata())
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            decoder = _shadow(path, arguments, shapes)
            tensors = {name: file.get_tensor(name) for name in shapes}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"load_decoder needs {path} to be a whole safetensors file",
            f"reading it failed ({type(error).__name__}: {error})",
            "Restore the file, or save the decoder again",
        ) from error
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not bool(tensor.isfinite().all()):
            raise CheckpointError(
                f"load_decoder needs finite weights in {path}",
                f"`{name}` holds {'NaN or infinity' if tensor.is_floating_point() else str(tensor.dtype)}",
                "Restore the file, or save the decoder again",
            )
    decoder.load_state_dict(tensors, assign=True)
    return decoder.eval()


def _arguments(path: str | os.PathLike[str], metadata: dict[str, str] | None) -> dict[str, Any]:
    try:
        written = json.loads((metadata or {})[_KEY])
        if written.pop("class") != CrossAttentionDecoder.__name__:
            raise ValueError("another class")
        return written
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise CheckpointError(
            f"load_decoder needs {path} to say in its header which decoder it holds",
            f"it does not ({type(error).__name__}: {error})",
            "Load world models with `leworld.load`, and decoders that `save_decoder` wrote",
        ) from error


def _shadow(
    path: str | os.PathLike[str], arguments: dict[str, Any], shapes: dict[str, tuple[int, ...]]
) -> CrossAttentionDecoder:
    """Build the decoder without memory and hold it against the names and shapes in the file."""
    try:
        if not isinstance(arguments.get("depth", 0), int) or arguments.get("depth", 0) > len(shapes):
            raise ValueError(f"`depth={arguments['depth']}` with {len(shapes)} tensors")
        with torch.device("meta"):
            decoder = CrossAttentionDecoder(**arguments)
        due = {name: tuple(tensor.shape) for name, tensor in decoder.state_dict().items()}
        wrong = sorted(name for name in due.keys() | shapes.keys() if due.get(name) != shapes.get(name))
        if wrong:
            raise ValueError(
                f"`{wrong[0]}` has shape {shapes.get(wrong[0])} and should have {due.get(wrong[0])}"
            )
    except (LeWorldError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise CheckpointError(
            f"load_decoder needs {path} to hold the weights of the decoder that its header describes",
            f"it does not ({error})",
            "Restore the file, or save the decoder again",
        ) from error
    return decoder
