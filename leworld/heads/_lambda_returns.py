"""What is earned from a moment on, between one step and all of them."""

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_number
from .._typing import shapechecked


@shapechecked
def lambda_returns(
    rewards: Float[Tensor, "*batch time"],
    values: Float[Tensor, "*batch time"],
    *,
    going: Float[Tensor, "*batch time"] | None = None,
    discount: float = 0.997,
    trace: float = 0.95,
) -> Float[Tensor, "*batch time"]:
    r"""Return what is earned from every step on: a mixture over the steps before a value is asked.

    $$ R_t = r_t + \gamma g_t \left( (1 - \lambda) V_{t+1} + \lambda R_{t+1} \right), \qquad R_T = V_T $$

    `trace` is lambda: 0 asks the value after one step, 1 after the last. A step that ends the episode by its
    own rule has g = 0, and nothing behind it counts; one that was merely cut off has g = 1, and its value
    counts.

    Args:
        rewards: Earned by step t.
        values: Of where step t arrives, V_t+1.
        going: Probability that the episode goes on behind step t; 1 when None.
        discount: Factor a step.
        trace: Between 0 and 1.

    Raises:
        ConfigError: If discount or trace are not in [0, 1].
        ShapeError: If the tensors differ in shape.

    Source: Sutton and Barto, Reinforcement learning, 2018, chapter 12; Hafner et al., DreamerV3, 2023 (arXiv
    2301.04104), equation 5, with 0.95.

    Example:
        ```python
        import torch
        from leworld.heads import lambda_returns

        rewards, values = torch.tensor([1.0, 1.0]), torch.tensor([5.0, 10.0])
        assert lambda_returns(rewards, values, discount=0.5, trace=0.0).tolist() == [3.5, 6.0]
        assert lambda_returns(rewards, values, discount=0.5, trace=1.0).tolist() == [4.0, 6.0]
        ```
    """
    check_number("lambda_returns", "discount", discount, low=0.0, high=1.0)
    check_number("lambda_returns", "trace", trace, low=0.0, high=1.0)
    factors = torch.full_like(rewards, discount) if going is None else discount * going
    if not rewards.shape[-1]:
        return rewards.clone()
    following, returns = values[..., -1], []
    for t in reversed(range(rewards.shape[-1])):
        mixed = (1 - trace) * values[..., t] + trace * following
        following = rewards[..., t] + factors[..., t] * mixed
        returns.append(following)
    return torch.stack(returns[::-1], dim=-1)
