"""Settings beside results that are kept, so that a folder holds those of one call only."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._files import write_atomically
from ..errors import ConfigError
from ._recipe import Recipe


def check_settings(path: Path, settings: Mapping[str, Any], *, owner: str, what: str) -> None:
    """Write the settings, or raise unless those that are there are the same.

    Args:
        path: The file.
        settings: Plain data.
        owner: Who asks, for the message.
        what: What the folder holds, with its article, for the message.
    """
    text = json.dumps(settings, indent=1, allow_nan=False) + "\n"
    if not path.exists():
        write_atomically(path, lambda file: file.write_text(text))
        return
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        there = {}
    wanted = json.loads(text)
    differing = sorted(
        name for name in wanted if not isinstance(there, dict) or there.get(name) != wanted[name]
    )
    if differing:
        raise ConfigError(
            f"{owner} needs a folder without {what} with other settings",
            f"that of {path} differs in {', '.join(differing)}",
            "Choose another folder, or repeat the former call",
        )


def recipe_facts(recipe: Recipe) -> dict[str, Any]:
    """Return what a recipe says of itself, without its task and its seed."""
    facts = {name: value for name, value in vars(recipe).items() if name not in ("task", "settings")}
    settings = recipe.settings.to_json()
    del settings["seed"]
    return facts | {"settings": settings}
