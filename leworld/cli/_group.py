"""The command group, and the one place that turns errors into a line and an exit code."""

import contextlib
import errno
import io
import sys
from collections.abc import Sequence
from typing import Any, final

import click

from .. import __version__
from ..errors import LeWorldError

BAD_USE = 2
INTERRUPTED = 130


@final
class TeachingGroup(click.Group):
    """A click group that ends a user's mistake in one line and exit code 2, and Ctrl-C in 130.

    Mistakes are bad arguments, any `LeWorldError`, and files that cannot be read or written. Every other
    exception is a defect of leworld and keeps its traceback; `--debug` keeps it for mistakes too.
    """

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the group; in standalone mode exit with its code."""
        options: dict[str, Any] = {
            "prog_name": prog_name,
            "complete_var": complete_var,
            "windows_expand_args": windows_expand_args,
        } | extra
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **options)
        _make_printable()
        sys.exit(self._code(args, options))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order that a newcomer meets them."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command, turning mistakes into a `click.ClickException`."""
        try:
            return super().invoke(ctx)
        except (LeWorldError, OSError) as error:
            if ctx.params.get("debug") or getattr(error, "errno", None) == errno.EPIPE:
                raise
            raise click.ClickException(_one_line(error)) from error
        except (MemoryError, RuntimeError) as error:
            if ctx.params.get("debug") or not _is_memory(error):
                raise
            raise click.ClickException(
                f"This needs more memory than there is ({error}). Ask for less."
            ) from error
        except SystemExit as error:
            if isinstance(error.__context__, KeyboardInterrupt):  # Lightning's answer to Ctrl-C
                raise click.Abort from error
            raise

    def _code(self, args: Sequence[str] | None, options: dict[str, Any]) -> int:
        words = sys.argv[1:] if args is None else args
        if any("\0" in word for word in words):
            return _refuse("An argument holds a NUL character, which no name and no path can.")
        try:
            result = super().main(args, standalone_mode=False, **options)
            if sys.stdout is not None:  # a shell may close it
                sys.stdout.flush()
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            return BAD_USE
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else "leworld"
            return _refuse(f"{error.format_message()} See `{command} --help`.")
        except click.ClickException as error:
            return _refuse(error.format_message())
        except (click.Abort, KeyboardInterrupt):
            click.echo("Interrupted.", err=True)
            return INTERRUPTED
        except OSError as error:  # of the output itself; those of commands are told by `invoke`
            if sys.stdout is not None:
                with contextlib.suppress(OSError):
                    sys.stdout.close()  # or Python tries again at its end, and complains
            return 1 if error.errno == errno.EPIPE else _refuse(_one_line(error))
        return result if isinstance(result, int) else 0


def _make_printable() -> None:
    """Let a terminal or a file of another encoding show what it can of a name, and the rest as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _is_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "allocate memory" in str(error) or "out of memory" in str(error)


def _refuse(message: str) -> int:
    click.echo(f"Error: {' '.join(message.split())}", err=True)
    return BAD_USE


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and not isinstance(error, LeWorldError) and error.strerror:
        return f"{error.filename or 'The output'}: {error.strerror}."
    return str(error)


EXAMPLES = """Examples:

\b
  leworld demo                                   see it plan, in under three minutes
  leworld list                                   which pretrained models there are
  leworld plan lewm-tworoom-tiny --pairs 20      measure one
  leworld train tworoom --out runs/mine          train your own
"""


@click.group(
    "leworld",
    cls=TeachingGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXAMPLES,
)
@click.version_option(__version__, prog_name="leworld", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def top(debug: bool) -> None:
    """Small world models from pixels: look, train, plan.

    Every command has its own --help with examples.
    """
