"""Numbers that tell what an embedding is like, never losses.

`effective_rank`, `participation_ratio` and `lidar` count the directions that an embedding uses,
`sliced_normality` tells whether it is the Gaussian that SIGReg asks for, `temporal_straightness` how straight
its paths run, `goal_monotonicity` whether its distances show the way to a goal, and `horizon_error` how far
imagined embeddings stray. `within_episode_share` tells whether an embedding moves within episodes, and
`plan_rank` whether a cost prefers the plan that works. `psnr` and `ssim` compare pictures. `auroc`,
`conformal_p_values`, `paired_t_test` and `wilson_interval` tell what scores and success rates are worth. All
take tensors or counts, compute in float64, and return plain values without gradients. MPS has no float64:
there they compute on the CPU and return float32. Under `torch.func.vmap` those that return tensors judge each
row; the others refuse.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._detection import auroc as auroc
from ._detection import conformal_p_values as conformal_p_values
from ._effective_rank import effective_rank as effective_rank
from ._goal_monotonicity import GoalMonotonicity as GoalMonotonicity
from ._goal_monotonicity import goal_monotonicity as goal_monotonicity
from ._horizon_error import horizon_error as horizon_error
from ._latent_distance import latent_distance as latent_distance
from ._lidar import lidar as lidar
from ._paired_test import PairedTest as PairedTest
from ._paired_test import paired_t_test as paired_t_test
from ._participation import participation_ratio as participation_ratio
from ._plan_rank import PlanRank as PlanRank
from ._plan_rank import plan_rank as plan_rank
from ._psnr import psnr as psnr
from ._sliced_normality import NormalityTest as NormalityTest
from ._sliced_normality import sliced_normality as sliced_normality
from ._ssim import ssim as ssim
from ._straightness import temporal_straightness as temporal_straightness
from ._wilson import Interval as Interval
from ._wilson import wilson_interval as wilson_interval
from ._within_share import within_episode_share as within_episode_share

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
