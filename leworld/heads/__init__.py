"""Heads stand on a latent for a task: rewards, values, ends of episodes, actions.

A head reads latents that are vectors, whatever model made them, frozen or trained along. `ScalarHead`
predicts rewards and values as a `TwoHot` distribution, `QEnsemble` values of actions with targets that follow
slowly, `TerminationHead` whether an episode is over. `GaussianPolicy` and `CategoricalPolicy` propose
actions; `ActorCritic` teaches them, and a `StateValue`, in the imagination of any model.
`leworld.costs.ReturnCost` plans with heads, and with a fitted probe of `leworld.probes` in a reward's place.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._actor_critic import ActorCritic as ActorCritic
from ._actor_critic import ImaginedLosses as ImaginedLosses
from ._categorical import CategoricalPolicy as CategoricalPolicy
from ._gaussian import GaussianPolicy as GaussianPolicy
from ._lambda_returns import lambda_returns as lambda_returns
from ._policy_sample import PolicySample as PolicySample
from ._q_ensemble import QEnsemble as QEnsemble
from ._running_scale import RunningScale as RunningScale
from ._scalar import ScalarHead as ScalarHead
from ._state_value import StateValue as StateValue
from ._termination import TerminationHead as TerminationHead
from ._two_hot import TwoHot as TwoHot
from ._two_hot import symexp as symexp
from ._two_hot import symlog as symlog

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
