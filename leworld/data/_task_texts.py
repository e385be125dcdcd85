"""What was to be done in each episode, in words: `Episodes.task_texts`, and how files hold it."""

from collections.abc import Sequence
from typing import Any

from .._checks import describe
from ..errors import ConfigError
from ._arguments import is_unicode

_TEXTS, _EPISODES = "texts", "text_of_episode"


def checked_texts(texts: Any, count: int) -> tuple[str | None, ...] | None:
    """Return one text an episode as a tuple, None where no episode has one."""
    if texts is None:
        return None
    found = tuple(texts) if isinstance(texts, list | tuple) else ()
    if len(found) != count or not all(text is None or is_unicode(text) for text in found):
        raise ConfigError(
            f"Episodes needs `task_texts` to be a list of {count} texts, one an episode",
            f"it is {describe(texts)}",
            "Pass a text, or None, for every episode",
        )
    return None if all(text is None for text in found) else found


def texts_to_json(texts: Sequence[str | None]) -> dict[str, Any]:
    """Return JSON values that hold each text once, and its number for each episode; -1 is no text."""
    number = {text: place for place, text in enumerate(dict.fromkeys(t for t in texts if t is not None))}
    return {_TEXTS: list(number), _EPISODES: [-1 if text is None else number[text] for text in texts]}


def texts_from_json(content: object, count: int) -> list[str | None] | None:
    """Return the texts that JSON values hold for `count` episodes; None where they hold none as above."""
    if not isinstance(content, dict) or set(content) != {_TEXTS, _EPISODES}:
        return None
    texts, numbers = content[_TEXTS], content[_EPISODES]
    if not isinstance(texts, list) or not all(is_unicode(text) for text in texts):
        return None
    if not isinstance(numbers, list) or len(numbers) != count:
        return None
    if not all(type(number) is int and -1 <= number < len(texts) for number in numbers):
        return None
    return [None if number < 0 else texts[number] for number in numbers]
