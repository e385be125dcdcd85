"""Which episodes a model was trained on: a short digest of each, which travels with the checkpoint."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

from .._checks import describe, plain_numbers, quoted
from .._digests import action_digests, joined_digests, row_digests
from ..errors import ConfigError
from ._arguments import check_flag, names_of
from ._episodes import Episodes, check_episodes

MAX_EPISODES = 2**17  # that a checkpoint names: 1.4 MB of config.json
_BYTES = 8
_FIELDS = ("parts", "complete", "count", "digests")


@plain_numbers
def episode_digests(episodes: Episodes, parts: Sequence[str] = ("pixels",)) -> tuple[str, ...]:
    """Return a short digest of each episode: 64 bits, as 16 hexadecimal digits.

    Equal digests mean equal episodes, frame for frame and action for action. What is hashed (SHA-256, cut) is
    every row of the named parts and every action but that of the last row, which leads to no frame. Neither
    the place of an episode among others plays a part, nor the type in which numbers were stored, nor columns
    that are not named. A cut or resized recording is another episode. Costs a pass over all bytes, at about 1
    GB a second, except for pictures of a packed store, which holds their digests.

    Args:
        episodes: The episodes.
        parts: Names of the parts of an observation that count; a model's `processor.observation_parts`.

    Raises:
        ConfigError: No episodes, or no such part.

    Example:
        ```python
        import numpy as np
        from leworld.data import Episodes, episode_digests

        films = [np.full((4, 8, 8, 3), shade, np.uint8) for shade in (1, 2, 1)]
        one, other, again = episode_digests(Episodes.from_trajectories(films, [np.ones((3, 1))] * 3))
        assert one == again != other
        ```
    """
    check_episodes("episode_digests", "episodes", episodes)
    names = names_of("episode_digests", "parts", parts)
    pieces = {name: row_digests(episodes.part(name), episodes.lengths) for name in names}
    return joined_digests(pieces | {"": action_digests(episodes.actions, episodes.lengths)})


@final
@plain_numbers
@dataclass(frozen=True, kw_only=True)
class TrainingEpisodes:
    """A record of the episodes that a model was trained on, by their digests.

    Training leaves it on the model as `model.trained_on`; `leworld.save` writes it into the checkpoint and
    `leworld.load` brings it back. `leworld.evaluation.training_overlap` reads it.

    Args:
        digests: What `episode_digests` gives for the episodes, in any order.
        parts: The parts of an observation that were hashed.
        complete: Whether these are all episodes that the model was trained on, as far as leworld saw it.
        weights: A digest of the weights that the record is of; it says nothing about other weights. Kept in
            memory only.

    Raises:
        ConfigError: A digest that is none.

    Example:
        ```python
        from leworld.data import TrainingEpisodes

        record = TrainingEpisodes(digests=["00112233445566aa"])
        assert TrainingEpisodes.from_json(record.to_json()) == record
        ```
    """

    digests: Sequence[str] = field(repr=False)
    parts: Sequence[str] = ("pixels",)
    complete: bool = True
    weights: str | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        digests = (self.digests,) if isinstance(self.digests, str) else tuple(self.digests)
        for one in digests:
            if not isinstance(one, str) or len(one) != 2 * _BYTES or not set(one) <= set("0123456789abcdef"):
                raise ConfigError(
                    "TrainingEpisodes needs `digests` of 16 hexadecimal digits each",
                    f"one is {describe(one)}",
                    "Pass what `episode_digests` returns",
                )
        parts = (self.parts,) if isinstance(self.parts, str) else tuple(self.parts)
        if not parts or not all(isinstance(name, str) for name in parts):
            raise ConfigError(
                "TrainingEpisodes needs `parts` to name parts of an observation",
                f"they are {describe(parts)}",
                "Pass `model.processor.observation_parts`",
            )
        fix = "Pass False where other episodes may have been trained on"
        check_flag("TrainingEpisodes", "complete", self.complete, fix=fix)
        object.__setattr__(self, "digests", tuple(sorted(set(digests))))
        object.__setattr__(self, "parts", tuple(sorted(parts)))

    def __len__(self) -> int:
        return len(self.digests)

    def with_more(self, other: "TrainingEpisodes") -> "TrainingEpisodes":
        """Return the record of a model that was trained on these episodes and then on `other`.

        Digests of other parts cannot be compared: then only `other` is kept, as an incomplete record.
        """
        if self.parts != other.parts:
            return replace(other, complete=other.complete and self.complete and not self.digests)
        both = (*self.digests, *other.digests)
        return replace(other, digests=both, complete=self.complete and other.complete)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, 11 letters an episode; of more than 131,072 episodes only as many are named."""
        some = self.digests[:MAX_EPISODES]
        return {
            "parts": list(self.parts),
            "complete": self.complete and len(some) == len(self.digests),
            "count": len(some),
            "digests": base64.b64encode(bytes.fromhex("".join(some))).decode(),
        }

    @staticmethod
    def from_json(data: object) -> "TrainingEpisodes":
        """Read what `to_json` wrote; anything else raises ConfigError."""
        rule, fix = "A record of training episodes needs ", "Restore the file, or save the model again"
        if not isinstance(data, Mapping) or set(data) != set(_FIELDS):
            raise ConfigError(f"{rule}exactly the fields {quoted(_FIELDS)}", f"it is {describe(data)}", fix)
        count, text, parts = data["count"], data["digests"], data["parts"]
        if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= MAX_EPISODES:
            raise ConfigError(f"{rule}a `count` of at most {MAX_EPISODES}", f"it is {describe(count)}", fix)
        if not isinstance(parts, list):
            raise ConfigError(f"{rule}a list of `parts`", f"it is {describe(parts)}", fix)
        try:
            raw = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
        except (binascii.Error, ValueError) as error:
            raise ConfigError(f"{rule}`digests` in base64", f"reading them failed ({error})", fix) from error
        hexadecimal = raw.hex()
        found = [hexadecimal[start : start + 2 * _BYTES] for start in range(0, len(hexadecimal), 2 * _BYTES)]
        if not isinstance(text, str) or len(raw) != _BYTES * count or found != sorted(set(found)):
            raise ConfigError(
                f"{rule}as many sorted `digests` of {_BYTES} bytes as `count` says",
                f"`count` is {count} and there are {len(raw)} bytes",
                fix,
            )
        return TrainingEpisodes(digests=found, parts=parts, complete=data["complete"])
