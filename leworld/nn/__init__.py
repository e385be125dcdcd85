"""The layers that encoders, predictors and models are made of.

Each is a plain `torch.nn.Module` with named axes and no knowledge of world models. Dropout is the only layer
here that behaves differently in training apart from `Projector`, whose BatchNorm uses batch statistics then.
Initial weights and dropout masks come from torch's global generator, as everywhere in torch.
"""

from typing import TYPE_CHECKING

from .._config import configurable as configurable
from .._names import room_names
from ._adaln import AdaLNZero as AdaLNZero
from ._adaln import modulate as modulate
from ._attention import SelfAttention as SelfAttention
from ._block_gru import BlockGRU as BlockGRU
from ._blocks import ConditionedBlock as ConditionedBlock
from ._blocks import TransformerBlock as TransformerBlock
from ._categorical import CategoricalLatents as CategoricalLatents
from ._conditioning import Conditioning as Conditioning
from ._evaluation_mode import evaluation_mode as evaluation_mode
from ._frozen import Frozen as Frozen
from ._mlp import MLP as MLP
from ._normed import NormedLinear as NormedLinear
from ._normed import NormedMLP as NormedMLP
from ._normed import SimNorm as SimNorm
from ._patches import PatchEmbedding as PatchEmbedding
from ._positions import interpolate_positions as interpolate_positions
from ._projector import Projector as Projector
from ._reprelu import RepReLU as RepReLU

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
