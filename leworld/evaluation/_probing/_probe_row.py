"""One cell of a probing table: what one probe reads of one quantity off one model's embedding."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, final

from ..._checks import plain_numbers
from ..._typing import MaybeNone
from ...errors import ConfigError, DataError
from ...metrics import Interval

_NUMBERS = ("mse", "mse_std", "pearson", "r2", "degrees", "accuracy", "chance")
_INTERVALS = ("mse_interval", "pearson_interval", "r2_interval", "accuracy_interval")


@final
@plain_numbers
@dataclass(frozen=True)
class ProbeRow:
    """Scores of one probe for one quantity and one model, on held-out episodes.

    Numbers are means over the quantity's components, NaN where they are not defined. A row that could not be
    measured at all says why in `undefined`, and all its numbers are NaN.

    Attributes:
        quantity: Name of the quantity.
        model: Name of the model.
        probe: Name of the probe.
        mse: Mean squared error of standardised targets.
        mse_std: Standard deviation of the squared error over samples, what LeWM's tables give after +-.
        pearson: Correlation of prediction and truth.
        r2: Share of the variance explained.
        mse_interval: 95 % bootstrap interval over episodes, or None.
        pearson_interval: Likewise.
        r2_interval: Likewise.
        degrees: Mean error in degrees of angles and rotations, NaN for other kinds.
        accuracy: Share of samples whose class is told, NaN for other kinds.
        accuracy_interval: 95 % bootstrap interval over episodes, or None.
        chance: Share of the most frequent class of the training samples among those scored: what a probe
            reaches that knows nothing. NaN for other kinds.
        num_samples: Samples scored.
        num_episodes: Episodes that they come from.
        undefined: Why there is no number, or None.

    Raises:
        ConfigError: A row that has both a reason to be undefined and a number.

    Example:
        ```python
        from leworld.evaluation import ProbeRow

        row = ProbeRow("position", model="LeWM", probe="linear", undefined="the embedding is NaN")
        assert row.r2 != row.r2 and row.r2_interval is None
        ```
    """

    quantity: str
    model: str
    probe: str
    mse: float = math.nan
    mse_std: float = math.nan
    pearson: float = math.nan
    r2: float = math.nan
    mse_interval: Interval | MaybeNone = None
    pearson_interval: Interval | MaybeNone = None
    r2_interval: Interval | MaybeNone = None
    degrees: float = math.nan
    accuracy: float = math.nan
    accuracy_interval: Interval | MaybeNone = None
    chance: float = math.nan
    num_samples: int = 0
    num_episodes: int = 0
    undefined: str | None = None

    def __post_init__(self) -> None:
        told = [name for name in _NUMBERS if not math.isnan(getattr(self, name))]
        if self.undefined is not None and told:
            raise ConfigError(
                "ProbeRow needs a row that is undefined to hold no number",
                f"`{told[0]}={getattr(self, told[0])}` beside `undefined={self.undefined!r}`",
                "Leave out one of them",
            )

    @property
    def shows_nothing(self) -> bool:
        """Whether the embedding may well know nothing of the quantity: the interval of R2 holds 0 or less."""
        return self.r2_interval is not None and self.r2_interval.low <= 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON values; an undefined number becomes None."""
        data = asdict(self)
        for name in _NUMBERS:
            data[name] = None if math.isnan(data[name]) else data[name]
        for name in _INTERVALS:
            data[name] = None if data[name] is None else [data[name]["low"], data[name]["high"]]
        return data

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "ProbeRow":
        """Read what `to_json` wrote.

        Raises:
            DataError: A field is missing or malformed.
        """
        try:
            fields = dict(data)
            for name in _NUMBERS:
                fields[name] = math.nan if fields[name] is None else float(fields[name])
            for name in _INTERVALS:
                ends = fields[name]
                fields[name] = None if ends is None else Interval(low=ends[0], high=ends[1])
            return ProbeRow(**fields)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DataError(
                "ProbeRow.from_json needs every field that `to_json` writes",
                f"reading failed with {type(error).__name__}: {error}",
                "Pass the parsed JSON of one row, as `to_json` returned it",
            ) from error
