"""`leworld list`: the names that `load` knows."""

import click

from .._table import table
from ..errors import LeWorldError

_EPILOG = """Examples:

\b
  leworld list               every pretrained model
  leworld list "lewm-*"      those whose name or alias matches (quote the pattern)
"""


@click.command("list", short_help="List pretrained models.", epilog=_EPILOG)
@click.argument("pattern", default="*")
def list_command(pattern: str) -> None:
    """List pretrained models whose name matches PATTERN.

    In PATTERN, * stands for any letters and ? for one.
    """
    from ..hub import checkpoint_info, list_checkpoints

    names = list_checkpoints(pattern)
    if not names:
        every = ", ".join(list_checkpoints())
        raise click.BadParameter(f"no model matches {pattern!r}. There are: {every}.", param_hint="PATTERN")
    rows = []
    for name in names:
        try:
            record = checkpoint_info(name)
        except LeWorldError:
            rows.append((name, "", "", "", "not in this installation"))
            continue
        best = record.scores[0] if record.scores else None
        rows.append(
            (
                name,
                (record.processor.environment_id if record.processor else None) or "?",
                f"{best.success:.0f} % ({best.kind})" if best else "?",
                "in the package" if record.repository is None else f"hf-hub:{record.repository}",
                record.summary,
            )
        )
    click.echo(table([("name", "environment", "success", "where", "what"), *rows]))
