"""What a search remembers: for every row the best sequence so far, and whether it obeys the constraints."""

import math

import torch
from torch import Tensor

from ._problem import Problem


class Best:
    """The best sequence of every row, its cost, and how far it breaks the constraints.

    Of two sequences the one that obeys is better; of two that obey the cheaper one; of two that do not, the
    one whose largest violation is smaller. A sequence without a finite cost is never kept.

    Args:
        problem: Its first guess is what a row begins with.

    Attributes:
        actions: (batch, horizon, action).
        cost: (batch), infinite where nothing was kept yet.
        obeys: Whether the kept sequence obeys all constraints, (batch); true where there are none.
        violation: Its largest constraint value, (batch).
    """

    def __init__(self, problem: Problem) -> None:
        guess = problem.init
        self.actions = guess.to(problem.dtype).to(guess.dtype).clone()
        self.cost = guess.new_full((len(guess),), math.inf)
        self.obeys = torch.ones_like(self.cost, dtype=torch.bool)
        self.violation = self.cost

    def offer(self, shown: Tensor, costs: Tensor) -> None:
        """Keep the cheapest of the candidates where it is cheaper than what is kept."""
        lowest, first = costs.min(dim=1)
        better = lowest < self.cost
        found = shown[torch.arange(len(first), dtype=torch.int64, device=first.device), first]
        self.actions = torch.where(better[:, None, None], found, self.actions)
        self.cost = torch.where(better, lowest, self.cost)

    def offer_judged(self, shown: Tensor, costs: Tensor, obeys: Tensor, violation: Tensor) -> None:
        """Keep the best of candidates that were judged by constraints."""
        finite = costs < math.inf
        obeys = obeys & finite
        any_obeys = obeys.any(1)
        by_cost = torch.where(obeys, costs, math.inf).argmin(1)
        largest = torch.finfo(violation.dtype).max  # less than what a cost that is not finite gets
        by_violation = torch.where(finite, violation.clamp(max=largest), math.inf).argmin(1)
        pick = torch.where(any_obeys, by_cost, by_violation)
        rows = torch.arange(len(pick), dtype=torch.int64, device=pick.device)
        cost, worst, usable = costs[rows, pick], violation[rows, pick], finite[rows, pick]
        nearer = (self.cost == math.inf) | (worst < self.violation)
        better = torch.where(self.obeys, any_obeys & (cost < self.cost), any_obeys | nearer) & usable
        self.actions = torch.where(better[:, None, None], shown[rows, pick], self.actions)
        self.cost = torch.where(better, cost, self.cost)
        self.violation = torch.where(better, worst, self.violation)
        self.obeys = torch.where(better, any_obeys, self.obeys)

    def judge(self, obeys: Tensor, violation: Tensor) -> None:
        """Take over what new constraints say of the kept sequences; a row that has none does not obey."""
        self.obeys, self.violation = obeys & (self.cost < math.inf), violation
