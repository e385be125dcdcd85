"""World models: an encoder and a predictor assembled, with the loss that trains them.

`WorldModel` is the contract that costs, policies, training and evaluation rely on. `LeWM` is the first to
keep it. Axes are always (batch, time, ...); the action at time t leaves frame t and leads to frame t + 1.
"""

from ._lewm import LeWM as LeWM
from ._losses import Losses as Losses
from ._world_model import WorldModel as WorldModel
