"""Checks that several planners' constructors share."""

from .._checks import check_number
from ..errors import ConfigError


def check_counts(owner: str, **counts: object) -> None:
    """Raise `ConfigError` unless every count is an integer of at least 1."""
    for name, value in counts.items():
        check_number(owner, name, value, low=1, integer=True)


def elite_count(owner: str, num_elites: int | None, num_samples: int) -> int:
    """Return how many elites to take of `num_samples`: as many as asked for, else a tenth, at least 2.

    Raises `ConfigError` when more are asked for than there are samples.
    """
    if num_elites is None:
        return min(num_samples, max(2, num_samples // 10))
    check_counts(owner, num_elites=num_elites)
    if num_elites > num_samples:
        raise ConfigError(
            f"{owner} needs at most as many elites as samples",
            f"`num_elites={num_elites}` and `num_samples={num_samples}`",
            "Leave `num_elites` out for a tenth of `num_samples`",
        )
    return num_elites
