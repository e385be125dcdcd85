"""A cost that can also be asked about single steps."""

from abc import ABC, abstractmethod

from torch import Tensor


class LiftedCost(ABC):
    """A cost over imagined states that shows its dynamics, as planners with virtual states need.

    `leworld.costs.GoalCost` is one; a cost of your own subclasses this. A state may have any latent axes
    behind (batch, sample, step). The planner never sees the object itself: it asks through its `Evaluator`.

    Example:
        ```python
        import torch
        from leworld.costs import GoalCost
        from leworld.planners import LiftedCost

        class Integrator:
            def rollout(self, context, past_actions, actions):
                return context[:, None, -1:] + actions.cumsum(2)

        assert isinstance(GoalCost(Integrator(), torch.ones(1, 2), context=torch.zeros(1, 1, 2)), LiftedCost)
        assert not isinstance(lambda actions: actions.sum((2, 3)), LiftedCost)
        ```
    """

    @abstractmethod
    def __call__(self, actions: Tensor) -> Tensor:
        """Return the cost of candidates, (batch, sample, horizon, action) -> (batch, sample)."""

    @abstractmethod
    def rollout(self, actions: Tensor) -> Tensor:
        """Return the states that candidates lead to, (batch, sample, horizon, *latent)."""

    @abstractmethod
    def transition(self, states: Tensor, actions: Tensor) -> Tensor:
        """Predict the states after steps 1 .. horizon, each from the supposed states before it.

        `states` are those after steps 1 .. horizon - 1, (batch, sample, horizon - 1, *latent). On the states
        of `rollout` this returns `rollout`.
        """

    @abstractmethod
    def goal_distance(self, states: Tensor) -> Tensor:
        """Return how far each state is from its row's goal, (batch, sample, step)."""

    @abstractmethod
    def guess_states(self, actions: Tensor) -> Tensor:
        """Return states to begin with, (batch, sample, horizon - 1, *latent)."""
