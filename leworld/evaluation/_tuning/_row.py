"""What one short training of a search for a weight came to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from ..._checks import check_number, plain_numbers
from ...errors import DataError
from ._agreement import PlanAgreement

_LOST_ABOVE = 0.1


@final
@plain_numbers
@dataclass(frozen=True, kw_only=True)
class TuningRow:
    """One training of a search for the regularizer's weight.

    Attributes:
        weight: The regularizer's weight, lambda.
        agreement: What planning in the trained model came to, see `plan_agreement`.
        effective_rank: Of the latents of held-out frames.
        seconds: CPU seconds of training and measuring.
        missing: For quantities by name, by how much R2 a probe of the pictures reads them better than one of
            the latent, see `diagnose`; empty where nothing was to be read.

    Raises:
        ConfigError: A weight that is not above 0, or negative seconds.

    Example:
        ```python
        from leworld.evaluation import PlanAgreement, TuningRow

        found = PlanAgreement(correlation=(0.9,), errors=(0.02,), rank=0.1, contrast=0.5, num_problems=100)
        row = TuningRow(weight=0.01, agreement=found, effective_rank=8.0, seconds=20.0)
        assert TuningRow.from_json(row.to_json()) == row
        ```
    """

    weight: float
    agreement: PlanAgreement
    effective_rank: float
    seconds: float
    missing: Mapping[str, float] = field(default_factory=dict)

    @property
    def lost(self) -> tuple[str, ...]:
        """Quantities that the pictures tell and the latent does not: more than 0.1 of R2 is missing."""
        return tuple(name for name, missing in self.missing.items() if missing > _LOST_ABOVE)

    @property
    def score(self) -> float:
        """What a search goes by: how well plans agree, less what is missing of the quantity lost most.

        A latent that holds the agent and forgets what it pushes plans the agent's own moves best of all.
        """
        return self.agreement.worst - max((self.missing[name] for name in self.lost), default=0.0)

    def __post_init__(self) -> None:
        check_number("TuningRow", "weight", self.weight, low=0.0, open_low=True)
        check_number("TuningRow", "seconds", self.seconds, low=0.0)

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON values."""
        found = self.agreement
        return {
            "weight": self.weight,
            "correlation": [None if value != value else value for value in found.correlation],
            "errors": [None if value != value else value for value in found.errors],
            "rank": found.rank,
            "contrast": found.contrast,
            "num_problems": found.num_problems,
            "effective_rank": self.effective_rank,
            "seconds": self.seconds,
            "missing": dict(self.missing),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "TuningRow":
        """Read what `to_json` wrote.

        Raises:
            DataError: A field is missing or malformed.
        """
        try:
            correlation, errors = (
                tuple(float("nan") if value is None else float(value) for value in data[name])
                for name in ("correlation", "errors")
            )
            found = PlanAgreement(
                correlation=correlation,
                errors=errors,
                rank=data["rank"],
                contrast=data["contrast"],
                num_problems=data["num_problems"],
            )
            return TuningRow(
                weight=data["weight"],
                agreement=found,
                effective_rank=data["effective_rank"],
                seconds=data["seconds"],
                missing={str(name): float(value) for name, value in data.get("missing", {}).items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                "TuningRow.from_json needs every field that `to_json` writes",
                f"reading failed with {type(error).__name__}: {error}",
                "Pass an entry of `rows` of a file that `save` wrote",
            ) from error
