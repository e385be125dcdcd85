"""Acting by a policy head, without planning."""

from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from .._checks import check_number, describe, plain_numbers
from .._random import fold_seed
from .._typing import Limits, shapechecked
from ..data import Observation
from ..errors import ConfigError, ShapeError
from ..models import WorldModel
from ..nn import evaluation_mode
from ._block_policy import BlockPolicy
from ._state_goal import Goal


@final
@plain_numbers
class ActorPolicy(BlockPolicy):
    """Does what a policy head says, one action block after another.

    For models that learn to act: `TDMPC2`, `RSSM` with an `ActorCritic`, or a policy of `leworld.heads` that
    was trained on the latents of any model. A frame is encoded and the head is asked every `frameskip` steps;
    nothing is searched or imagined. The head knows its task, so there is no goal.

    Of a model of discrete actions `act` returns the index of each choice.

    Args:
        model: Encodes frames; its `processor` converts observations and actions.
        policy: A policy of `leworld.heads`, or another module that maps latents to blocks; the model's own
            `policy` when None. Run in evaluation mode.
        explore: Draw actions by the policy's `sample`, as a collecting policy does, in place of its mean or
            its most likely choice.
        action_limits: Lowest and highest raw action, each a number or one a component; actions are clipped.
        seed: Of the draws. Each environment has a stream of its own, afresh at each `reset`.

    Raises:
        ConfigError: If there is no such policy, the model has no processor, or a setting is out of range.
        ShapeError: If the number of environments changes without a `reset`, or the policy's blocks do not
            fit the model.

    Example:
        ```python
        import numpy as np
        import torch
        from leworld.control import ActorPolicy
        from leworld.data import Observation, Processor, VectorPart
        from leworld.models import TDMPC2

        model = TDMPC2.of_size("1M", 2, observation_dim=4)
        model.processor = Processor(
            None, frameskip=1, action_dim=2, action_mean=(0.0, 0.0), action_std=(1.0, 1.0),
            parts={"proprio": VectorPart((0.0,) * 4, (1.0,) * 4)},
        )
        policy = ActorPolicy(model)
        policy.reset()
        action = policy.act(Observation(parts={"proprio": np.zeros((3, 4), np.float32)}))
        assert action.shape == (3, 2) and (np.abs(action) < 1).all()
        ```
    """

    def __init__(
        self,
        model: WorldModel,
        policy: Any | None = None,
        *,
        explore: bool = False,
        action_limits: Limits = (-1.0, 1.0),
        seed: int = 0,
    ) -> None:
        chosen = getattr(model, "policy", None) if policy is None else policy
        if not callable(chosen) or isinstance(chosen, type) or (explore and not _samples(chosen)):
            raise ConfigError(
                "ActorPolicy needs a policy that maps latents to action blocks"
                + (", with `sample(latents, generator=...)`" if explore else ""),
                f"it is {describe(chosen)}",
                "Pass one of `leworld.heads`, or a model that has a `policy`",
            )
        check_number("ActorPolicy", "seed", seed, low=0, integer=True)
        if not isinstance(explore, bool):
            raise ConfigError(
                "ActorPolicy needs `explore` to be True or False", f"it is {describe(explore)}", "Pass a bool"
            )
        super().__init__(model, action_limits)
        self._policy: Any = chosen
        self._explore = explore
        self._seed = seed
        self._num_envs: int | None = None

    @shapechecked
    def reset(self, goal: Goal | None = None) -> None:
        """Begin new episodes in all environments; a goal has no part in what the policy does."""
        self._num_envs = None
        self._start()

    @shapechecked
    def act(self, observation: Observation) -> np.ndarray:
        """Return the next raw action of every environment.

        Returns:
            Float32 (env, action); for discrete actions the index of each choice, int64 (env).
        """
        if self._num_envs is not None and len(observation) != self._num_envs:
            raise ShapeError(
                f"ActorPolicy.act needs to see the {self._num_envs} environments that it began with",
                f"`observation` has env={len(observation)}",
                "Call `reset()` before other environments",
            )
        action = self._act(observation)
        self._num_envs = len(observation)
        if self._processor.action_choices is None:
            return action
        return self._processor.choices(torch.from_numpy(action)).numpy()

    def _blocks(self, latents: Tensor, num_blocks: int) -> Tensor:
        if isinstance(self._policy, torch.nn.Module):
            with evaluation_mode(self._policy):
                blocks = self._asked(latents, num_blocks)
        else:
            blocks = self._asked(latents, num_blocks)
        due = (len(latents), self._processor.block_dim)
        if not isinstance(blocks, Tensor) or blocks.shape != due or not blocks.is_floating_point():
            raise ShapeError(
                f"ActorPolicy needs its policy to return floating-point blocks of shape {due}",
                f"it returned {describe(blocks)}",
                "Build it for this model's latents and its `action_dim`",
            )
        return blocks.clone()

    def _asked(self, latents: Tensor, num_blocks: int) -> Any:
        if not self._explore:
            return self._policy(latents.clone())
        rows = [
            self._policy.sample(
                latents[row : row + 1].clone(), generator=self._stream(row, num_blocks)
            ).actions
            for row in range(len(latents))
        ]
        return torch.cat(rows)

    def _stream(self, row: int, num_blocks: int) -> torch.Generator:
        return torch.Generator().manual_seed(fold_seed(self._seed, row, num_blocks))


def _samples(policy: object) -> bool:
    return callable(getattr(policy, "sample", None))
