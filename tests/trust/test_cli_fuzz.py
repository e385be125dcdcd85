"""Arguments of the command line: whatever they are, one line and exit code 2, or what was asked for."""

import click
import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.fuzz import cli
from benchmarks.fuzz.harness import fuzz
from leworld.cli._group import TeachingGroup
from leworld.cli._main import COMMANDS


def test_no_argument_ends_in_a_traceback() -> None:
    cli.model_folder()
    findings = fuzz(cli.attempt, count=60, seed=12, max_seconds=60.0, max_mebibytes=1000.0)
    assert not findings.faults
    assert set(findings.outcomes) == {"exit code 0", "exit code 2"}


def test_every_command_and_option_is_drawn(tmp_path_factory: pytest.TempPathFactory) -> None:
    drawn: dict[str, set[str]] = {}
    for seed in range(400):
        folder = tmp_path_factory.mktemp("vector")
        name, *words = cli.vector(np.random.default_rng(seed), folder)
        drawn.setdefault(name, set()).update(words)
    for command in COMMANDS:
        for parameter in command.params:
            flags = {*parameter.opts, *parameter.secondary_opts}
            assert isinstance(parameter, click.Argument) or flags & drawn[command.name or ""], parameter.name


@pytest.mark.parametrize(
    "body",
    [
        lambda: {}["x"],
        lambda: np.zeros(-1),
        lambda: click.echo("Traceback (most recent call last)"),
        lambda: exit(3),
        lambda: exit(2),
    ],
)
def test_a_bad_end_is_seen(body) -> None:
    @click.group("leworld", cls=TeachingGroup)
    def group() -> None:
        """Fail."""

    @group.command()
    def fail() -> None:
        body()

    assert cli.judge(CliRunner().invoke(group, ["fail"])) is not None
