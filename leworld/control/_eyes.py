"""From frames to embeddings, as every policy with a model needs it."""

import numpy as np
import torch
from torch import Tensor

from ..costs import evaluation_mode
from ..data import Processor
from ..errors import ConfigError
from ..models import WorldModel


def processor_of(owner: str, model: WorldModel) -> Processor:
    """Return the model's processor, or say what is wrong with it."""
    processor = model.processor
    if processor is None:
        raise ConfigError(
            f"{owner} needs a model whose `processor` converts pixels and actions",
            "`model.processor` is None",
            "Load the model with `leworld.load`, or set `model.processor` to what `fit_processor` returns",
        )
    if processor.block_dim != model.action_dim:
        raise ConfigError(
            f"{owner} needs action blocks of the model's size, action_dim={model.action_dim}",
            f"its processor makes blocks of {processor.frameskip} x {processor.action_dim} numbers",
            "Use the processor that the model was trained with",
        )
    return processor


def with_weights(model: WorldModel, tensor: Tensor) -> Tensor:
    """Move a tensor to where the model's weights live, in their dtype."""
    weight = next(model.parameters(), torch.zeros(()))
    return tensor.to(weight.device, weight.dtype)


@torch.no_grad()
def encode_frames(model: WorldModel, processor: Processor, pixels: np.ndarray) -> Tensor:
    """Embed uint8 frames (env, height, width, channel), in evaluation mode: (env, dim)."""
    weight = next(model.parameters(), torch.zeros(()))
    frames = torch.from_numpy(np.ascontiguousarray(pixels)).to(weight.device)
    with evaluation_mode(model):
        return model.encode(processor.observations(frames).to(weight.dtype).unsqueeze(1))[:, 0]
