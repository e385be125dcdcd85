"""Policies: from what an agent sees to what it does, for a batch of environments at once.

`MPCPolicy` joins a model and a planner into a receding-horizon controller; `RandomPolicy` is the baseline
that every result is shown beside. Both speak raw action units and numpy, as environments do.
"""

from ._decision import Decision as Decision
from ._mpc import MPCPolicy as MPCPolicy
from ._policy import Observation as Observation
from ._policy import Policy as Policy
from ._random_policy import RandomPolicy as RandomPolicy
