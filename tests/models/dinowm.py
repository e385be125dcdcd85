"""Small DINO-WMs, awake, on an encoder of patches of the tests' own; and the recorded outputs of DINO-WM."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from leworld.data import Batch, Observation
from leworld.encoders import LinearEncoder
from leworld.models import DINOWM
from leworld.nn import configurable
from leworld.predictors import TokenTransformerPredictor

FIXTURE = Path(__file__).parent.parent / "fixtures" / "dinowm_mini"


@configurable
class PatchEncoder(nn.Module):
    """A feature for every patch, as a frozen vision transformer would give."""

    def __init__(self, image_size: int = 8, patch_size: int = 4, embedding_dim: int = 6):
        super().__init__()
        self.patch_size, self.embedding_dim = patch_size, embedding_dim
        self.num_tokens = (image_size // patch_size) ** 2
        self.layer = nn.Conv2d(3, embedding_dim, patch_size, stride=patch_size)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images).flatten(2).transpose(1, 2)


class Given(nn.Module):
    """Takes visual tokens for pictures: (batch, channel, token, dim) with one channel."""

    def __init__(self, num_tokens: int, embedding_dim: int):
        super().__init__()
        self.num_tokens, self.embedding_dim = num_tokens, embedding_dim

    def forward(self, images: Tensor) -> Tensor:
        return images[:, 0]


def dinowm(*, proprio: bool = True, dropout: float = 0.0, history_size: int = 3, **options: Any) -> DINOWM:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = DINOWM(
            PatchEncoder(),
            TokenTransformerPredictor(
                6 + 2 * proprio, 4, history_size=history_size, condition_dim=3, depth=2, num_heads=2,
                head_dim=3, mlp_dim=8, dropout=dropout,
            ),
            action_encoder=LinearEncoder(4, 3),
            proprio_encoder=LinearEncoder(2, 2) if proprio else None,
            **options,
        )  # fmt: skip
    generator = torch.Generator().manual_seed(4)
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model


def batch(size: int = 6, time: int = 4, *, proprio: bool = True) -> Batch:
    generator = torch.Generator().manual_seed(5)
    pixels = torch.randn(size, time, 3, 8, 8, generator=generator)
    actions = torch.randn(size, time, 4, generator=generator)
    parts = {"pixels": pixels}
    if proprio:
        parts["proprio"] = torch.randn(size, time, 2, generator=generator)
    return Batch(Observation(parts=parts), actions)


def weights(layout: str) -> dict[str, Tensor]:
    """The recorded state dict as `dinowm` or `swm` writes it."""
    return load_file(FIXTURE / f"weights_{layout}.safetensors")


def reference() -> dict[str, Tensor]:
    return load_file(FIXTURE / "reference.safetensors")


def seen(part: Tensor, proprio: Tensor) -> Observation:
    """Recorded visual tokens (batch, time, token, dim) in the place of pictures."""
    return Observation(parts={"pixels": part.unsqueeze(2), "proprio": proprio})
