"""Provenance: a writer's own facts about a checkpoint, a few of which the card and the record understand."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from ..._checks import check_number, describe, described_name, nearest
from ..._json import json_text
from ...errors import ConfigError
from ._record import Score

_SCORE_FIELDS = tuple(field.name for field in fields(Score))


def plain(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return `provenance` as JSON values, every `Score` as a mapping.

    Raises:
        CheckpointError: if a value is none.
        ConfigError: if a score is not what it should be.
    """
    content = dict(provenance)
    if isinstance(content.get("scores"), list | tuple):
        content["scores"] = [
            asdict(score) if isinstance(score, Score) else score for score in content["scores"]
        ]
    read_scores(content)
    return json.loads(json_text(content, owner="provenance"))


def read_scores(provenance: Mapping[str, Any]) -> tuple[Score, ...]:
    """Return the scores listed under `scores`, none when there is no such field.

    Raises:
        ConfigError: if an entry has an unknown field or lacks the protocol, the success or the source.
    """
    found = provenance.get("scores", ())
    if not isinstance(found, list | tuple):
        raise ConfigError("provenance needs `scores` to be a list", f"it is {describe(found)}", "Pass a list")
    return tuple(_score(index, entry) for index, entry in enumerate(found))


def _score(index: int, entry: object) -> Score:
    owner = f"provenance needs `scores[{index}]`"
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{owner} to be a mapping or a Score", f"it is {describe(entry)}", "Pass a Score")
    for key in entry:
        if key not in _SCORE_FIELDS:
            raise ConfigError(
                f"{owner} to hold the fields of a Score only",
                f"it has {described_name(key)}",
                nearest(str(key), _SCORE_FIELDS),
            )
    missing = [key for key in ("protocol", "success", "source") if key not in entry]
    if missing:
        raise ConfigError(f"{owner} to say its `{missing[0]}`", "it does not", "Add that field")
    for key in ("protocol", "source", "kind"):
        if not isinstance(entry.get(key, ""), str):
            raise ConfigError(
                f"{owner} to hold a text as `{key}`", f"it is {describe(entry[key])}", "Write it in words"
            )
    for key in ("success", "low", "high", "episodes"):
        if key == "success" or entry.get(key) is not None:
            check_number(
                "A score in `scores` of provenance", key, entry[key], low=0, integer=key == "episodes"
            )
    return Score(**entry)
