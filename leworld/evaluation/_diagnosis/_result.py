"""The result of a diagnosis: what a model's latent misses, in numbers and in words."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, final

from ..._checks import check_choice, plain_numbers
from ..._table import table
from ...errors import ConfigError, DataError
from .._result import Result, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CHANGES = ("shuffled", "blanked")


@final
@plain_numbers
@dataclass(frozen=True, kw_only=True)
class PartRow:
    """What becomes of a model when one part of what it observes is taken away.

    Attributes:
        part: Name of the part.
        change: "shuffled": every frame gets the part of another frame; "blanked": the mean of all frames.
        moved: Mean distance of the latents from what they were, over the mean distance of two frames'
            latents: 0 if the model is blind to the part, 1 if it sees nothing else (shuffled).
        error_ratio: Error of one predicted step from such latents, over that from the real ones.
        rank: Rank of the expert's plan where start and goal are such latents, see `plan_rank`.
        r2: R2 of each quantity, read off such latents by the probe of the real ones.

    Raises:
        ConfigError: Another change.

    Example:
        ```python
        from leworld.evaluation import PartRow

        row = PartRow(part="pixels", change="shuffled", moved=0.01, error_ratio=1.0, rank=0.02, r2={})
        assert row.moved < 0.1
        ```
    """

    part: str
    change: Literal["shuffled", "blanked"]
    moved: float
    error_ratio: float
    rank: float
    r2: Mapping[str, float]

    def __post_init__(self) -> None:
        check_choice("PartRow", "change", self.change, _CHANGES)


@final
@plain_numbers
@dataclass(frozen=True, kw_only=True, eq=False)
class DiagnosisResult(Result):
    """What the losses of a model do not show; `diagnose` says how each number comes about.

    Attributes:
        within_share: Share of the latent's variance within episodes, see `within_episode_share`.
        independent_share: What independent frames would give.
        rank: Rank of the expert's plan among recorded ones, see `plan_rank`: 0 is best, 0.5 is chance.
        contrast: Contrast of the costs of those plans.
        horizon: Steps of a plan.
        num_problems: Starts and goals that plans were ranked for.
        r2: R2 of each quantity, read off the latent.
        pixel_r2: The same read off the pixels; empty without pictures.
        parts: What becomes of it without each part, shuffled and blanked.
        blind_below: Largest `moved` by shuffling that counts as blind.
        lost_above: Smallest difference of R2 that counts as lost.
        undefined: Why a quantity could not be read, by name.

    Example:
        ```python
        from leworld.evaluation import DiagnosisResult, PartRow

        row = PartRow(part="pixels", change="shuffled", moved=0.01, error_ratio=1.0, rank=0.02, r2={})
        result = DiagnosisResult(
            within_share=0.5, independent_share=0.9, rank=0.02, contrast=0.4, horizon=5, num_problems=100,
            r2={"elbow": 0.2}, pixel_r2={"elbow": 0.9}, parts=(row,),
        )
        assert result.blind_parts == ("pixels",) and result.lost == ("elbow",)
        assert "blind to pixels" in str(result)
        ```
    """

    within_share: float
    independent_share: float
    rank: float
    contrast: float
    horizon: int
    num_problems: int
    r2: Mapping[str, float]
    pixel_r2: Mapping[str, float]
    parts: tuple[PartRow, ...]
    blind_below: float = 0.1
    lost_above: float = 0.1
    undefined: Mapping[str, str] = field(default_factory=dict)

    kind: ClassVar[str] = "diagnosis"

    @property
    def blind_parts(self) -> tuple[str, ...]:
        """Parts that the latent hardly depends on: all of them where it is the same for all frames."""
        return tuple(
            row.part
            for row in self.parts
            if row.change == "shuffled" and (self.collapsed or row.moved < self.blind_below)
        )

    @property
    def collapsed(self) -> bool:
        """Whether all frames have one latent, to rounding; `moved` and `error_ratio` say nothing then."""
        return math.isnan(self.within_share)

    @property
    def missing(self) -> dict[str, float]:
        """By how much R2 a probe finds each quantity better in the pixels; an R2 below 0 finds nothing."""
        kept = {name: 0.0 if value < 0 else value for name, value in self.r2.items()}
        return {name: r2 - kept.get(name, math.nan) for name, r2 in self.pixel_r2.items()}

    @property
    def lost(self) -> tuple[str, ...]:
        """Quantities that a probe finds in the pixels and not in the latent."""
        return tuple(name for name, missing in self.missing.items() if missing > self.lost_above)

    def table(self) -> str:
        """Return the numbers, one line a part and change, and below what is wrong in words."""
        lines = [
            f"within episodes: {_percent(self.within_share)} of the latent's variance "
            f"(independent frames: {_percent(self.independent_share)})",
            f"expert's plan: rank {_percent(self.rank)} among recorded ones (0 % is best, 50 % chance), "
            f"contrast {_number(self.contrast)}; {self.num_problems} problems, {self.horizon} steps",
            "",
        ]
        rows = [["observation", "latent moved", "one-step error", "rank", *(f"R2 of {q}" for q in self.r2)]]
        rows += [["as it is", "0.00", "x 1.00", _number(self.rank), *map(_number, self.r2.values())]]
        for row in self.parts:
            scores = [_number(row.r2.get(name, math.nan)) for name in self.r2]
            rows.append(
                [
                    f"{row.part} {row.change}",
                    _number(row.moved),
                    f"x {_number(row.error_ratio)}",
                    _number(row.rank),
                    *scores,
                ]
            )
        if self.pixel_r2:
            scores = [_number(self.pixel_r2.get(name, math.nan)) for name in self.r2]
            rows.append(["a probe on pixels", "-", "-", "-", *scores])
        return "\n".join([*lines, table(rows), *self.findings])

    @property
    def findings(self) -> tuple[str, ...]:
        """What is wrong, each in a sentence."""
        if self.collapsed:
            found = ["collapsed: all frames have the same latent, so that nothing can be read off it"]
        else:
            found = self._blindness()
        found += [
            f"lost: {name}: a probe reads it off the pixels with R2 {_number(self.pixel_r2[name])} and off "
            f"the latent with {_number(self.r2[name])}"
            for name in self.lost
        ]
        found += [f"undefined: {name}: {reason}" for name, reason in self.undefined.items()]
        return tuple(found)

    def _blindness(self) -> list[str]:
        return [
            f"blind to {part}: shuffling it over the frames moves the latent by less than "
            f"{_percent(self.blind_below)} of the distance of two frames"
            for part in self.blind_parts
        ]

    def _content(self) -> dict[str, Any]:
        data = asdict(self) | {"blind_parts": self.blind_parts, "lost": self.lost}
        return _without_nan(data)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "DiagnosisResult":
        """Read what `to_json` wrote.

        Raises:
            DataError: Another kind of file, another version, or a field that is missing or malformed.
        """
        DiagnosisResult._check_kind(data)
        derived = ("kind", "schema_version", "blind_parts", "lost")
        try:
            fields = {name: _with_nan(value) for name, value in data.items() if name not in derived}
            fields["parts"] = tuple(PartRow(**row) for row in fields["parts"])
            return DiagnosisResult(**fields)
        except (KeyError, TypeError, ValueError, ConfigError) as error:
            raise DataError(
                "DiagnosisResult.from_json needs every field that `to_json` writes",
                f"reading failed with {type(error).__name__}: {error}",
                "Write the file anew with `save`",
            ) from error

    def plot(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Draw how far the latent moves without each part, and write the picture (png, pdf or svg).

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return draw(
            "DiagnosisResult.plot",
            path,
            lambda figure: _paint(figure, self.parts),
            overwrite=overwrite,
            size=(5, 3),
        )


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.0f} %"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nan(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _with_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _with_nan(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_with_nan(one) for one in value]
    return math.nan if value is None else value


def _paint(figure: "Figure", parts: Sequence[PartRow]) -> None:
    panel = figure.subplots()
    names = [f"{row.part}\n{row.change}" for row in parts]
    panel.bar(names, [0.0 if math.isnan(row.moved) else row.moved for row in parts])
    panel.set_ylabel("latent moved")
