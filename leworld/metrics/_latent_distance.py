"""How far latents of any shape are from each other."""

from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from .._checks import check_choice, check_number
from .._typing import shapechecked

Distance: TypeAlias = Literal["squared", "cosine", "smooth_l1"]


@shapechecked
def latent_distance(
    one: Float[Tensor, "..."],
    other: Float[Tensor, "..."],
    *,
    axes: int = 1,
    kind: Distance = "squared",
) -> Float[Tensor, "..."]:
    r"""Return the distance of latents from others over their last `axes` axes.

    $$\text{squared} = \sum (a - b)^2, \qquad \text{cosine} = \text{mean over tokens of } 1 - \cos(a, b)$$

    Args:
        one: Latents (*leading, *latent).
        other: Latents that broadcast against them.
        axes: How many axes a latent has: 1 for vectors, 2 for (token, dim).
        kind: "squared" and "smooth_l1" are summed over the latent axes; "cosine" is 1 - cosine over the last
            axis, averaged over the others, and 1 where a vector is zero.

    Numerics:
        In the latents' dtype, float32 for half types.

    Example:
        ```python
        import torch
        from leworld.metrics import latent_distance

        tokens = torch.ones(4, 3, 2)
        assert latent_distance(tokens, torch.zeros(3, 2), axes=2).tolist() == [6.0] * 4
        ```
    """
    check_number("latent_distance", "axes", axes, low=1, high=min(one.ndim, other.ndim), integer=True)
    check_choice("latent_distance", "kind", kind, ("squared", "cosine", "smooth_l1"))
    precise = torch.promote_types(one.dtype, torch.float32)
    one, other = torch.broadcast_tensors(one.to(precise), other.to(precise))
    if kind == "cosine":
        terms = 1 - F.cosine_similarity(one, other, dim=-1).unsqueeze(-1)
        return terms.flatten(-axes).mean(-1)
    terms = F.smooth_l1_loss(one, other, reduction="none") if kind == "smooth_l1" else (one - other).square()
    return terms.flatten(-axes).sum(-1)
