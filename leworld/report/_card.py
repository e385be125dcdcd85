"""What is known about the model."""

from typing import Any

from .._checks import describe
from ..data import PicturePart, Processor
from ..errors import ConfigError
from ..hub import CheckpointRecord
from ..models import WorldModel
from ._html import check_result, paragraph, table
from ._section import Section

TITLE = "Model"


def card_section(model: WorldModel, record: CheckpointRecord | None = None) -> Section:
    """Show what a model is: its record where there is one, its sizes and its processor.

    Args:
        model: The model itself.
        record: What `leworld.checkpoint_info` returned, or None for a model without a name.

    Raises:
        ConfigError: Something that is no model, or no record.

    Example:
        ```python
        import leworld
        from leworld.report import card_section

        name = "lewm-tworoom-tiny"
        section = card_section(leworld.load(name), leworld.checkpoint_info(name))
        assert "frameskip" in section.body
        ```
    """
    if not isinstance(model, WorldModel):
        raise ConfigError(
            "card_section needs `model` to be a `leworld.models.WorldModel`",
            f"`model` is {describe(model)}",
            "Load one with `leworld.load`",
        )
    body = ""
    facts: list[tuple[str, Any]] = []
    if record is not None:
        check_result("card_section", "record", record, CheckpointRecord, "`leworld.checkpoint_info`")
        body += paragraph(record.summary)
        where = f"hf-hub:{record.repository}@{record.commit}" if record.repository else "on this machine"
        facts += [("name", record.name), ("where", where), ("licence", record.licence)]
        facts += [("paper", record.paper)] if record.paper else []
    count = sum(parameter.numel() for parameter in model.parameters())
    facts += [
        ("class", type(model).__name__),
        ("parameters", f"{count:,}"),
        ("latent", f"{' x '.join(map(str, model.latent_shape))} numbers"),
        ("history", f"{model.history_size} frame{'s' * (model.history_size > 1)}"),
    ]
    for name in ("encoder", "predictor", "regularizer"):
        part = getattr(model, name, None)
        if part is not None:
            facts.append((name, type(part).__name__))
    processor = model.processor if model.has_processor else None
    if processor is None:
        facts.append(("processor", "none: the model cannot read pixels or act"))
    else:
        facts += [
            ("environment", processor.environment_id or "unknown"),
            ("observation", _parts(processor)),
            ("frameskip", processor.frameskip),
            ("action components", processor.action_dim),
            ("action statistics", processor.statistics_source or "of unknown source"),
        ]
    half = -(-len(facts) // 2)
    parts = [
        table(("fact", "value"), part, label=f"Facts about the model, {which} half", numbers=2)
        for which, part in (("first", facts[:half]), ("second", facts[half:]))
    ]
    body += f'<div class="facts">{"".join(parts)}</div>'
    if record is not None and record.scores:
        rows = [
            (
                score.protocol,
                f"{score.kind}: {score.source}",
                f"{score.success:.1f} %",
                "" if score.low is None else f"{score.low:.1f} to {score.high:.1f} %",
                "" if score.episodes is None else score.episodes,
            )
            for score in record.scores
        ]
        header = ("protocol", "source", "success", "95 % interval", "episodes")
        body += "<h3>Scores on record</h3>" + table(header, rows, label="Scores on record", numbers=2)
    return Section(TITLE, body)


def _parts(processor: Processor) -> str:
    """Name what the model is shown: pictures with their size, vectors with theirs."""
    parts = (
        [] if processor.image_size is None else [f"pixels, {processor.image_size} x {processor.image_size}"]
    )
    for name, part in processor.parts.items():
        size = (
            f"{part.image_size} x {part.image_size}"
            if isinstance(part, PicturePart)
            else f"{part.dim} numbers"
        )
        parts.append(f"{name}, {size}")
    return "; ".join(parts)
