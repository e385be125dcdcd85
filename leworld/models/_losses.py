"""What a training step returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from types import MappingProxyType
from typing import Any, final

from jaxtyping import Float
from torch import Tensor

from .._checks import check_number, describe, plain_number, quoted
from ..errors import ConfigError, ShapeError


@final
@dataclass(frozen=True, eq=False)
class Losses:
    """The loss of one batch, as the sum of named terms.

    Args:
        terms: What the loss is made of, by name, each a scalar with its weight already applied and with
            gradient.
        latents: The batch's latents without gradient, for logging spread, rank and collapse.
        values: Numbers for the log by name, such as a term before its weight. A name that is also a term's is
            logged in its place.

    Attributes:
        total: The sum of the terms in their order; call `backward` on it.
        logged: The number to log for every name: the entries of `values`, and each term that has none.

    Raises:
        ConfigError: If there is no term, or one without a name.
        ShapeError: If a term or value is no scalar tensor.

    Example:
        ```python
        import torch
        from leworld.models import Losses

        prediction, gap = torch.tensor(1.0), torch.tensor(2.0)
        terms = {"prediction": prediction, "regularizer": 0.1 * gap}
        losses = Losses(terms, latents=torch.zeros(2, 4, 8), values={"regularizer": gap})
        assert losses.total == 1.2 and losses.logged == {"prediction": prediction, "regularizer": gap}
        ```
    """

    terms: Mapping[str, Float[Tensor, ""]]
    latents: Float[Tensor, "batch time *latent"]
    values: Mapping[str, Float[Tensor, ""]] = field(default_factory=dict)
    total: Float[Tensor, ""] = field(init=False)

    def __post_init__(self) -> None:
        for name in ("terms", "values"):
            found = getattr(self, name)
            if not isinstance(found, Mapping) or not all(isinstance(key, str) for key in found):
                raise ConfigError(
                    f"Losses needs `{name}` to be a mapping from names to scalars",
                    f"it is {describe(found)}",
                    'Pass for example {"prediction": error}',
                )
        if not self.terms:
            raise ConfigError("Losses needs at least one term", "`terms` is empty", "Pass them by name")
        for name, value in (*self.terms.items(), *self.values.items()):
            if not isinstance(value, Tensor) or value.ndim:
                raise ShapeError(
                    "Losses needs every term and value to be a scalar tensor",
                    f"`{name}` is {describe(value)}",
                    "Average it over batch, time and latent axes",
                )
        object.__setattr__(self, "terms", MappingProxyType(dict(self.terms)))
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))
        object.__setattr__(self, "total", reduce(add, self.terms.values()))

    @property
    def logged(self) -> dict[str, Tensor]:
        """The number to log for every name, without gradient."""
        return {name: value.detach() for name, value in (dict(self.terms) | dict(self.values)).items()}

    def __reduce__(self) -> tuple[Any, ...]:
        return Losses, (dict(self.terms), self.latents, dict(self.values))

    def __repr__(self) -> str:
        logged = [f"{name}={_number(value)}" for name, value in self.logged.items()]
        more = [f"and {len(logged) - 6} more"] if len(logged) > 6 else []
        return f"Losses(total={_number(self.total)}, {', '.join(logged[:6] + more)})"


def _number(value: Tensor) -> str:
    return "unknown" if value.is_meta else f"{float(value.detach()):.4g}"


def check_weights(
    owner: str, weights: Mapping[str, float] | None, usual: Mapping[str, float]
) -> dict[str, float]:
    """Return the weight of every term, as given or as usual, or refuse what is none."""
    given = {} if weights is None else weights
    if not isinstance(given, Mapping) or not set(given) <= set(usual):
        raise ConfigError(
            f"{owner} needs `weights` to hold numbers by the names {quoted(usual)}",
            f"it is {describe(weights)}",
            'Pass for example {"reward": 0.5}',
        )
    for name, weight in given.items():
        check_number(owner, f"weights[{name!r}]", weight, low=0.0)
    return {**usual, **{name: plain_number(weight) for name, weight in given.items()}}
