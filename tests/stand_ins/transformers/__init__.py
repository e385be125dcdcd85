"""What stands in for transformers where it is not installed: its shape, with one small vision transformer.

The names of functions, attributes and settings are transformers' own.
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass
class ViTConfig:
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    image_size: int = 224
    patch_size: int = 16
    hidden_act: str = "gelu"
    model_type: str = "vit"

    def to_diff_dict(self) -> dict[str, Any]:
        usual = asdict(ViTConfig())
        own = {name: value for name, value in asdict(self).items() if value != usual[name]}
        return {**own, "transformers_version": "stand-in", "architectures": None, "_name_or_path": ""}


@dataclass
class Output:
    last_hidden_state: Tensor
    pooler_output: Tensor


class ViTModel(nn.Module):
    """Patches, a class token, positions that can be interpolated, blocks, a norm and a pooler."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        width, side = config.hidden_size, config.image_size // config.patch_size
        self.config = config
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.position_embeddings = nn.Parameter(0.02 * torch.randn(1, 1 + side**2, width))
        self.projection = nn.Conv2d(3, width, config.patch_size, stride=config.patch_size)
        self.layers = nn.ModuleList(
            nn.MultiheadAttention(width, config.num_attention_heads, batch_first=True)
            for _ in range(config.num_hidden_layers)
        )
        self.mlp = nn.Linear(width, config.intermediate_size)
        self.out = nn.Linear(config.intermediate_size, width)
        self.layernorm = nn.LayerNorm(width)
        self.pooler = nn.Linear(width, width)

    def forward(self, pixel_values: Tensor, interpolate_pos_encoding: bool = False) -> Any:
        patches = self.projection(pixel_values)
        height, width = patches.shape[-2:]
        table, side = self.position_embeddings, self.config.image_size // self.config.patch_size
        if interpolate_pos_encoding:
            grid = table[:, 1:].transpose(1, 2).unflatten(2, (side, side))
            grid = F.interpolate(grid, size=(height, width), mode="bicubic", align_corners=False)
            table = torch.cat([table[:, :1], grid.flatten(2).transpose(1, 2)], 1)
        elif (height, width) != (side, side):
            raise ValueError(f"Input image size doesn't match model {self.config.image_size}")
        tokens = torch.cat(
            [self.cls_token.expand(patches.shape[0], -1, -1), patches.flatten(2).transpose(1, 2)], 1
        )
        tokens = tokens + table
        for layer in self.layers:
            tokens = tokens + layer(tokens, tokens, tokens, need_weights=False)[0]
        tokens = self.layernorm(tokens + self.out(F.gelu(self.mlp(tokens))))
        return Output(last_hidden_state=tokens, pooler_output=torch.tanh(self.pooler(tokens[:, 0])))


class AutoConfig:
    @staticmethod
    def for_model(model_type: str, **settings: Any) -> ViTConfig:
        assert model_type == "vit", "the stand-in has one network"
        return ViTConfig(**settings)


class AutoModel:
    @staticmethod
    def from_config(config: ViTConfig) -> ViTModel:
        return ViTModel(config)
