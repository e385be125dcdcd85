"""Learning to act in imagination."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import check_number, describe
from .._config import configurable
from .._typing import shapechecked
from ..errors import ConfigError
from ._categorical import CategoricalPolicy
from ._gaussian import GaussianPolicy
from ._lambda_returns import lambda_returns
from ._running_scale import RunningScale
from ._state_value import StateValue

Step = Callable[[Tensor, Tensor], Tensor]


@final
@dataclass(frozen=True, eq=False)
class ImaginedLosses:
    """What imagination teaches a policy and a value.

    Attributes:
        policy: Loss with gradient to the policy.
        value: Loss with gradient to the value.
        entropy: Of the policy, without gradient.
        mean_return: The mean return of the imagined steps, without gradient.

    Example:
        ```python
        import torch
        from leworld.heads import ActorCritic, CategoricalPolicy, StateValue

        small = {"hidden_dims": (8,)}
        learner = ActorCritic(CategoricalPolicy(4, 2, **small), StateValue(4, **small), horizon=3)
        step, reward = lambda z, a: z + a.sum(-1, True), lambda z: z.sum(-1)
        losses = learner.losses(torch.randn(5, 4), step, reward=reward)
        assert losses.policy.requires_grad and not losses.entropy.requires_grad
        ```
    """

    policy: Float[Tensor, ""]
    value: Float[Tensor, ""]
    entropy: Float[Tensor, ""]
    mean_return: Float[Tensor, ""]

    def __repr__(self) -> str:
        return f"ImaginedLosses(policy={float(self.policy):.4g}, value={float(self.value):.4g})"


@final
@configurable
class ActorCritic(nn.Module):
    r"""Learn a policy and its value from what a world model imagines: DreamerV3's way to act.

    From every start the policy acts in the model's imagination for `horizon` steps. With R the
    `lambda_returns` of the rewards there, V the value, S a running scale of the returns and w the probability
    that the episode has not ended, times the discount of the steps before,

        policy = - mean w_t (log pi(a_t | z_t) sg((R_t - V(z_t)) / S) + entropy_weight * entropy)
        value  =   mean w_t (CE(V(z_t), sg(R_t)) + CE(V(z_t), V'(z_t)))

    where V' is a slow copy. It knows no model: a step is any function of latents and actions, so it learns on
    a `leworld.models.RSSM`, which takes it as a part, on a `TDMPC2`, or on frozen latents of any model. No
    gradient reaches the step or the reward.

    In training mode each call of `losses` first moves the copy V' by its rate and the scale by this call's
    returns.

    Args:
        policy: `GaussianPolicy` or `CategoricalPolicy`.
        value: Of a latent.
        horizon: Steps that are imagined.
        discount: Factor a step.
        trace: Lambda of the returns.
        entropy_weight: Of the policy's entropy beside returns that the scale brings to 1.

    Attributes:
        embedding_dim: Size of a latent.
        action_dim: Size of an action (block).
        scale: The running scale, a `RunningScale`.

    Raises:
        ConfigError: If policy and value read latents of different sizes, or a setting is out of range.

    Randomness: actions from the `generator` of `losses`, or from torch's global generator.

    Source: Hafner et al., DreamerV3, 2023 (arXiv 2301.04104), and its code. Its continuous actions are normal
    with a squashed mean, ours squashed as a whole; its scale starts at 0 and is kept above 1 where it
    divides, ours starts at 1 and takes in no less than 1.

    Example:
        ```python
        import torch
        from leworld.heads import ActorCritic, GaussianPolicy, StateValue
        from leworld.models import TDMPC2

        model = TDMPC2.of_size("1M", 2, observation_dim=4)
        learner = ActorCritic(GaussianPolicy(128, 2, log_std=(-2.3, 0.0)), StateValue(128), horizon=5)
        latents = model.encode(torch.randn(6, 1, 4))[:, 0].detach()

        def step(latents, actions):
            return model.predict(latents.unsqueeze(1), actions.unsqueeze(1)).squeeze(1)

        losses = learner.losses(latents, step, reward=model.reward)
        (losses.policy + losses.value).backward()
        assert model.reward.network.layers[0].linear.weight.grad is None
        ```
    """

    def __init__(
        self,
        policy: GaussianPolicy | CategoricalPolicy,
        value: StateValue,
        *,
        horizon: int = 15,
        discount: float = 0.997,
        trace: float = 0.95,
        entropy_weight: float = 3e-4,
    ) -> None:
        super().__init__()
        check_number("ActorCritic", "horizon", horizon, low=1, integer=True)
        check_number("ActorCritic", "discount", discount, low=0.0, high=1.0, open_low=True)
        check_number("ActorCritic", "trace", trace, low=0.0, high=1.0)
        check_number("ActorCritic", "entropy_weight", entropy_weight, low=0.0)
        if not isinstance(policy, GaussianPolicy | CategoricalPolicy) or not isinstance(value, StateValue):
            raise ConfigError(
                "ActorCritic needs `policy` to be a GaussianPolicy or CategoricalPolicy, and `value` a "
                "StateValue",
                f"they are {describe(policy)} and {describe(value)}",
                "Build them for the latents of one model",
            )
        if policy.embedding_dim != value.embedding_dim:
            raise ConfigError(
                "ActorCritic needs `policy` and `value` of the same `embedding_dim`",
                f"they are {policy.embedding_dim} and {value.embedding_dim}",
                "Build both for the latents of one model",
            )
        self.policy = policy
        self.value = value
        self.scale = RunningScale()
        self.horizon = horizon
        self.discount = discount
        self.trace = trace
        self.entropy_weight = entropy_weight
        self.embedding_dim = policy.embedding_dim
        self.action_dim = policy.action_dim

    @shapechecked
    def losses(
        self,
        starts: Float[Tensor, "start dim"],
        step: Step,
        *,
        reward: Any,
        termination: Any | None = None,
        generator: torch.Generator | None = None,
    ) -> ImaginedLosses:
        """Imagine from latents and return what that teaches.

        Args:
            starts: Latents to begin at.
            step: Latents (start, dim) and actions (start, action) to the next latents.
            reward: As in `leworld.costs.ReturnCost`: one that has an `action_dim` is called with the latents
                that are left and the actions, any other with the latents arrived at.
            termination: Probability that the episode is over at a latent; None for tasks that do not end.
            generator: Source of randomness.
        """
        learning = self.training and torch.is_grad_enabled()
        if learning:
            self.value.update_target()
        with torch.no_grad():
            latents, actions = self._imagined(starts.detach(), step, generator)
            left, reached = latents[:, :-1], latents[:, 1:]
            if getattr(reward, "action_dim", None) is None:
                rewards = _numbers(reward(reached.clone()), reached)
            else:
                rewards = _numbers(reward(left.clone(), actions.clone()), left)
            going = torch.ones_like(latents[..., 0])
            if termination is not None:
                going = 1 - _numbers(termination(latents.clone()), latents)
            values = self.value(latents)
            returns = lambda_returns(
                rewards, values[:, 1:], going=going[:, 1:], discount=self.discount, trace=self.trace
            )
            if learning:
                self.scale.update(returns)
            advantages = self.scale(returns - values[:, :-1])
            weights = (self.discount * going[:, :-1]).cumprod(1) / self.discount
        entropy = self.policy.sample(left, generator=generator).entropy
        gain = self.policy.log_prob(left, actions) * advantages + self.entropy_weight * entropy
        return ImaginedLosses(
            -(weights * gain).mean(),
            (weights * self.value.loss(left, returns)).mean(),
            entropy.detach().mean(),
            returns.mean(),
        )

    def _imagined(
        self, latents: Tensor, step: Step, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Return latents (start, horizon + 1, dim) and the actions between them."""
        seen, taken = [latents], []
        for _ in range(self.horizon):
            taken.append(self.policy.sample(seen[-1], generator=generator).actions)
            seen.append(step(seen[-1].clone(), taken[-1].clone()).clone())
        return torch.stack(seen, dim=1), torch.stack(taken, dim=1)


def _numbers(answer: Tensor, latents: Tensor) -> Tensor:
    """Return one number a latent, without the axis of size 1 that a probe leaves behind."""
    return (answer.squeeze(-1) if answer.ndim == latents.ndim else answer).to(latents)
