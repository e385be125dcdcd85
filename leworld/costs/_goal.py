"""Distance of predicted embeddings to a goal."""

import math
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_choice, check_finite, check_number, describe
from .._lending import own_copy
from .._typing import shapechecked
from ..errors import ConfigError, ShapeError
from ..metrics import latent_distance
from ..models import WorldModel
from ..planners import LiftedCost
from ._start import RolloutModel, Start

Distance: TypeAlias = Literal["squared", "cosine", "smooth_l1"]


@final
class GoalCost(LiftedCost):
    r"""Squared distance between the last predicted embedding and the goal's: LeWorldModel's planning cost.

    $$c(a_{1:H}) = \sum_d (\hat z_{H,d} - z^{goal}_d)^2$$

    with \hat z_H the model's prediction after all H candidate actions. Encode frames and goal once, build the
    cost once a plan, and give it to any planner; each call costs one rollout of its candidates. Frames,
    blocks and goal are copied, so changing them afterwards does not change the cost, and the model gets
    copies that it may edit.

    Shapes:
        `cost(actions)`: (batch, sample, horizon, action) -> (batch, sample).

    Args:
        model: Predicts embeddings; a `WorldModel` or anything else with its `rollout`. A module in training
            mode is switched to evaluation during each call and then switched back.
        goal: Goal embeddings (batch, *latent), without a time axis.
        context: Embeddings of the last real frames (batch, time, *latent), oldest first.
        past_actions: Action blocks between these frames (batch, time - 1, action). May be left out when
            `context` holds a single frame.
        state: In place of the two, what the model's `observe` returned.
        distance: "squared" (LeWM's, summed), "smooth_l1" (summed; far goals pull less hard) or "cosine"
            (1 - cosine; blind to length, averaged over tokens). None takes the model's own
            `latent_distance`, which is the squared one unless the model says otherwise.
        along: "end" to score the last step only, "path" for the mean over all steps, which rewards arriving
            early and suits replanning after every block.
        base: With "path", how much more each step counts than the one before it: the mean has the weights
            base^t. 2 is DINO-WM's objective "all", which adds the distance of the present frame, the same
            for all candidates, and divides by the number of frames once more: the order is the same.
        readout: Maps embeddings (..., *latent) to the space in which the goal is given and distances are
            taken, for example a probe's physical units.

    Attributes:
        device: Where candidates should live; planners read it.
        dtype: Their dtype.

    Raises:
        ShapeError: If goal, context, past actions and candidates disagree, in particular for a goal
            (batch, 1, dim), as `encode` returns it.
        NonFiniteError: If goal, context or past actions hold NaN or infinity.

    Numerics:
        The distance is summed in the embeddings' dtype, float32 for half types. Gradients reach the actions;
        a gradient planner takes them without leaving any in the model's parameters.

    Source:
        Maes et al., "LeWorldModel", 2026, eq. for the planning cost (squared, last step, summed over dim).

    Example:
        ```python
        import torch
        from leworld.costs import GoalCost
        from leworld.planners import CEMPlanner

        class Integrator:
            def rollout(self, context, past_actions, actions):
                return context[:, None, -1:] + actions.cumsum(2)

        goal = torch.tensor([[2.0, -1.0]])
        cost = GoalCost(Integrator(), goal, context=torch.zeros(1, 1, 2))
        plan = CEMPlanner(horizon=3).plan(cost, batch=1, action_dim=2, bounds=(-1.0, 1.0))
        assert torch.allclose(plan.actions.sum(1), goal, atol=0.05)
        ```
    """

    @shapechecked
    def __init__(
        self,
        model: RolloutModel,
        goal: Float[Tensor, " batch *latent"],
        *,
        context: Float[Tensor, "batch time *embedding"] | None = None,
        past_actions: Float[Tensor, "batch past action"] | None = None,
        state: Any | None = None,
        distance: Distance | None = None,
        along: Literal["end", "path"] = "end",
        base: float = 1.0,
        readout: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        if distance is not None:
            check_choice("GoalCost", "distance", distance, ("squared", "cosine", "smooth_l1"))
        check_choice("GoalCost", "along", along, ("end", "path"))
        check_number("GoalCost", "base", base, low=0.0, open_low=True)
        if along == "end" and base != 1:
            raise ConfigError(
                'GoalCost needs `along="path"` for a `base`, which weighs steps against each other',
                f'it has `along="end"` and `base={base}`',
                'Pass `along="path"`, or leave `base` out',
            )
        self.start = Start("GoalCost", model, context=context, past_actions=past_actions, state=state)
        _check_goal(goal, self.start.context, readout)
        self.start.check_history()
        check_finite(
            "GoalCost", "goal", goal, fix="Check the frames that were encoded and the model's weights"
        )
        self.model = model
        self.goal = own_copy(goal)
        self.distance: Distance | None = distance
        self.along = along
        self.base = base
        self.readout = readout
        self.device = self.start.context.device
        self.dtype = self.start.context.dtype

    @property
    def context(self) -> Tensor:
        """Latents of the last real frames, (batch, time, *latent); of the present one for a `state`."""
        return self.start.context

    @property
    def past_actions(self) -> Tensor:
        """Blocks between the frames of `context`."""
        return self.start.past_actions

    @shapechecked
    def __call__(
        self, actions: Float[Tensor, "batch sample horizon action"]
    ) -> Float[Tensor, "batch sample"]:
        """Return the cost of every candidate."""
        predicted = self.rollout(actions)
        distances = self.goal_distance(predicted[:, :, -1:] if self.along == "end" else predicted)
        if self.base == 1:
            return distances.mean(-1)
        steps = torch.arange(distances.shape[-1], dtype=distances.dtype, device=distances.device)
        return (distances * (steps * math.log(self.base)).softmax(0)).sum(-1)

    def rollout(self, actions: Tensor) -> Tensor:
        """Return the embeddings that candidates lead to, (batch, sample, horizon, *latent)."""
        return self.start.rollout(actions)

    def transition(self, states: Tensor, actions: Tensor) -> Tensor:
        """Predict every step from supposed states instead of from its own predictions, all steps at once.

        Args:
            states: Supposed embeddings after steps 1 .. horizon - 1, (batch, sample, horizon - 1, *latent).
            actions: Candidates (batch, sample, horizon, action).

        Returns:
            Predictions after steps 1 .. horizon; those of `rollout` when `states` are its own. For a model
            that carries a state of its own, each step is predicted from the one latent before it.
        """
        return self.start.transition(states, actions)

    def goal_distance(self, states: Tensor) -> Tensor:
        """Return the distance of embeddings (batch, sample, step, *latent) to the goal, one a step."""
        goal = self.goal[:, None, None].clone()  # a model with a distance of its own may edit it
        if self.readout is None and self.distance is None and isinstance(self.model, WorldModel):
            return self.model.latent_distance(states.clone(), goal.to(states.device, copy=True))
        read = states if self.readout is None else self.readout(states.clone())
        return latent_distance(
            read, goal.to(read.device), axes=self.goal.ndim - 1, kind=self.distance or "squared"
        )

    def guess_states(self, actions: Tensor) -> Tensor:
        """Return states to begin with, (batch, sample, horizon - 1, *latent).

        On the straight line from the last frame to the goal, or those of the candidates' rollout when the
        goal lives in a readout's space.
        """
        if self.readout is not None:
            return self.rollout(actions)[:, :, :-1]
        samples, horizon = actions.shape[1:3]
        start, goal = self.start.present, self.goal.to(self.context)
        share = torch.arange(1, horizon, device=start.device, dtype=start.dtype) / horizon
        share = share.reshape(-1, *(1 for _ in start.shape[1:]))
        line = start.unsqueeze(1) + share * (goal - start).unsqueeze(1)
        return line.unsqueeze(1).expand(-1, samples, *line.shape[1:])


def _check_goal(goal: Tensor, context: Tensor, readout: Callable[[Tensor], Tensor] | None) -> None:
    latent = context[:, -1] if readout is None else readout(context[:, -1].clone())
    expected = tuple(latent.shape)
    if tuple(goal.shape) == expected:
        return
    squeezed = goal.ndim == latent.ndim + 1 and goal.shape[1] == 1
    fix = (
        "`encode` returns a time axis; drop it with `goal[:, -1]`"
        if squeezed
        else "Give one goal for every row of `context`, encoded by the same model and read out the same way"
    )
    raise ShapeError(
        f"GoalCost needs `goal` of shape {expected}, since `context` is {tuple(context.shape)}",
        f"`goal` is {describe(goal)}",
        fix,
    )
