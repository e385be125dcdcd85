"""TD-MPC2: latents that are trained by what they tell of rewards and values, not by what they look like."""

from collections.abc import Mapping
from typing import Any, Self, final

import torch
from torch import Tensor, nn

from .._checks import check_number, plain_numbers
from .._config import ModuleConfig, configurable
from ..data import Batch
from ..heads import GaussianPolicy, QEnsemble, RunningScale, ScalarHead, TerminationHead
from ._incremental import can_roll_incrementally, incremental_rollout
from ._losses import Losses, check_weights
from ._sizes import check_fit, part_size
from ._tdmpc2_sizes import parts_of_size
from ._world_model import WorldModel

_WEIGHTS = {"consistency": 20.0, "reward": 0.1, "value": 0.1, "termination": 1.0, "policy": 1.0}


@final
@configurable
class TDMPC2(WorldModel):
    r"""TD-MPC2: a world model of one task, which learns latents from rewards, values and their own future.

    Reach for it where a task has a reward and is all that matters: the task-specific counterpart of `LeWM`,
    which knows no task. It is planned with by `leworld.costs.ReturnCost`, which finds the heads of the model
    by their names, and `TDMPC2.of_size` builds the published sizes.

    From z_0 = encoder(o_0) the latents z_1 .. z_H are rolled out by the predictor alone, and with the weights
    w_t = step_decay^t

        consistency = 1/H sum_t w_t mean (z_t+1 - z*_t+1)^2
        reward      = 1/H sum_t w_t CE(R(z_t, a_t), r_t)
        value       = 1/H sum_t w_t mean_i CE(Q_i(z_t, a_t), y_t)
        termination = mean BCE(T(z_t+1), d_t)
        policy      = -1/(H+1) sum_t w_t (Q(z_t, pi(z_t)) / S + entropy_weight * entropy)

    with y_t = r_t + discount (1 - d_t) min Q'(z*_t+1, pi(z*_t+1)), where z* = encoder(o) has no gradient, CE
    is the cross-entropy of a two-hot distribution, Q' are the slow targets of two members drawn at random, Q
    is the mean of two and S a running scale. The policy's term trains the policy only. `Losses.terms` are
    these times `weights`, `Losses.values` without.

    In training mode each call of `loss` first moves the targets by their rate, then computes: as if after the
    optimizer's step before. Nothing else in the library needs to know of targets.

    An episode that was truncated has a value beyond its end, one that terminated has none: `terminated` is
    read where there is a termination head, and a model without one takes its task never to end.

    Shapes: see `WorldModel`. A latent is a vector.

    Args:
        encoder: Parts of an observation to the latent, with `embedding_dim`: `leworld.nn.NormedMLP` or
            `leworld.encoders.SimNormEncoder`, both ending in SimNorm, which keeps latents from growing.
        predictor: Latent and action block to the next latent, with `history_size`, the steps H of a training
            window: `leworld.predictors.SimNormPredictor`.
        reward: Reward of leaving a latent by an action.
        value: Values of an action at a latent.
        policy: Proposes actions.
        termination: Whether the episode is over at a latent; None for tasks that do not end.
        discount: Factor a step.
        weights: Of the terms, by name; those left out stay as published: 20, 0.1, 0.1, 1 and 1.
        step_decay: How much less a step counts than the one before it.
        entropy_weight: Of the policy's entropy beside its values, which `heads.RunningScale` brings to 1.

    Raises:
        ConfigError: If the sizes of the parts do not fit together, or a setting is out of range.

    Randomness: actions and members are drawn from the `generator` of `loss`, else from torch's global
    generator, as initial weights and dropout are.

    Source: Hansen, Su and Wang, TD-MPC2, 2024 (arXiv 2310.16828), and its code (nicklashansen/tdmpc2). There
    the policy has an optimizer of its own, whose step follows that of the rest; here one optimizer takes all
    terms, so that policy gradients are of the values before the step; both gradients are clipped apart, as
    there, where the norm is 20. It also trains the encoder at 0.3 of the rate.

    Example:
        ```python
        import torch
        from leworld.data import Batch, Observation
        from leworld.models import TDMPC2

        model = TDMPC2.of_size("1M", 2, observation_dim=4)
        batch = Batch(
            Observation(parts={"proprio": torch.randn(8, 4, 4)}),
            torch.rand(8, 4, 2) * 2 - 1,
            {"reward": torch.randn(8, 4)},
        )
        losses = model.loss(batch, generator=torch.Generator().manual_seed(0))
        losses.total.backward()
        assert set(losses.terms) == {"consistency", "reward", "value", "policy"}
        ```
    """

    watches_spread = False
    clipped_apart = ("policy",)
    config: ModuleConfig

    def __init__(
        self,
        encoder: nn.Module,
        predictor: nn.Module,
        *,
        reward: ScalarHead,
        value: QEnsemble,
        policy: GaussianPolicy,
        termination: TerminationHead | None = None,
        discount: float = 0.99,
        weights: Mapping[str, float] | None = None,
        step_decay: float = 0.5,
        entropy_weight: float = 1e-4,
    ) -> None:
        super().__init__()
        check_number("TDMPC2", "discount", discount, low=0.0, high=1.0, open_low=True)
        check_number("TDMPC2", "step_decay", step_decay, low=0.0, high=1.0, open_low=True)
        check_number("TDMPC2", "entropy_weight", entropy_weight, low=0.0)
        embedded = part_size("TDMPC2", "encoder", encoder, "embedding_dim")
        check_fit("TDMPC2", "predictor", predictor, "embedding_dim", embedded, to="`encoder.embedding_dim`")
        actions = part_size("TDMPC2", "predictor", predictor, "condition_dim")
        for name, head in (("reward", reward), ("value", value), ("policy", policy)):
            check_fit("TDMPC2", name, head, "embedding_dim", embedded, to="`encoder.embedding_dim`")
            check_fit("TDMPC2", name, head, "action_dim", actions, to="`predictor.condition_dim`")
        if termination is not None:
            to = "`encoder.embedding_dim`"
            check_fit("TDMPC2", "termination", termination, "embedding_dim", embedded, to=to)
        self.encoder = encoder
        self.predictor = predictor
        self.reward = reward
        self.value = value
        self.policy = policy
        self.termination = termination
        self.scale = RunningScale()
        self.discount = discount
        self.weights = check_weights("TDMPC2", weights, _WEIGHTS)
        self.step_decay = step_decay
        self.entropy_weight = entropy_weight
        self.history_size = part_size("TDMPC2", "predictor", predictor, "history_size")
        self.latent_shape = (embedded,)
        self.action_dim = actions
        self.observation_parts = tuple(getattr(encoder, "observation_parts", ("pixels",)))
        self.batch_columns = ("reward",) if termination is None else ("reward", "terminated")

    @classmethod
    @plain_numbers
    def of_size(
        cls,
        size: str,
        action_dim: int,
        *,
        observation_dim: int | None = None,
        image_size: int | None = None,
        in_channels: int = 3,
        part: str = "proprio",
        episodic: bool = False,
        episode_length: int = 500,
        history_size: int = 3,
    ) -> Self:
        """Build a model of a published size.

        Args:
            size: "1M", "5M" (that of all published single-task weights), "19M", "48M" or "317M".
            action_dim: Size of an action block.
            observation_dim: Size of the vector that it reads; None for pictures.
            image_size: Side of the pictures that it reads, 64 as published; of size "5M" only.
            in_channels: Channels of a picture.
            part: Name of the vector among the parts of an observation.
            episodic: Whether the task ends, and a termination head is trained.
            episode_length: Steps of an episode, from which the discount follows: 0.99 for 500.
            history_size: Steps of a training window.
        """
        parts = parts_of_size(
            size,
            action_dim,
            observation_dim=observation_dim,
            image_size=image_size,
            in_channels=in_channels,
            part=part,
            episodic=episodic,
            history_size=history_size,
        )
        encoder, predictor = parts.pop("encoder"), parts.pop("predictor")
        return cls(encoder, predictor, **parts, discount=usual_discount(episode_length))

    def _encode(self, observations: Any) -> Tensor:
        if isinstance(observations, Tensor):
            return self.encoder(observations.flatten(0, 1)).unflatten(0, observations.shape[:2])
        leading = observations[self.observation_parts[0]].shape[:2]
        return self.encoder(observations.map(lambda part: part.flatten(0, 1))).unflatten(0, leading)

    def _predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        return self.predictor(latents, actions)

    def _rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        none = nn.Identity()
        if not can_roll_incrementally(self.predictor):
            return super()._rollout(context, past_actions, actions)
        return incremental_rollout(
            self.predictor, none, none, context=context, past_actions=past_actions, actions=actions
        )

    def _loss(self, batch: Batch, generator: torch.Generator | None) -> Losses:
        learning = self.training and torch.is_grad_enabled()
        if learning:
            self.value.update_targets()
        actions = batch.actions[:, :-1]
        rewards = batch.columns["reward"][:, :-1].to(actions)
        over = torch.zeros_like(rewards)
        if self.termination is not None:
            over = batch.columns["terminated"][:, :-1].to(actions)
        first, reached = self._encoded_apart(batch.observations)
        rolled = self._rollout(first, actions[:, :0], actions.unsqueeze(1))[:, 0]
        latents = torch.cat((first, rolled), dim=1)
        targets = self._td_targets(rewards, over, reached, generator)
        values = {
            "consistency": self._decayed((rolled - reached).square().mean(-1)),
            "reward": self._decayed(self.reward.loss(latents[:, :-1], rewards, actions=actions)),
            "value": self._decayed(self.value.loss(latents[:, :-1], targets, actions=actions)),
        }
        if self.termination is not None:
            values["termination"] = self.termination.loss(rolled, over).mean()
        values["policy"], entropy = self._policy_loss(latents.detach(), generator, learning=learning)
        terms = {name: self.weights[name] * value for name, value in values.items()}
        seen = torch.cat((first, reached), dim=1).detach()
        return Losses(terms, latents=seen, values=values | {"entropy": entropy})

    def _encoded_apart(self, observations: Any) -> tuple[Tensor, Tensor]:
        """Encode the first frame with gradient and the others without."""

        def cut(steps: slice) -> Any:
            if isinstance(observations, Tensor):
                return observations[:, steps]
            return observations.map(lambda part: part[:, steps])

        first = self._encode(cut(slice(0, 1)))
        with torch.no_grad():
            return first, self._encode(cut(slice(1, None)))

    @torch.no_grad()
    def _td_targets(
        self, rewards: Tensor, over: Tensor, reached: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        taken = self.policy.sample(reached, generator=generator).actions
        members = self.value.draw(generator)
        following = self.value(reached, taken, reduce="min", members=members, target=True)
        return rewards + self.discount * (1 - over) * following

    def _policy_loss(
        self, latents: Tensor, generator: torch.Generator | None, *, learning: bool
    ) -> tuple[Tensor, Tensor]:
        """Return the loss of the policy at latents without gradient, and its entropy."""
        drawn = self.policy.sample(latents, generator=generator)
        members = self.value.draw(generator)
        values = self.value(latents, drawn.actions, members=members, frozen=True)
        if learning:
            self.scale.update(values[:, 0])
        gain = self.scale(values) + self.entropy_weight * drawn.scaled_entropy
        return -self._decayed(gain), drawn.entropy.mean().detach()

    def _decayed(self, losses: Tensor) -> Tensor:
        """Average (batch, step), each step counting less than the one before."""
        steps = torch.arange(losses.shape[1], dtype=losses.dtype, device=losses.device)
        return (losses.mean(0) * self.step_decay**steps).mean()


def usual_discount(episode_length: int) -> float:
    """Return TD-MPC2's discount for episodes of a length: 0.95 for 100 steps, 0.99 for 500, 0.995 at most."""
    check_number("TDMPC2.of_size", "episode_length", episode_length, low=1, integer=True)
    fifth = episode_length / 5
    return min(max((fifth - 1) / fifth, 0.95), 0.995)
