"""DINO-WM on an encoder of patches that was trained elsewhere, with what the agent feels of itself."""

from torch import nn

from leworld.encoders import LinearEncoder
from leworld.models import DINOWM
from leworld.nn import configurable
from leworld.predictors import TokenTransformerPredictor
from tests.extension.proprio import SensingPoint


@configurable
class Patches(nn.Module):
    """Features of the patches of a picture, as a pretrained vision transformer would give them."""

    def __init__(self, image_size: int, patch_size: int = 6, embedding_dim: int = 6) -> None:
        super().__init__()
        self.num_tokens, self.embedding_dim = (image_size // patch_size) ** 2, embedding_dim
        self.layer = nn.Conv2d(3, embedding_dim, patch_size, stride=patch_size)

    def forward(self, images):
        return self.layer(images).flatten(2).transpose(1, 2)


TASK = SensingPoint()
PARTS = {"proprio": None}
CLASSES = (Patches,)
TERMS = ("visual", "proprio")


def build(processor):
    encoder = Patches(processor.image_size)
    predictor = TokenTransformerPredictor(
        8,
        encoder.num_tokens,
        history_size=2,
        condition_dim=3,
        depth=1,
        num_heads=2,
        head_dim=4,
        mlp_dim=8,
    )
    return DINOWM(
        encoder,
        predictor,
        action_encoder=LinearEncoder(processor.block_dim, 3),
        proprio_encoder=LinearEncoder(2, 2),
    )
