"""Checks that several planners' constructors share."""

from .._checks import check_number
from ..errors import ConfigError


def check_counts(owner: str, **counts: object) -> None:
    """Raise `ConfigError` unless every count is an integer of at least 1."""
    for name, value in counts.items():
        check_number(owner, name, value, low=1, integer=True)


def check_elites(owner: str, num_elites: int, num_samples: int) -> None:
    """Raise `ConfigError` when more elites are asked for than there are samples."""
    if num_elites > num_samples:
        raise ConfigError(
            f"{owner} needs at most as many elites as samples",
            f"`num_elites={num_elites}` and `num_samples={num_samples}`",
            "A tenth of `num_samples` is the usual choice",
        )
