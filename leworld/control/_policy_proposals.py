"""First guesses of a policy, imagined by the model."""

from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_number, describe, plain_numbers
from .._random import fold_seed
from ..errors import ConfigError, ShapeError
from ..models import state_rows
from ._situation import Situation


@final
@plain_numbers
class PolicyProposals:
    """Makes first guesses for `MPCPolicy(propose=...)` by letting a policy act in the model's imagination.

    The search begins where the former plan left off, or at zero, and `num_proposals` sequences compete with
    what it draws: in its first iteration, or in all of them with `leworld.planners.KeepGuesses`, as TD-MPC2
    has it. Of a planner that keeps the mean of its last iteration, `MPPIPlanner(returns="draw")`, the rest of
    that mean is where the next search begins.

    Each sequence draws its actions anew. The model imagines each prefix of them, which is little at the short
    horizons of planning with a value.

    Args:
        num_proposals: Sequences for each environment.
        policy: A policy of `leworld.heads`, or anything else with their `sample`, which is called for one
            environment at a time, with latents (num_proposals, *latent); the model's own `policy` when None.
        seed: Of its draws. Each environment draws from a stream made of it, of the environment's number and
            of how often it was planned for, whatever others are planned for with it; a call that is made
            again draws the same.

    Raises:
        ConfigError: If there is no such policy, or a number is out of range.
        ShapeError: If the policy draws anything but an action for each latent (when called).

    Source: Hansen, Su and Wang, TD-MPC2, 2024 (arXiv 2310.16828), which has 24 of them among 512 candidates.

    Example:
        ```python
        import torch
        from leworld.control import PolicyProposals, Situation
        from leworld.models import TDMPC2

        model = TDMPC2.of_size("1M", 2, observation_dim=4).eval()
        state = model.observe(None, torch.randn(3, 4))
        here = model.present(state)
        situation = Situation(model, state, here, goal=None, horizon=3, former=None, environments=(0, 1, 2))
        guesses = PolicyProposals(5)(situation)
        assert guesses.shape == (3, 1 + 5, 3, 2) and not guesses[:, 0].any()
        ```
    """

    def __init__(self, num_proposals: int = 24, *, policy: Any | None = None, seed: int = 0) -> None:
        check_number("PolicyProposals", "num_proposals", num_proposals, low=1, integer=True)
        check_number("PolicyProposals", "seed", seed, low=0, integer=True)
        if policy is not None:
            _check_policy(policy)
        self.num_proposals = num_proposals
        self.policy = policy
        self.seed = seed

    @torch.no_grad()
    def __call__(self, situation: Situation) -> Float[Tensor, "env guess horizon action"]:
        """Return where the search begins, and the proposals behind it."""
        model = situation.model
        policy: Any = getattr(model, "policy", None) if self.policy is None else self.policy
        _check_policy(policy)
        rows = range(len(situation))
        proposed = torch.stack([self._of_one(policy, situation, row) for row in rows])
        if situation.former is None:
            start = proposed.new_zeros(len(rows), 1, *proposed.shape[2:])
        else:
            kept = 1 if situation.former.shape[1] > 1 else 0
            start = situation.former[:, kept : kept + 1].to(proposed)
        return torch.cat((start, proposed), dim=1)

    def _of_one(self, policy: Any, situation: Situation, row: int) -> Tensor:
        """Return the proposals (guess, horizon, action) for one environment, which others do not change."""
        plans = situation.num_plans[row] if situation.num_plans else 0
        generator = torch.Generator().manual_seed(fold_seed(self.seed, situation.environments[row], plans))
        state = state_rows(situation.state, slice(row, row + 1))
        latents = situation.latents[row].expand(self.num_proposals, *situation.latents.shape[1:])
        taken: list[Tensor] = []
        for step in range(situation.horizon):
            actions = policy.sample(latents.clone(), generator=generator).actions.clone()
            if actions.ndim != 2 or len(actions) != self.num_proposals:
                raise ShapeError(
                    "PolicyProposals needs a policy that draws an action for each latent it is given",
                    f"it drew {describe(actions)} for {describe(latents)}",
                    "Let `sample` take latents (count, *latent) and return `actions` (count, action)",
                )
            taken.append(actions)
            if step + 1 < situation.horizon:
                latents = situation.model.imagine(state, torch.stack(taken, dim=1)[None])[0, :, -1]
        return torch.stack(taken, dim=1)


def _check_policy(policy: object) -> None:
    if not callable(getattr(policy, "sample", None)) or isinstance(policy, type):
        raise ConfigError(
            "PolicyProposals needs a policy with `sample(latents, generator=...)`",
            f"it is {describe(policy)}",
            "Pass one of `leworld.heads`, or plan with a model that has a `policy`",
        )
