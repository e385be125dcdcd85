"""A frozen network of somebody else's, BatchNorm and all, as the encoder of a LeWM."""

from torch import nn

from leworld.encoders import ActionEncoder
from leworld.models import LeWM
from leworld.nn import Projector, configurable
from leworld.predictors import TransformerPredictor


class Backbone(nn.Module):
    """Knows nothing of leworld."""

    embedding_dim = 8

    def __init__(self):
        super().__init__()
        convolution = nn.Conv2d(3, 8, 4, stride=4)
        self.body = nn.Sequential(convolution, nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.requires_grad_(False).eval()

    def forward(self, pictures):
        return self.body(pictures).flatten(1)

    def train(self, mode=True):
        return super().train(False)  # frozen: its BatchNorm keeps the statistics of its pretraining


@configurable
class Wrapped(Backbone):
    """The same, with what a checkpoint needs to know."""


CLASSES = (Wrapped,)
TERMS = ("prediction", "regularizer")


def build(processor, encoder=Wrapped):
    return LeWM(
        encoder(),
        TransformerPredictor(6, history_size=2, depth=1, num_heads=1, head_dim=6, mlp_dim=8),
        action_encoder=ActionEncoder(processor.block_dim, 6),
        projector=Projector(8, 6, hidden_dim=8),
        prediction_projector=Projector(6, hidden_dim=8),
    )
