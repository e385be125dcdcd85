"""Mixtures of the unit sphere's characteristic function, and the discrepancy of samples that they make."""

from ._op import sphere_discrepancy as sphere_discrepancy
from ._op import sphere_mixture as sphere_mixture
from ._reference import Mixture as Mixture
