"""What a plan earns, as a cost."""

import math
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_number, describe
from .._typing import shapechecked
from ..errors import ConfigError, ShapeError
from ..heads import QEnsemble
from ..nn import evaluation_mode
from ._start import RolloutModel, Start

Head = Callable[..., Tensor]


@final
class ReturnCost:
    r"""Minus the return of a plan: the rewards to the horizon, and the value of where it ends.

    $$ c(a_{1:H}) = - \sum_{t=0}^{H-1} \gamma^t u_t \, r_t - \gamma^H u_H \, V(z_H) $$

    with u_t = 0 once the termination head says that the episode is over, else 1. Reach for it to plan by
    reward: with a model whose latents learned of rewards, such as `TDMPC2`, or with a head, or a fitted probe
    of `leworld.probes`, on the frozen latents of any model. It needs no goal.

    What it asks with:

    - a reward that has an `action_dim` is called with the latent that is left and the action block, any other
      with the latent that is arrived at, as a probe is;
    - a value is called with the last latent, and where there is a `policy` with the action that it takes
      there, unless its `action_dim` is None, as that of a `leworld.heads.StateValue`;
    - without `reward`, all of them are the model's own: its `reward`, `value`, `policy`, `termination` and
      `discount`.

    Shapes:
        `cost(actions)`: (batch, sample, horizon, action) -> (batch, sample). Heads are called with latents
        (batch, sample, step, dim) and return (batch, sample, step), with an axis of size 1 behind if they
        like.

    Args:
        model: Predicts latents; a `WorldModel` or anything else with its `rollout`.
        reward: A head, a probe or any function; None takes the heads of the model.
        context: Latents of the last real frames (batch, time, *latent), oldest first.
        past_actions: Action blocks between these frames (batch, time - 1, action).
        state: In place of the two, what the model's `observe` returned.
        value: What follows the horizon is worth; None counts it 0.
        policy: Acts at the end of the horizon, for a value of actions.
        termination: Probability that the episode is over at a latent; from 0.5 on nothing is earned. None for
            tasks that do not end.
        discount: Factor a step, above 0 and at most 1; that of the model, or 0.99, when None.
        generator: If given, the last action is drawn from the policy, and the value is the mean of members
            that are drawn, at each call: as in TD-MPC2. None takes the policy's mean and all members, so that
            a plan has one cost.

    Attributes:
        device: Where candidates should live; planners read it.
        dtype: Their dtype.

    Raises:
        ConfigError: If the discount is out of range, or the model has no reward of its own.
        ShapeError: If context, past actions and candidates disagree, or a head returns another shape.
        NonFiniteError: If context or past actions hold NaN or infinity.

    Numerics: in the dtype of the latents. What is NaN, a reward, a value or a probability of the end, makes
    the cost NaN, which planners never choose. Gradients reach the actions through heads; probes have none.

    Source: Hansen, Su and Wang, TD-MPC2, 2024 (arXiv 2310.16828), equation 6, with the termination of its
    code for episodic tasks.

    Example:
        ```python
        import torch
        from leworld.costs import ReturnCost
        from leworld.planners import CEMPlanner

        class Integrator:
            def rollout(self, context, past_actions, actions):
                return context[:, None, -1:] + actions.cumsum(2)

        def near_three(latents):
            return -(latents - 3.0).abs().sum(-1)

        cost = ReturnCost(Integrator(), near_three, context=torch.zeros(1, 1, 1))
        found = CEMPlanner(horizon=2).plan(cost, batch=1, action_dim=1, bounds=(-2.0, 2.0))
        assert torch.allclose(found.actions.flatten(), torch.tensor([2.0, 1.0]), atol=0.05)
        ```
    """

    @shapechecked
    def __init__(
        self,
        model: RolloutModel,
        reward: Head | None = None,
        *,
        context: Float[Tensor, "batch time *latent"] | None = None,
        past_actions: Float[Tensor, "batch past action"] | None = None,
        state: Any | None = None,
        value: Head | None = None,
        policy: Any | None = None,
        termination: Head | None = None,
        discount: float | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        if reward is None:
            reward = getattr(model, "reward", None)
            if not callable(reward):
                raise ConfigError(
                    "ReturnCost needs `reward` where the model has none of its own",
                    f"`model` is {describe(model)}",
                    "Pass a head of `leworld.heads`, a fitted probe, or a function of latents",
                )
            value = getattr(model, "value", None) if value is None else value
            policy = getattr(model, "policy", None) if policy is None else policy
            termination = getattr(model, "termination", None) if termination is None else termination
        rate: float = getattr(model, "discount", 0.99) if discount is None else discount
        check_number("ReturnCost", "discount", rate, low=0.0, high=1.0, open_low=True)
        start = Start("ReturnCost", model, context=context, past_actions=past_actions, state=state)
        self.start = start.check_history()
        self.model = model
        self.reward = reward
        self.value = value
        self.policy = policy
        self.termination = termination
        self.discount = rate
        self.generator = generator
        self.device = self.start.context.device
        self.dtype = self.start.context.dtype

    @shapechecked
    def __call__(
        self, actions: Float[Tensor, "batch sample horizon action"]
    ) -> Float[Tensor, "batch sample"]:
        """Return the cost of every candidate."""
        reached = self.start.rollout(actions)
        with ExitStack() as stack:
            for part in (self.reward, self.value, self.policy, self.termination):
                stack.enter_context(evaluation_mode(part))
            earned = self._rewards(reached, actions)
            last = self._value(reached[:, :, -1:])
            over = None if self.termination is None else self._asked("termination", reached)
        horizon = actions.shape[2]
        steps = torch.arange(horizon + 1, dtype=earned.dtype, device=earned.device)
        weights = (steps * math.log(self.discount)).exp()
        gains = earned if last is None else torch.cat((earned, last), dim=2)
        weights = weights[: gains.shape[2]].expand_as(gains)
        if over is not None:
            over = over.detach()
            going = torch.where(over.isnan(), over, (over <= 0.5).to(weights)).cumprod(2)
            going = torch.cat((torch.ones_like(going[:, :, :1]), going), dim=2)
            weights = weights * going[:, :, : gains.shape[2]]
        return -(weights * gains).sum(2)

    def _rewards(self, reached: Tensor, actions: Tensor) -> Tensor:
        if getattr(self.reward, "action_dim", None) is None:
            return self._asked("reward", reached)
        present = self.start.present.unsqueeze(1).unsqueeze(1)
        present = present.expand(-1, actions.shape[1], *present.shape[2:]).to(reached)
        left = torch.cat((present, reached[:, :, :-1]), dim=2)
        return self._asked("reward", left, actions.to(left))

    def _value(self, last: Tensor) -> Tensor | None:
        if self.value is None:
            return None
        if self.policy is None or getattr(self.value, "action_dim", 0) is None:
            return self._asked("value", last)
        if self.generator is None:
            return self._asked("value", last, self.policy(last.clone()))
        taken = self.policy.sample(last.clone(), generator=self.generator).actions
        if not isinstance(self.value, QEnsemble):
            return self._asked("value", last, taken)
        return self.value(last, taken, members=self.value.draw(self.generator)).to(last)

    def _asked(self, name: str, latents: Tensor, *more: Tensor) -> Tensor:
        answer = getattr(self, name)(latents.clone(), *(one.clone() for one in more))
        due = tuple(latents.shape[:3])
        if isinstance(answer, Tensor) and tuple(answer.shape) == (*due, 1):
            answer = answer.squeeze(-1)
        if not isinstance(answer, Tensor) or tuple(answer.shape) != due:
            raise ShapeError(
                f"ReturnCost needs `{name}` to return one number a latent, (batch, sample, step) = {due}",
                f"it returned {describe(answer)}",
                "Fit the probe, or build the head, for a single number",
            )
        return answer.to(latents, copy=True)
