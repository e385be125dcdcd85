"""What a frozen embedding knows: small models fitted on embeddings to predict physical quantities.

A probe is fitted on some episodes, tuned on others and scored on the rest; `split_by_episode` makes that
split, since frames of one episode are near copies of each other, and `fit_probe` does all three. `RidgeProbe`
and `LinearProbe` ask what is there in linear form, `MLPProbe` what is there in any form, `KNNProbe` whether
distances mean something, `AttentiveProbe` reads tokens, and `LogisticProbe` tells classes apart. Each is a
`Probe`, predicts, and scores itself with the same `ProbeScore`.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._attentive import AttentiveProbe as AttentiveProbe
from ._fit_probe import fit_probe as fit_probe
from ._knn import KNNProbe as KNNProbe
from ._linear import LinearProbe as LinearProbe
from ._logistic import LogisticProbe as LogisticProbe
from ._mlp import MLPProbe as MLPProbe
from ._probe import Probe as Probe
from ._ridge import RidgeProbe as RidgeProbe
from ._score import ProbeScore as ProbeScore
from ._split import EpisodeSplit as EpisodeSplit
from ._split import split_by_episode as split_by_episode

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
