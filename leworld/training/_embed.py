"""Every frame of recorded episodes, embedded once by a frozen model."""

import numpy as np
import torch
from torch import Tensor

from .._checks import check_finite
from ..costs import evaluation_mode
from ..models import WorldModel

_AT_ONCE = 256


@torch.no_grad()
def embed_frames(model: WorldModel, pixels: np.ndarray, *, owner: str) -> Tensor:
    """Embed uint8 frames (frame, height, width, channel) on the model's device; float32 on the CPU."""
    processor, weight = model.processor, next(model.parameters(), torch.empty(0))
    if processor is None:
        raise RuntimeError("unreachable: the callers check the processor")
    parts = []
    with evaluation_mode(model):
        for first in range(0, len(pixels), _AT_ONCE):
            frames = torch.from_numpy(np.ascontiguousarray(pixels[first : first + _AT_ONCE]))
            observations = processor.observations(frames.to(weight.device)).to(weight.dtype)
            parts.append(model.encode(observations[:, None])[:, 0].float().cpu())
    embeddings = torch.cat(parts)
    check_finite(owner, "model.encode(...)", embeddings, fix="Check the weights that make the embeddings")
    return embeddings
