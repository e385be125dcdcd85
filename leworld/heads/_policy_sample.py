"""What a policy draws."""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from torch import Tensor


@final
@dataclass(frozen=True, eq=False)
class PolicySample:
    """Actions that a policy drew, and how likely they were.

    Attributes:
        actions: What was drawn, with gradient to the policy.
        log_prob: Logarithm of its density, or of its probability.
        entropy: Of the policy: exact for discrete actions, minus log_prob for continuous ones, whose mean it
            is.
        scaled_entropy: What TD-MPC2 rewards: the entropy of continuous actions before they are squashed,
            times their number, unless the policy was built to reward theirs; the entropy for discrete ones.

    Example:
        ```python
        import torch
        from leworld.heads import GaussianPolicy

        drawn = GaussianPolicy(8, 2, hidden_dims=(16,)).sample(torch.randn(4, 8))
        assert drawn.actions.shape == (4, 2) and drawn.log_prob.shape == (4,)
        ```
    """

    actions: Float[Tensor, "*batch action"]
    log_prob: Float[Tensor, "*batch"]
    entropy: Float[Tensor, "*batch"]
    scaled_entropy: Float[Tensor, "*batch"]

    def __repr__(self) -> str:
        return f"PolicySample(actions {tuple(self.actions.shape)})"
