"""The model card: README.md of a checkpoint, written from the model."""

import json
from collections.abc import Mapping
from typing import Any

from ... import __version__
from ..._checks import quoted
from ..._config import REGISTERED, recorded_config
from ...models import WorldModel
from ._provenance import read_scores
from ._record import Score

_SPECIAL = ("name", "summary", "licence", "paper", "command", "training_data", "limits", "scores")

_USAGE = """## How to load

```python
import leworld

model = leworld.load("{address}"{classes})  # in evaluation mode, with `model.processor`
```"""


def model_card(model: WorldModel, facts: Mapping[str, Any], *, address: str) -> str:
    """Write the card as Markdown with the front matter that the Hub reads.

    The `facts` are the provenance. Of them `name`, `summary`, `licence`, `paper`, `command`, `training_data`,
    `limits` and `scores` have a place of their own; everything else is listed at the end. The folder's name
    plays no part, so equal models have equal cards. `address` is what the card tells readers to load.
    """
    kind = type(model).__name__
    name = str(facts.get("name", kind))
    parts = [
        _front_matter(facts),
        f"# {name}",
        str(facts.get("summary", f"A {kind} world model, saved by leworld {__version__}.")),
        _USAGE.format(address=address, classes=_own_classes(model)),
        _scores(read_scores(facts)),
        _facts(model),
        _section("Training data", facts.get("training_data")),
        _section("Made by", facts.get("command") and f"```bash\n{facts['command']}\n```"),
        _section("Limits", facts.get("limits")),
        _section("Paper", facts.get("paper")),
        _section("Licence", facts.get("licence")),
        _rest(facts),
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _own_classes(model: WorldModel) -> str:
    """Name the classes that a reader has to hand to `load`, being none of leworld's."""
    recorded = [part for part in model.modules() if recorded_config(part) is not None]
    own = {type(part).__name__ for part in recorded if REGISTERED.get(type(part).__name__) is not type(part)}
    return f", classes=[{', '.join(sorted(own))}]" if own else ""


def _front_matter(facts: Mapping[str, Any]) -> str:
    lines = ["---", "library_name: leworld"]
    if facts.get("licence"):
        lines.append(f"license: {str(facts['licence']).lower()}")
    lines += ["tags:", "- world-model", "- leworldmodel", "- jepa", "- planning", "---"]
    return "\n".join(lines)


def _scores(scores: tuple[Score, ...]) -> str:
    if not scores:
        return ""
    lines = [
        "## Success",
        "",
        "| protocol | success | interval | episodes | source |",
        "|---|---|---|---|---|",
    ]
    for score in scores:
        interval = "" if score.low is None or score.high is None else f"{score.low:.1f} to {score.high:.1f} %"
        episodes = "" if score.episodes is None else str(score.episodes)
        lines.append(
            f"| {score.protocol} | {score.success:.1f} % | {interval} | {episodes} "
            f"| {score.kind}: {score.source} |"
        )
    return "\n".join(lines)


def _facts(model: WorldModel) -> str:
    processor = model.processor if model.has_processor else None
    rows = {
        "architecture": f"`{type(model).__name__}`",
        "parameters": f"{sum(parameter.numel() for parameter in model.parameters()):,}",
        "history size": getattr(model, "history_size", "unknown"),
        "embedding size": " x ".join(map(str, getattr(model, "latent_shape", ()))) or "unknown",
    }
    if processor is None:
        rows["processor"] = "none: images and actions must be normalised by hand"
    else:
        known = processor.action_mean is not None and processor.action_std is not None
        parts = processor.observation_parts
        if parts != ("pixels",):
            rows["observation"] = quoted(parts)
        rows |= {
            "image size": processor.image_size,
            "frameskip": processor.frameskip,
            "action size": processor.action_dim,
            "action statistics": (processor.statistics_source or "known")
            if known
            else "unknown: not ready to act",
            "environment": processor.environment_id or "unknown",
        }
    lines = [
        "## Facts",
        "",
        "| fact | value |",
        "|---|---|",
        *(f"| {key} | {value} |" for key, value in rows.items()),
    ]
    return "\n".join(lines)


def _section(title: str, text: object) -> str:
    return f"## {title}\n\n{text}" if text else ""


def _rest(facts: Mapping[str, Any]) -> str:
    others = {key: value for key, value in facts.items() if key not in _SPECIAL}
    if not others:
        return ""
    lines = [
        f"- {key}: {value if isinstance(value, str) else json.dumps(value)}" for key, value in others.items()
    ]
    return "\n".join(["## Provenance", "", *lines])
