"""Terms that keep embeddings spread out: each maps embeddings (*batch, sample, dim) to a scalar to minimise.

Every leading index is judged on its own and the results are averaged; weights belong to the caller. Mind the
axes: embeddings of a model are (batch, time, dim), and a regularizer compares samples, so pass
`embeddings.transpose(0, 1)` to judge each time step over the batch.

Beside them stand losses that take something else, and say so: `VICReg` two views; `TemporalSimilarity`,
`TemporalStraightening` and `TemporalVCReg` trajectories (*batch, time, dim); `InverseDynamics` and
`PLDMTerms` trajectories with their actions. Their attribute `reads` is "trajectories" or "actions", by which
a model knows how to call them as its `regularizer` or among its `auxiliary` losses; without it a regularizer
is given samples.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._exact_sigreg import ExactSIGReg as ExactSIGReg
from ._inverse_dynamics import InverseDynamics as InverseDynamics
from ._multivariate_normality import MultivariateNormality as MultivariateNormality
from ._pldm_terms import PLDMTerms as PLDMTerms
from ._sigreg import SIGReg as SIGReg
from ._sliced_normality import SlicedNormality as SlicedNormality
from ._subspace_sigreg import SubspaceSIGReg as SubspaceSIGReg
from ._temporal_similarity import TemporalSimilarity as TemporalSimilarity
from ._temporal_straightening import TemporalStraightening as TemporalStraightening
from ._temporal_vcreg import TemporalVCReg as TemporalVCReg
from ._vcreg import VCReg as VCReg
from ._vicreg import VICReg as VICReg
from ._visreg import VISReg as VISReg
from ._weak_sigreg import WeakSIGReg as WeakSIGReg

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
