"""Distance of predicted embeddings to a goal."""

from collections.abc import Callable
from typing import Literal, final

from jaxtyping import Float
from torch import Tensor

from .._checks import check_choice, check_finite, check_size, describe
from .._typing import shapechecked
from ..errors import ShapeError
from ._distance import Distance, distance
from ._model import RolloutModel, evaluation_mode


@final
class GoalCost:
    r"""Squared distance between the last predicted embedding and the goal's: LeWorldModel's planning cost.

    $$c(a_{1:H}) = \sum_d (\hat z_{H,d} - z^{goal}_d)^2$$

    with \hat z_H the model's prediction after all H candidate actions. Encode frames and goal once, build the
    cost once a plan, and give it to any planner; each call costs one rollout of its candidates.

    Shapes:
        `cost(actions)`: (batch, sample, horizon, action) -> (batch, sample).

    Args:
        model: Predicts embeddings; a `WorldModel` or anything else with its `rollout`. A module in training
            mode is switched to evaluation during each call and then switched back.
        goal: Goal embeddings (batch, *latent), without a time axis.
        context: Embeddings of the last real frames (batch, time, *latent), oldest first.
        past_actions: Action blocks between these frames (batch, time - 1, action). May be left out when
            `context` holds a single frame.
        distance: "squared" (LeWM's, summed), "smooth_l1" (summed; far goals pull less hard) or "cosine"
            (1 - cosine; blind to length, averaged over tokens).
        along: "end" to score the last step only, "path" for the mean over all steps, which rewards arriving
            early and suits replanning after every block.
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
        context: Float[Tensor, "batch time *embedding"],
        past_actions: Float[Tensor, "batch past action"] | None = None,
        distance: Distance = "squared",
        along: Literal["end", "path"] = "end",
        readout: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        check_choice("GoalCost", "distance", distance, ("squared", "cosine", "smooth_l1"))
        check_choice("GoalCost", "along", along, ("end", "path"))
        check_size("GoalCost", "context", context, 0, "batch", low=1, fix="Pass at least one problem")
        check_size("GoalCost", "context", context, 1, "time", low=1, fix="Pass at least the present frame")
        _check_goal(goal, context, readout)
        if past_actions is None:
            past_actions = context.new_zeros((len(context), 0, 0))
        if past_actions.shape[1] != context.shape[1] - 1:
            raise ShapeError(
                f"GoalCost needs one past action block between each two of {context.shape[1]} context frames",
                f"`past_actions` has time={past_actions.shape[1]} instead of {context.shape[1] - 1}",
                "Pass the blocks that led from frame to frame; candidates start after the last frame",
            )
        for name, tensor in (("goal", goal), ("context", context), ("past_actions", past_actions)):
            check_finite(
                "GoalCost", name, tensor, fix="Check the frames that were encoded and the model's weights"
            )
        self.model = model
        self.goal = goal.detach()
        self.context = context.detach()
        self.past_actions = past_actions.detach()
        self.distance: Distance = distance
        self.along = along
        self.readout = readout
        self.device = context.device
        self.dtype = context.dtype

    @shapechecked
    def __call__(
        self, actions: Float[Tensor, "batch sample horizon action"]
    ) -> Float[Tensor, "batch sample"]:
        """Return the cost of every candidate."""
        past_actions = self._matching_past(actions)
        with evaluation_mode(self.model):
            predicted = self.model.rollout(self.context, past_actions, actions)
        if self.along == "end":
            predicted = predicted[:, :, -1:]
        if self.readout is not None:
            predicted = self.readout(predicted)
        return distance(predicted, self.goal, self.distance).mean(-1)

    def _matching_past(self, actions: Tensor) -> Tensor:
        batch, _, horizon, size = actions.shape
        if batch != len(self.context):
            raise ShapeError(
                f"GoalCost needs candidates for its {len(self.context)} problems",
                f"`actions` is {describe(actions)}, i.e. batch={batch}",
                "Plan with the `batch` that the context has",
            )
        if horizon == 0:
            raise ShapeError(
                "GoalCost needs at least one planned step",
                f"`actions` is {describe(actions)}",
                "Plan with horizon >= 1",
            )
        expected = getattr(self.model, "action_dim", None)
        if self.past_actions.shape[1]:
            expected = self.past_actions.shape[2]
        if isinstance(expected, int) and size != expected:
            raise ShapeError(
                f"GoalCost needs action blocks of size {expected}",
                f"`actions` is {describe(actions)}, i.e. action={size}",
                "Plan with action_dim = frameskip x raw action components, the model's `action_dim`",
            )
        if self.past_actions.shape[1]:
            return self.past_actions
        return actions.new_zeros((batch, 0, size))


def _check_goal(goal: Tensor, context: Tensor, readout: Callable[[Tensor], Tensor] | None) -> None:
    latent = context[:, -1] if readout is None else readout(context[:, -1])
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
