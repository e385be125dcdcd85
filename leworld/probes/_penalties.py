"""The penalties that a probe chooses among."""

from collections.abc import Sequence

from .._checks import check_number
from ..errors import ConfigError


def checked_penalties(owner: str, penalties: Sequence[float]) -> tuple[float, ...]:
    """Return the penalties in ascending order; raise `ConfigError` unless each is a number above 0."""
    if isinstance(penalties, str) or not isinstance(penalties, Sequence) or len(penalties) == 0:
        raise ConfigError(
            f"{owner} needs `penalties` to hold at least one number",
            f"`penalties={penalties!r}` was given",
            "Pass for example (1e-4, 1e-2, 1.0)",
        )
    for penalty in penalties:
        check_number(owner, "penalties", penalty, low=0, open_low=True)
    return tuple(sorted(float(penalty) for penalty in penalties))
