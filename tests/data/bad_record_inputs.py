"""Mistakes with records of training episodes, and what they must be told."""

from typing import Any

from leworld.data import TrainingEpisodes, episode_digests
from leworld.errors import ConfigError
from tests.bad_input import BadInput
from tests.data.bad_column_inputs import FRAMES, episodes

_GOOD = TrainingEpisodes(digests=["00" * 8, "11" * 8]).to_json()


def _record(case: str, mentions: tuple[str, ...], **options: Any) -> BadInput:
    given = {"digests": ["00" * 8], **options}
    return BadInput(
        "leworld.data.TrainingEpisodes", case, lambda: TrainingEpisodes(**given), ConfigError, mentions
    )


def _stored(case: str, mentions: tuple[str, ...], data: Any) -> BadInput:
    return BadInput(
        "leworld.data.TrainingEpisodes.from_json",
        case,
        lambda: TrainingEpisodes.from_json(data),
        ConfigError,
        mentions,
    )


RECORD_ROWS: list[BadInput] = [
    _record("a short digest", ("16 hexadecimal", "'00'"), digests=["00"]),
    _record("a number", ("16 hexadecimal", "3"), digests=[3]),
    _record("no parts", ("parts",), parts=()),
    _record("a word for complete", ("True or False", "'yes'"), complete="yes"),
    _stored("a list", ("exactly the fields",), []),
    _stored("a field too many", ("exactly the fields",), {**_GOOD, "more": 1}),
    _stored("a field too few", ("exactly the fields",), {"count": 2}),
    _stored("no base64", ("base64",), {**_GOOD, "digests": "?!"}),
    _stored("no text", ("digests",), {**_GOOD, "digests": 7}),
    _stored("another count", ("`count` is 3",), {**_GOOD, "count": 3}),
    _stored("a large count", ("at most 131072",), {**_GOOD, "count": 10**9}),
    _stored("true for a count", ("count",), {**_GOOD, "count": True}),
    _stored("unsorted digests", ("sorted",), {**_GOOD, "digests": "EREREREREREAAAAAAAAAAA=="}),
    _stored("a number for complete", ("complete",), {**_GOOD, "complete": 1}),
    _stored("a word for parts", ("parts",), {**_GOOD, "parts": "pixels"}),
    BadInput(
        "leworld.data.episode_digests",
        "frames",
        lambda: episode_digests(FRAMES),  # pyright: ignore[reportArgumentType] -- the point
        ConfigError,
        ("Episodes",),
    ),
    BadInput(
        "leworld.data.episode_digests",
        "no such part",
        lambda: episode_digests(episodes()(), ["wrist"]),
        ConfigError,
        ("wrist",),
    ),
]
