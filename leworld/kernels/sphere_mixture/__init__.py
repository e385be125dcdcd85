"""Mixtures of the unit sphere's characteristic function, and their mean over all pairs of samples."""

from ._op import mean_over_pairs as mean_over_pairs
from ._op import sphere_mixture as sphere_mixture
from ._reference import Mixture as Mixture
