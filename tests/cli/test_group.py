"""The command line as a whole: help that teaches, one line and code 2 for a mistake, 130 for Ctrl-C."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import leworld
from leworld.cli._group import TeachingGroup
from leworld.cli._main import COMMANDS, top
from leworld.errors import ConfigError

NAMES = [command.name or "" for command in COMMANDS]


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(top, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_the_commands() -> None:
    assert {"demo", "train", "plan", "list", "info"} <= set(NAMES)


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("name", ["", *NAMES])
def test_help_teaches(name: str, flag: str) -> None:
    code, out, err = run(*([name] if name else []), flag)
    assert (code, err) == (0, "")
    assert "Usage: leworld" in out
    examples = out.split("Examples:")[1]
    assert examples.count(f"leworld {name}".rstrip()) >= 2


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_every_option_is_explained(command: click.Command) -> None:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
    assert command.short_help


def test_version() -> None:
    assert run("--version") == (0, f"leworld {leworld.__version__}\n", "")


def test_no_command_shows_the_help() -> None:
    code, out, err = run()
    assert code == 2
    assert "Usage: leworld" in out + err


BAD = {
    "unknown command": (["pln"], ("pln", "leworld --help")),
    "unknown option": (["list", "--al"], ("--al", "leworld list --help")),
    "no match": (["list", "zzz*"], ("zzz*", "lewm-tworoom-tiny")),
    "missing argument": (["plan"], ("MODEL", "leworld plan --help")),
    "too many arguments": (["info", "a", "b"], ("b", "leworld info --help")),
    "unknown name": (["info", "lewm-tworoom-tin"], ("Did you mean `lewm-tworoom-tiny`",)),
    "unknown model": (["plan", "lewm-tworoom-tin"], ("Did you mean `lewm-tworoom-tiny`",)),
    "missing folder": (["plan", "/nowhere/at/all"], ("/nowhere/at/all",)),
    "a file": (["info", __file__], (__file__,)),
    "unknown protocol": (["plan", "lewm-tworoom-tiny", "--protocol", "far"], ("far", "same-room")),
    "no pairs": (["plan", "x", "--pairs", "0"], ("--pairs", "0")),
    "negative seed": (["demo", "--seed", "-1"], ("--seed", "-1")),
    "words for a number": (["plan", "x", "--samples", "many"], ("--samples", "many")),
    "out is a file": (["demo", "--out", __file__], ("--out", "file")),
    "unknown layout": (["convert", "x", "y", "--to", "onnx"], ("onnx", "released")),
    "convert from nowhere": (["convert", "/nowhere/at/all", "y"], ("/nowhere/at/all",)),
    "no dataset": (["stats", "/nowhere.h5"], ("/nowhere.h5",)),
    "no HDF5": (["stats", __file__], ("HDF5",)),
    "model without out": (["stats", __file__, "--model", "x"], ("--out", "together")),
    "unknown recipe": (["train", "chess"], ("chess", "tworoom")),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_ends_in_one_line(case: str) -> None:
    arguments, words = BAD[case]
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert all(word in err for word in words), err


def failing(error: BaseException) -> TeachingGroup:
    @click.group("leworld", cls=TeachingGroup)
    @click.option("--debug", is_flag=True)
    def group(debug: bool) -> None:
        """Fail."""

    @group.command()
    def fail() -> None:
        raise error

    assert isinstance(group, TeachingGroup)
    return group


def test_an_error_of_ours_is_a_line_and_with_debug_a_traceback() -> None:
    group = failing(ConfigError("A needs\nB", "it has C", "Do D"))
    result = CliRunner().invoke(group, ["fail"])
    assert (result.exit_code, result.stderr) == (2, "Error: A needs B, but it has C. Do D.\n")
    result = CliRunner().invoke(group, ["--debug", "fail"])
    assert isinstance(result.exception, ConfigError)


def test_a_file_that_cannot_be_written_is_a_line() -> None:
    result = CliRunner().invoke(failing(PermissionError(13, "Permission denied", "/etc/x")), ["fail"])
    assert (result.exit_code, result.stderr) == (2, "Error: /etc/x: Permission denied.\n")


def test_a_defect_keeps_its_traceback() -> None:
    assert isinstance(CliRunner().invoke(failing(KeyError("x")), ["fail"]).exception, KeyError)


def test_interruption() -> None:
    result = CliRunner().invoke(failing(KeyboardInterrupt()), ["fail"])
    assert result.exit_code == 130
    assert result.stderr.strip() == "Interrupted."


def test_interruption_that_lightning_turned_into_an_exit() -> None:
    error = SystemExit(1)
    error.__context__ = KeyboardInterrupt()
    result = CliRunner().invoke(failing(error), ["fail"])
    assert result.exit_code == 130
    assert CliRunner().invoke(failing(SystemExit(3)), ["fail"]).exit_code == 3


def test_the_entry_point() -> None:
    script = Path(sys.executable).parent / "leworld"
    result = subprocess.run([script, "--help"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert "Usage: leworld" in result.stdout
    bad = subprocess.run([script, "plan"], capture_output=True, text=True, check=False)
    assert (bad.returncode, bad.stderr.count("\n")) == (2, 1)


def test_help_imports_nothing_heavy() -> None:
    code = """
import sys
from leworld.cli import main
sys.argv = ["leworld", "plan", "--help"]
try:
    main()
except SystemExit:
    pass
print(sorted({"torch", "numpy", "lightning", "gymnasium"} & set(sys.modules)), file=sys.stderr)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stderr.strip() == "[]"
