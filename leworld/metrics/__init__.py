"""Numbers that tell what an embedding is like, never losses.

`effective_rank` counts the directions that an embedding uses, `temporal_straightness` tells how straight its
paths run, `goal_monotonicity` tells whether its distances show the way to a goal, and `wilson_interval` tells
how much a success rate from few trials is worth. All take tensors or counts, compute in float64, and return
plain values without gradients.
"""

from ._effective_rank import effective_rank as effective_rank
from ._goal_monotonicity import GoalMonotonicity as GoalMonotonicity
from ._goal_monotonicity import goal_monotonicity as goal_monotonicity
from ._straightness import temporal_straightness as temporal_straightness
from ._wilson import Interval as Interval
from ._wilson import wilson_interval as wilson_interval
