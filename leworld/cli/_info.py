"""`leworld info`: everything known about one checkpoint."""

from typing import TYPE_CHECKING

import click

from .._table import table

if TYPE_CHECKING:
    from ..hub import CheckpointRecord

_EPILOG = """Examples:

\b
  leworld info lewm-tworoom-tiny     a named model
  leworld info runs/mine             a folder that leworld wrote
"""


@click.command(short_help="Show all that is known about a model.", epilog=_EPILOG)
@click.argument("name")
def info(name: str) -> None:
    """Show what is known about the model NAME without loading its weights.

    NAME is a name from `leworld list`, or a folder that holds a model.
    """
    from ..hub import checkpoint_info

    record = checkpoint_info(name)
    click.echo(record.name)
    click.echo(record.summary)
    click.echo()
    click.echo(table([("fact", "value"), *_facts(record)]))
    if record.scores:
        click.echo()
        click.echo(table([("protocol", "success", "interval", "episodes", "source"), *_scores(record)]))


def _facts(record: "CheckpointRecord") -> list[tuple[str, str]]:
    processor = record.processor
    rows = [
        ("aliases", ", ".join(record.aliases) or "none"),
        ("where", f"hf-hub:{record.repository}@{record.commit}" if record.repository else "on this machine"),
        ("licence", record.licence),
        ("paper", record.paper or "none"),
        ("architecture", str(record.architecture.get("class", "as its config says"))),
        ("history size", str(record.history_size or "unknown")),
    ]
    if processor is None:
        rows.append(("processor", "none: it cannot act"))
    else:
        rows += [
            ("environment", processor.environment_id or "unknown"),
            ("observation", ", ".join(processor.observation_parts)),
            ("image size", str(processor.image_size or "none")),
            ("frameskip", str(processor.frameskip)),
            ("action size", str(processor.action_dim)),
            ("action mean", _numbers(processor.action_mean)),
            ("action std", _numbers(processor.action_std)),
            ("action statistics", processor.statistics_source or "of unknown source"),
        ]
    rows += [(f"sha256 of {file}", digest or "unknown") for file, digest in record.files.items()]
    return rows


def _numbers(values: tuple[float, ...] | None) -> str:
    return "unknown" if values is None else ", ".join(f"{value:.4g}" for value in values)


def _scores(record: "CheckpointRecord") -> list[tuple[str, str, str, str, str]]:
    return [
        (
            score.protocol,
            f"{score.success:.1f} %",
            "" if score.low is None or score.high is None else f"{score.low:.1f} to {score.high:.1f} %",
            "" if score.episodes is None else str(score.episodes),
            f"{score.kind}: {score.source}",
        )
        for score in record.scores
    ]
