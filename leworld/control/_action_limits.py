"""Limits of raw actions."""

import numpy as np

from .._checks import check_number, describe, plain_numbers
from ..errors import ConfigError


@plain_numbers
def limit_arrays(
    limits: object, action_dim: int, *, owner: str, finite: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest raw action, one number a component, or say what is wrong with them.

    Every option `action_limits` of leworld is read by it; use it in policies and tasks of your own.

    Args:
        limits: The lowest and the highest action, each a number or one a component.
        action_dim: Components of an action.
        owner: Who asks, for the message.
        finite: Whether infinite limits are refused.

    Returns:
        Two float32 arrays (action).

    Raises:
        ConfigError: If `limits` are no such pair, hold NaN, or are reversed.

    Example:
        ```python
        from leworld.control import limit_arrays

        low, high = limit_arrays((-1.0, [1.0, 2.0]), 2, owner="my policy")
        assert low.tolist() == [-1.0, -1.0] and high.tolist() == [1.0, 2.0]
        ```
    """
    if not isinstance(limits, tuple | list) or len(limits) != 2:
        raise ConfigError(
            f"{owner} needs `action_limits` to be the lowest and the highest action",
            f"`action_limits` is {describe(limits)}",
            "Pass `(action_space.low, action_space.high)` of a single environment",
        )
    ends = []
    for name, value in zip(("lowest", "highest"), limits, strict=True):
        array = np.asarray(value, dtype=np.float32)
        usable = np.isfinite(array) if finite else ~np.isnan(array)
        if array.shape not in ((), (action_dim,)) or not usable.all():
            raise ConfigError(
                f"{owner} needs the {name} of `action_limits` to be a {'finite ' * finite}number or "
                f"{action_dim} of them",
                f"it is {value!r}",
                "Take `action_space.low` and `action_space.high` of a single environment",
            )
        ends.append(np.broadcast_to(array, (action_dim,)).copy())
    if (ends[0] > ends[1]).any():
        raise ConfigError(
            f"{owner} needs the lowest of `action_limits` to be at most the highest",
            f"they are {ends[0].tolist()} and {ends[1].tolist()}",
            "Swap them",
        )
    return ends[0], ends[1]


@plain_numbers
def check_choices(action_choices: object, action_dim: int, *, owner: str) -> None:
    """Raise `ConfigError` unless choices are at least two and as many as components of the one-hot action.

    Args:
        action_choices: Number of choices.
        action_dim: Components of a raw action, which is one-hot.
        owner: Who asks, for the message.

    Example:
        ```python
        from leworld.control import check_choices

        assert check_choices(4, 4, owner="my policy") is None
        ```
    """
    check_number(owner, "action_choices", action_choices, low=2, integer=True)
    if action_choices != action_dim:
        raise ConfigError(
            f"{owner} needs as many action components as choices, since choices are one-hot",
            f"`action_choices={action_choices}` and `action_dim={action_dim}`",
            f"Pass `action_dim={action_choices}`",
        )
