"""Networks that turn one observation or one action block into an embedding.

An image encoder maps (batch, channel, height, width) to (batch, dim) and says how large dim is by its
attribute `embedding_dim`; that is all a model asks of it. An encoder of tokens returns (batch, token, dim),
`embedding_dim` is then the size of a token, and it says by `num_tokens` how many there are; `PooledTokens`
makes one vector of them. `FusedEncoder` joins several cameras and vectors. Every encoder carries
`configurable`, so that a checkpoint can rebuild it. Like other layers of torch they pass NaN on: models check
their inputs, layers do not.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._action import ActionEncoder as ActionEncoder
from ._conv import ConvEncoder as ConvEncoder
from ._dinov2 import DINOv2Encoder as DINOv2Encoder
from ._dinov2_layouts import dinov2_state_dict as dinov2_state_dict
from ._fused import FusedEncoder as FusedEncoder
from ._huggingface import HuggingFaceEncoder as HuggingFaceEncoder
from ._impala import ImpalaEncoder as ImpalaEncoder
from ._linear import LinearEncoder as LinearEncoder
from ._normed_conv import NormedConvEncoder as NormedConvEncoder
from ._pooled import PooledTokens as PooledTokens
from ._resnet import ResNetEncoder as ResNetEncoder
from ._simnorm import SimNormEncoder as SimNormEncoder
from ._simnorm_adapter import SimNormAdapter as SimNormAdapter
from ._timm import TimmEncoder as TimmEncoder
from ._vector import VectorEncoder as VectorEncoder
from ._vit import ViTEncoder as ViTEncoder

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__, renamed={"PartsEncoder": "FusedEncoder"})
