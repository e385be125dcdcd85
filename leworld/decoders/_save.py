"""Decoders on disk: the format of every stored module, by names that say what is stored."""

import os
from pathlib import Path

import torch

from .._checks import describe
from .._files import local_path
from .._tensors import unwrapped
from ..errors import ConfigError
from ..serialise import load_module, save_module
from ._cross_attention import CrossAttentionDecoder


def save_decoder(
    decoder: CrossAttentionDecoder, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a decoder as a folder, whole or not at all, and return its path; see `serialise.save_module`.

    Args:
        decoder: The decoder.
        path: The folder to write.
        overwrite: Replace an earlier one there.

    Raises:
        ConfigError: Not a decoder.
        CheckpointError: The folder may not or cannot be written.
        NonFiniteError: A weight is NaN or infinite.

    Example:
        ```python
        import tempfile
        import torch
        from leworld.decoders import CrossAttentionDecoder, load_decoder, save_decoder

        decoder = CrossAttentionDecoder(4, image_size=8, patch_size=4, hidden_dim=8, depth=1)
        with tempfile.TemporaryDirectory() as folder:
            again = load_decoder(save_decoder(decoder, f"{folder}/decoder"))
        z = torch.randn(2, 4)
        assert torch.equal(again(z), decoder(z))
        ```
    """
    if not isinstance(decoder, torch.nn.Module) or not isinstance(unwrapped(decoder), CrossAttentionDecoder):
        raise ConfigError(
            "save_decoder needs `decoder` to be a leworld.decoders.CrossAttentionDecoder",
            f"it is {describe(decoder)}",
            "Save world models with `leworld.save`, others with `leworld.serialise.save_module`",
        )
    return save_module(decoder, Path(path), overwrite=overwrite)


def load_decoder(path: str | os.PathLike[str]) -> CrossAttentionDecoder:
    """Read what `save_decoder` wrote: the decoder on the CPU, in evaluation mode.

    Nothing in the files is run, and a config that lies about sizes is refused before it can ask for memory.

    Args:
        path: The folder; or the one file that leworld 0.1 wrote.

    Raises:
        CheckpointError: There is no decoder, it is damaged or of another kind, or its weights are not those
            of its architecture or not finite.

    Example:
        ```python
        import tempfile
        from leworld.decoders import CrossAttentionDecoder, load_decoder, save_decoder

        with tempfile.TemporaryDirectory() as folder:
            path = save_decoder(CrossAttentionDecoder(4, image_size=16, depth=1), f"{folder}/decoder")
            assert load_decoder(path).image_size == 16
        ```
    """
    return load_module(local_path(path), CrossAttentionDecoder)
