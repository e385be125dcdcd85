"""Sums of the empirical characteristic function along many directions, without storing a number a knot."""

from ._op import ecf_sums as ecf_sums
