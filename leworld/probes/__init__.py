"""What a frozen embedding knows: small models fitted on embeddings to predict physical quantities.

A probe is fitted on some episodes, tuned on others and scored on the rest; `split_by_episode` makes that
split, since frames of one episode are near copies of each other. Every probe predicts, and scores itself with
the same `ProbeScore`.
"""

from ._ridge import RidgeProbe as RidgeProbe
from ._score import ProbeScore as ProbeScore
from ._split import EpisodeSplit as EpisodeSplit
from ._split import split_by_episode as split_by_episode
