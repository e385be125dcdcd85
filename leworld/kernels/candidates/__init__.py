"""What a search does around its cost: draw candidates, remember the best, refit a Gaussian to the elites."""

from ._op import Candidates as Candidates
from ._op import candidates as candidates
from ._op import prepare as prepare
