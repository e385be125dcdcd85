"""Networks that turn an embedding back into a picture, for looking or as a part of a model.

`CrossAttentionDecoder` is the paper's, for looking only: it is trained on a model that is already frozen
(`leworld.training.train_decoder`), so it shows what the embedding holds and changes nothing about it. Its
pictures have the values of pixels divided by 255, 0 for black and 1 for white, whatever the model's processor
does to its own inputs. `NormedConvDecoder` is a part of a `leworld.models.RSSM`, which learns from it, and
draws what that model reads.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._cross_attention import CrossAttentionDecoder as CrossAttentionDecoder
from ._normed_conv import NormedConvDecoder as NormedConvDecoder
from ._save import load_decoder as load_decoder
from ._save import save_decoder as save_decoder

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
