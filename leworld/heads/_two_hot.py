"""Numbers as distributions over bins that lie dense near zero and sparse far from it."""

from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import accumulation_dtype, check_choice, check_equal_size, check_number
from .._config import configurable
from .._typing import shapechecked
from ..errors import ConfigError

_PUBLISHED = {"symlog": (101, 10.0), "symexp": (255, 20.0)}


@shapechecked
def symlog(values: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    r"""Compress numbers of either sign: $\operatorname{sign}(x) \ln(1 + |x|)$.

    Args:
        values: Of any shape.

    Source: Hafner et al., DreamerV3, 2023 (arXiv 2301.04104), equation 9.

    Example:
        ```python
        import torch
        from leworld.heads import symexp, symlog

        values = torch.tensor([-100.0, 0.0, 0.5])
        assert torch.allclose(symexp(symlog(values)), values)
        ```
    """
    return values.sign() * values.abs().log1p()


@shapechecked
def symexp(values: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    r"""Undo `symlog`: $\operatorname{sign}(x) (e^{|x|} - 1)$.

    Args:
        values: Of any shape.

    Source: Hafner et al., DreamerV3, 2023 (arXiv 2301.04104), equation 9.

    Example:
        ```python
        import torch
        from leworld.heads import symexp

        assert symexp(torch.zeros(3)).tolist() == [0, 0, 0]
        ```
    """
    return values.sign() * values.abs().expm1()


@final
@configurable
class TwoHot(nn.Module):
    r"""Numbers as categorical distributions over fixed bins: rewards and values of any scale.

    A number becomes weights on the two bins around it, and a prediction is the mean of a softmax. There are
    two forms, which are not the same:

    | spacing | bins b | weights are linear in | mean | used by |
    |---|---|---|---|---|
    | "symlog" | equally spaced in [low, high] | symlog(x) | symexp(sum p b) | TD-MPC2 |
    | "symexp" | symexp of equally spaced | x | sum p b, added in mirrored pairs | DreamerV3 |

    Numbers beyond the last bin, infinite ones among them, count as that bin: with the published bins beyond
    22 025 (TD-MPC2) or 4.9e8 (DreamerV3) in magnitude. NaN has the weights NaN, and so a loss of NaN.

    Shapes:
        values (*batch), logits and weights (*batch, bin).

    Args:
        spacing: "symlog" or "symexp".
        num_bins: Number of bins, at least 2; 101 or 255 when None, as published. Odd for "symexp".
        low: Lowest bin, before symexp; -10 or -20 when None.
        high: Highest bin, before symexp; 10 or 20 when None. For "symexp" it is -low.

    Raises:
        ConfigError: If a setting is out of range.
        ShapeError: If logits have another number of bins.

    Numerics: in float32 at least. Uniform logits of "symexp" give exactly 0, which a sum from left to right
    would not. Gradients of a loss reach the logits; those of `encode` are zero almost everywhere in the
    choice of bins, and are not meant to be used.

    Source: Hansen, Su and Wang, TD-MPC2, 2024 (arXiv 2310.16828), and Hafner et al., DreamerV3, 2023 (arXiv
    2301.04104), with the bins of its code of 2024 and later, whose first version spaced them as TD-MPC2 does.

    Example:
        ```python
        import torch
        from leworld.heads import TwoHot

        rewards = torch.tensor([-3.0, 0.0, 250.0])
        for spacing in ("symlog", "symexp"):
            two_hot = TwoHot(spacing)
            weights = two_hot.encode(rewards)
            assert torch.allclose(two_hot.decode(weights.clamp(min=1e-30).log()), rewards, atol=1e-3)
        ```
    """

    def __init__(
        self,
        spacing: Literal["symlog", "symexp"] = "symlog",
        num_bins: int | None = None,
        *,
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        super().__init__()
        check_choice("TwoHot", "spacing", spacing, tuple(_PUBLISHED))
        usual_bins, usual_end = _PUBLISHED[spacing]
        self.spacing = spacing
        self.num_bins = usual_bins if num_bins is None else num_bins
        self.high = usual_end if high is None else high
        self.low = -usual_end if low is None else low
        check_number("TwoHot", "num_bins", self.num_bins, low=2, high=1e6, integer=True)
        for name, value in (("low", self.low), ("high", self.high)):
            check_number("TwoHot", name, value, low=-80.0, high=80.0)
        if self.low >= self.high:
            raise ConfigError(
                "TwoHot needs `low` below `high`", f"they are {self.low} and {self.high}", "Swap them"
            )
        if spacing == "symexp" and (self.low != -self.high or self.num_bins % 2 == 0):
            raise ConfigError(
                'TwoHot with `spacing="symexp"` needs bins that mirror at 0: `low` = -`high`, an odd number',
                f"`low={self.low}`, `high={self.high}` and `num_bins={self.num_bins}`",
                'Take `spacing="symlog"` for bins on one side',
            )

    def bins(self, dtype: torch.dtype, device: torch.device) -> Float[Tensor, " bin"]:
        """Return the bins, lowest first; of "symlog" before symexp."""
        if self.spacing == "symlog":
            return torch.linspace(self.low, self.high, self.num_bins, dtype=dtype, device=device)
        half = symexp(torch.linspace(self.low, 0.0, self.num_bins // 2 + 1, dtype=dtype, device=device))
        return torch.cat((half, -half[:-1].flip(0)))

    @shapechecked
    def encode(self, values: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch bin"]:
        """Return the weights of the two bins around each number, zeros elsewhere."""
        values = values.to(accumulation_dtype(values.dtype))
        bins = self.bins(values.dtype, values.device)
        missing = values.isnan()
        values = torch.where(missing, 0.0, values)
        if self.spacing == "symlog":
            place = (symlog(values).clamp(self.low, self.high) - self.low) * (
                (self.num_bins - 1) / (self.high - self.low)
            )
            below = place.detach().floor().clamp(max=self.num_bins - 2)
            share, index = place - below, below.long()
        else:
            inside = values.clamp(bins[0], bins[-1])
            index = (inside.detach().unsqueeze(-1) >= bins).sum(-1).sub(1).clamp(max=self.num_bins - 2)
            share = (inside - bins[index]) / (bins[index + 1] - bins[index])
        every = torch.arange(self.num_bins, device=values.device, dtype=torch.int64)
        lower, upper = (every == (index + step).unsqueeze(-1) for step in (0, 1))
        share = share.unsqueeze(-1)
        weights = torch.where(lower, 1 - share, torch.where(upper, share, torch.zeros_like(share)))
        return torch.where(missing.unsqueeze(-1), torch.nan, weights)

    @shapechecked
    def decode(self, logits: Float[Tensor, "*batch bin"]) -> Float[Tensor, "*batch"]:
        """Return the number that each distribution means."""
        self._check(logits)
        logits = logits.to(accumulation_dtype(logits.dtype))
        weighted = logits.softmax(-1) * self.bins(logits.dtype, logits.device)
        if self.spacing == "symlog":
            return symexp(weighted.sum(-1))
        middle = self.num_bins // 2
        pairs = weighted[..., :middle].flip(-1) + weighted[..., middle + 1 :]
        return weighted[..., middle] + pairs.sum(-1)

    @shapechecked
    def loss(
        self, logits: Float[Tensor, "*batch bin"], values: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch"]:
        """Return the cross-entropy of each distribution to the number that it should mean.

        Args:
            logits: Predictions.
            values: Targets, in their own units; no gradient reaches them.
        """
        self._check(logits)
        logits = logits.to(accumulation_dtype(logits.dtype))
        return -(self.encode(values.detach()) * logits.log_softmax(-1)).sum(-1)

    def _check(self, logits: Tensor) -> None:
        check_equal_size(
            "TwoHot",
            "the last axis of `logits`",
            logits.shape[-1],
            self.num_bins,
            expected_by="its `num_bins`",
            fix="Pass one logit a bin",
        )
