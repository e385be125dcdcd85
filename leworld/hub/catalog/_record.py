"""What is known about a checkpoint before it is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, final

from ..._typing import MaybeNone
from ...data import Processor


@final
@dataclass(frozen=True)
class Score:
    """A success rate of a checkpoint, with the protocol it belongs to and where it comes from.

    `success` is a percentage, `low` and `high` bound its confidence interval, `episodes` is the number of
    episodes counted. `kind` says who measured: leworld (`measured`), the authors (`published`), or a third
    party on the released weights (`audited`).

    Example:
        ```python
        from leworld.hub import Score

        score = Score("same-room", 93.0, "benchmarks/results/plan.json", low=86.3, high=96.6, episodes=100)
        assert score.kind == "measured"
        ```
    """

    protocol: str
    success: float
    source: str
    kind: Literal["measured", "published", "audited"] = "measured"
    low: float | None = None
    high: float | None = None
    episodes: int | None = None


@final
@dataclass(frozen=True)
class CheckpointRecord:
    """One entry of the catalogue: where a checkpoint lies, what it is, and what it was measured to do.

    `repository` and `commit` pin it on the Hugging Face Hub; both are None for one that ships with leworld or
    lies in a local folder. `files` maps file names to SHA-256 digests, None where a digest is unknown.
    `architecture` is the JSON that rebuilds the model (empty where the repository's own config is the only
    description). `processor` holds image size, image and action statistics with their provenance, frameskip,
    and the environment id; action statistics of None mean that nobody published them.

    Example:
        ```python
        from leworld.hub import checkpoint_info

        record = checkpoint_info("lewm-pusht")
        assert len(record.commit) == 40 and record.processor.frameskip == 5
        ```
    """

    name: str
    summary: str
    files: Mapping[str, str | None]
    architecture: Mapping[str, Any]
    processor: Processor | MaybeNone
    history_size: int | None
    licence: str
    paper: str | None = None
    aliases: tuple[str, ...] = ()
    repository: str | None = None
    commit: str | None = None
    scores: tuple[Score, ...] = field(default=())
