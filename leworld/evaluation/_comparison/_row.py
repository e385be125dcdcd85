"""What one training of one model came to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, final

from ..._checks import check_number, plain_numbers
from ...errors import ConfigError, DataError
from ...metrics import Interval, wilson_interval
from ._plan_cost import PlanCost

Counts: TypeAlias = Mapping[str, tuple[int, int]]
Search: TypeAlias = tuple[int, int]


@final
@plain_numbers
@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """One model of a comparison, trained from one seed.

    Attributes:
        model: Its name.
        seed: The seed of data, weights, batches, pairs and planner.
        reached: By protocol, the goals that were reached and the pairs that were played.
        search: Samples and iterations of that search, the same for all models; None where the model was
            played by a policy of its own, and the two below are the same again.
        fixed_reached: The same for the search that takes no more operations than the first model's.
        fixed_search: Samples and iterations of that one.
        cost: What one plan of `search` costs.
        fixed_cost: What one plan of `fixed_search` costs.
        num_parameters: Numbers that planning uses or training changes.
        loss_weights: The weights of the loss that someone has to choose, by name.
        probes: R2 on held-out episodes by quantity and probe, with its 95 % interval over episodes where
            there is one.
        num_frames: Frames that training saw, with repetition, pretraining included.
        pretraining_seconds: Seconds of what was trained before the model, part of `training_seconds`.
        training_seconds: CPU seconds of all training (wall seconds on another device).

    Raises:
        ConfigError: More goals reached than pairs played, or no pair.

    Example:
        ```python
        from leworld.evaluation import ComparisonRow, PlanCost

        cost = PlanCost(
            flops=10,
            plain_flops=30,
            encode_flops=2,
            formula_flops=12,
            plain_formula_flops=30,
            seconds=0.1,
        )
        row = ComparisonRow(
            model="lewm", seed=0, reached={"cross-door": (9, 10)}, search=(300, 10),
            fixed_reached={"cross-door": (9, 10)}, fixed_search=(300, 10), cost=cost, fixed_cost=cost,
            num_parameters=100, loss_weights=("regularizer_weight",), probes={}, num_frames=512,
            training_seconds=2.0,
        )
        assert row.interval("cross-door").low > 0.59
        assert ComparisonRow.from_json(row.to_json()) == row
        ```
    """

    model: str
    seed: int
    reached: Counts
    search: Search | None
    fixed_reached: Counts
    fixed_search: Search | None
    cost: PlanCost
    fixed_cost: PlanCost
    num_parameters: int
    loss_weights: tuple[str, ...]
    probes: Mapping[str, Mapping[str, tuple[float, Interval | None]]]
    num_frames: int
    training_seconds: float
    pretraining_seconds: float = 0.0

    def __post_init__(self) -> None:
        check_number("ComparisonRow", "training_seconds", self.training_seconds, low=0.0)
        for counts in (self.reached, self.fixed_reached):
            for protocol, (reached, pairs) in counts.items():
                if not 0 <= reached <= pairs or pairs < 1:
                    raise ConfigError(
                        "ComparisonRow needs at most as many goals reached as pairs played, and a pair",
                        f"`{protocol}` has {reached} of {pairs}",
                        "Count what `Task.play` returned",
                    )

    def interval(self, protocol: str, *, fixed: bool = False) -> Interval:
        """Return the 95 % Wilson interval of success on a protocol.

        Raises:
            ConfigError: No such protocol.
        """
        counts = self.fixed_reached if fixed else self.reached
        if protocol not in counts:
            raise ConfigError(
                "ComparisonRow.interval needs a protocol that was played",
                f"`{protocol}` is none of {list(counts)}",
                "Name one of them",
            )
        return wilson_interval(*counts[protocol])

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON values."""
        return {
            "model": self.model,
            "seed": self.seed,
            "success": {name: self._told(name, fixed=False) for name in self.reached},
            "search": None if self.search is None else list(self.search),
            "success_at_fixed_flops": {name: self._told(name, fixed=True) for name in self.fixed_reached},
            "search_at_fixed_flops": None if self.fixed_search is None else list(self.fixed_search),
            "plan": vars(self.cost),
            "plan_at_fixed_flops": vars(self.fixed_cost),
            "num_parameters": self.num_parameters,
            "loss_weights": list(self.loss_weights),
            "probe_r2": {
                quantity: {
                    probe: {"r2": r2} | ({} if ends is None else {"low": ends.low, "high": ends.high})
                    for probe, (r2, ends) in found.items()
                }
                for quantity, found in self.probes.items()
            },
            "num_frames": self.num_frames,
            "pretraining_seconds": self.pretraining_seconds,
            "training_seconds": self.training_seconds,
        }

    def _told(self, protocol: str, *, fixed: bool) -> dict[str, Any]:
        reached, pairs = (self.fixed_reached if fixed else self.reached)[protocol]
        ends = self.interval(protocol, fixed=fixed)
        told = {"reached": reached, "pairs": pairs}
        return told | {"success": reached / pairs, "low": ends.low, "high": ends.high}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "ComparisonRow":
        """Read what `to_json` wrote.

        Raises:
            DataError: A field is missing or malformed.
        """
        try:
            return ComparisonRow(
                model=data["model"],
                seed=data["seed"],
                reached=_counts(data["success"]),
                search=_search(data["search"]),
                fixed_reached=_counts(data["success_at_fixed_flops"]),
                fixed_search=_search(data["search_at_fixed_flops"]),
                cost=PlanCost(**data["plan"]),
                fixed_cost=PlanCost(**data["plan_at_fixed_flops"]),
                num_parameters=data["num_parameters"],
                loss_weights=tuple(data["loss_weights"]),
                probes={
                    quantity: {probe: _score(score) for probe, score in found.items()}
                    for quantity, found in data["probe_r2"].items()
                },
                num_frames=data["num_frames"],
                training_seconds=data["training_seconds"],
                pretraining_seconds=data["pretraining_seconds"],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                "ComparisonRow.from_json needs every field that `to_json` writes",
                f"reading failed with {type(error).__name__}: {error}",
                "Pass the parsed JSON of one row, as `to_json` returned it",
            ) from error


def _counts(data: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    return {name: (told["reached"], told["pairs"]) for name, told in data.items()}


def _search(data: Any) -> Search | None:
    if data is None:
        return None
    samples, iterations = data
    return samples, iterations


def _score(data: Mapping[str, float]) -> tuple[float, Interval | None]:
    ends = Interval(low=data["low"], high=data["high"]) if "low" in data else None
    return data["r2"], ends
