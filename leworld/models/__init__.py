"""World models: an encoder and a predictor assembled, with the loss that trains them.

`WorldModel` is the contract that costs, policies, training and evaluation rely on. `LeWM` and `PLDM` keep it
with the same parts and differ in what keeps them from collapsing; `DINOWM` predicts the patch features of a
frozen encoder; `TDMPC2` learns one task from its rewards, `RSSM` what is seen, and to act. Axes are always
(batch, time, ...); the action at time t leaves frame t and leads to frame t + 1.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._dinowm import DINOWM as DINOWM
from ._dinowm_settings import DINOWMSettings as DINOWMSettings
from ._dinowm_settings import dinowm_settings as dinowm_settings
from ._flops import rollout_flops as rollout_flops
from ._frames import check_knows_parts as check_knows_parts
from ._frames import embed as embed
from ._frames import embed_rows as embed_rows
from ._frames import model_batch as model_batch
from ._frames import model_input as model_input
from ._frames import processor_of as processor_of
from ._frames import to_weights as to_weights
from ._lewm import LeWM as LeWM
from ._losses import Losses as Losses
from ._pldm import PLDM as PLDM
from ._rssm import RSSM as RSSM
from ._state import History as History
from ._state import concatenate_states as concatenate_states
from ._state import state_layout as state_layout
from ._state import state_rows as state_rows
from ._tdmpc2 import TDMPC2 as TDMPC2
from ._world_model import WorldModel as WorldModel

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
