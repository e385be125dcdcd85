"""First guesses of a policy, imagined by the model."""

import hashlib
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_number, describe, plain_numbers
from .._random import fold_seed
from ..errors import ConfigError
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
        policy: A policy of `leworld.heads`, or another module with their `sample`; the model's own `policy`
            when None.
        seed: Of its draws. They follow from it and from the latents of the situation, so that a call that
            is made again draws the same.

    Raises:
        ConfigError: If there is no such policy, or a number is out of range.

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
        seen = situation.latents.detach().float().cpu().numpy().tobytes()
        drawn = int.from_bytes(hashlib.sha256(seen).digest()[:4], "big")
        generator = torch.Generator().manual_seed(fold_seed(self.seed, drawn))
        rows, count = len(situation), self.num_proposals
        latents = situation.latents.unsqueeze(1).expand(-1, count, *situation.latents.shape[1:])
        taken: list[Tensor] = []
        for step in range(situation.horizon):
            taken.append(policy.sample(latents.clone(), generator=generator).actions.clone())
            if step + 1 < situation.horizon:
                latents = model.imagine(situation.state, torch.stack(taken, dim=2))[:, :, -1]
        proposed = torch.stack(taken, dim=2)
        if situation.former is None:
            start = proposed.new_zeros(rows, 1, *proposed.shape[2:])
        else:
            kept = 1 if situation.former.shape[1] > 1 else 0
            start = situation.former[:, kept : kept + 1].to(proposed)
        return torch.cat((start, proposed), dim=1)


def _check_policy(policy: object) -> None:
    if not callable(getattr(policy, "sample", None)) or isinstance(policy, type):
        raise ConfigError(
            "PolicyProposals needs a policy with `sample(latents, generator=...)`",
            f"it is {describe(policy)}",
            "Pass one of `leworld.heads`, or plan with a model that has a `policy`",
        )
