"""Networks that predict the next embedding from embeddings so far and the actions taken.

A predictor maps embeddings and conditions, both (batch, time, dim), to (batch, time, dim), causally: output t
sees inputs up to t and predicts what follows. One of tokens maps embeddings (batch, time, token, dim). A
predictor says how many frames it can see by its attribute `history_size`. An `IncrementalPredictor` can also
append one frame at a time, which makes rollouts cheap; all of this room are of that kind.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._ensemble import EnsemblePredictor as EnsemblePredictor
from ._gru import GRUPredictor as GRUPredictor
from ._incremental import IncrementalPredictor as IncrementalPredictor
from ._linear import LinearPredictor as LinearPredictor
from ._mlp import MLPPredictor as MLPPredictor
from ._simnorm import SimNormPredictor as SimNormPredictor
from ._state_space import StateSpacePredictor as StateSpacePredictor
from ._token_transformer import TokenTransformerPredictor as TokenTransformerPredictor
from ._transformer import TransformerPredictor as TransformerPredictor

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
