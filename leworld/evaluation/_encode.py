"""Frames in, embeddings out, with the model's own processor."""

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from .._checks import check_finite, describe
from ..costs import evaluation_mode
from ..errors import ConfigError
from ..models import WorldModel


@torch.no_grad()
def encode_frames(
    model: WorldModel,
    pixels: np.ndarray,
    *,
    owner: str,
    batch_size: int = 256,
    bar: tqdm | None = None,
) -> Tensor:
    """Embed uint8 frames "frame height width channel" one by one, in evaluation mode; float32 on the CPU.

    `bar` counts the frames.
    """
    if not isinstance(model, WorldModel):
        raise ConfigError(
            f"{owner} needs `model` to be a `leworld.models.WorldModel`",
            f"`model` is {describe(model)}",
            "Load one with `leworld.load`, or subclass WorldModel",
        )
    if model.processor is None:
        raise ConfigError(
            f"{owner} needs a model that knows how to read pixels",
            "`model.processor` is None",
            "Set it to the Processor that the model was trained with (`leworld.load` does)",
        )
    parameter = next(model.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    dtype = torch.float32 if parameter is None else parameter.dtype
    parts = []
    with evaluation_mode(model):
        for first in range(0, len(pixels), batch_size):
            frames = torch.from_numpy(np.ascontiguousarray(pixels[first : first + batch_size])).to(device)
            observations = model.processor.observations(frames).to(dtype)
            parts.append(model.encode(observations[:, None])[:, 0].float().cpu())
            if bar is not None:
                bar.update(len(frames))
    embeddings = torch.cat(parts)
    check_finite(owner, "model.encode(...)", embeddings, fix="Check the model's weights")
    return embeddings
