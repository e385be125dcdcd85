"""Arguments of the command line, right and wrong: each call ends with exit code 0, 1 or 2 and no traceback.

Calls that would be right are kept small: a tiny model of random weights, two pairs, few steps.
"""

import contextlib
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import click
import numpy as np
from click.testing import CliRunner, Result

import leworld
from leworld.cli._main import COMMANDS, top
from leworld.data import Processor
from leworld.encoders import ActionEncoder, ConvEncoder
from leworld.nn import Projector
from leworld.predictors import TransformerPredictor

NUMBERS = (
    "0",
    "-1",
    "1e9",
    "nan",
    "inf",
    "-inf",
    "",
    " ",
    "1.5",
    "٣",
    "0x10",
    "1_0",
    str(10**30),
    str(2**64),
)
WORDS = (
    "",
    " ",
    "-",
    "--",
    "ünï",
    "\udcff",
    "a\0b",
    "x" * 300,
    "a/b",
    "../..",
    "%s",
    "{0}",
    "$HOME",
    "~nobody/x",
)
PLACES = (
    "",
    "os",
    "os:path",
    ":x",
    "x.py:",
    "..x:y",
    "missing.py:Task",
    "json:loads",
    "builtins:int",
    "a b:c",
)
QUANTITIES = (
    "",
    "=",
    "a=",
    "=state",
    "a=state",
    "a=state:9",
    "a=state:0:angle",
    "a=state:x",
    "a=no",
    "a=state:0:odd",
)
SMALL = {
    "num_pairs": "1",
    "iterations": "1",
    "samples": "4",
    "steps": "2",
    "batch_size": "2",
    "stride": "40",
    "pairs": "1",
}
FEWEST = {"probe": "3", "surprise": "3", "report": "12", "explore": "4", "train": "2"}
# Right calls of these take seconds however small they are, or serve until they are stopped, so an attempt
# gives them something wrong besides.
SLOW = ("report", "explore", "export", "demo", "train")


@cache
def model_folder() -> str:
    """Save a tiny model of random weights, once a process."""
    model = leworld.LeWM(
        ConvEncoder(image_size=16, embedding_dim=8, channels=(4, 4)),
        TransformerPredictor(8, history_size=1, depth=1, num_heads=2, head_dim=4, mlp_dim=16),
        action_encoder=ActionEncoder(4, 8),
        projector=Projector(8, hidden_dim=16),
        prediction_projector=Projector(8, hidden_dim=16),
    )
    model.processor = Processor(
        16,
        frameskip=2,
        action_dim=2,
        action_mean=(0.0, 0.0),
        action_std=(1.0, 1.0),
        environment_id="leworld/TwoRoom-v0",
    )
    keep.append(folder := tempfile.TemporaryDirectory())
    return str(leworld.save(model, Path(folder.name) / "tiny"))


keep: list[tempfile.TemporaryDirectory[str]] = []


def places(folder: Path) -> list[str]:
    """Lay out a folder of things that are no model, no data and no place to write, and return their paths."""
    (folder / "empty").mkdir()
    (folder / "text.h5").write_text("no HDF5")
    (folder / "none").write_bytes(b"")
    (folder / "broken.py").write_text("def (")
    (folder / "raising.py").write_text("raise KeyError('x')")
    (folder / "loop").symlink_to(folder / "loop")
    names = [
        "empty",
        "text.h5",
        "none",
        "broken.py",
        "raising.py:X",
        "broken.py:X",
        "loop",
        "new/deep",
        "none/x",
    ]
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe")
        names.append("pipe")
    return [str(folder / name) for name in names] + [
        "/dev/null",
        "/dev/full",
        "/proc/self",
        "/nowhere/at/all",
    ]


def attempt(generator: np.random.Generator, folder: Path) -> str:
    """Call a random command with random arguments in an empty folder; return its exit code, as a word."""
    arguments = vector(generator, folder)
    result = call(arguments, folder)
    fault = judge(result)
    if fault is not None:
        raise AssertionError(f"{fault} of leworld {arguments!r}") from result.exception
    return f"exit code {result.exit_code}"


def call(arguments: list[str], folder: Path) -> Result:
    """Run the command line as the script does, in a folder."""
    with contextlib.chdir(folder):
        return CliRunner().invoke(top, arguments)


def judge(result: Result) -> str | None:
    """Return what is wrong with how a call ended, or None."""
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return f"a raw {type(result.exception).__name__}: {result.exception}"
    if result.exit_code not in (0, 1, 2):
        return f"exit code {result.exit_code}"
    if "Traceback" in result.output:
        return "a traceback"
    if result.exit_code == 2 and "Error: " not in result.stderr and "Usage: " not in result.stderr:
        return "no word of why"
    return None


def vector(generator: np.random.Generator, folder: Path) -> list[str]:
    """Draw a command and its arguments, most of them of its own and right, some not."""
    command = COMMANDS[generator.integers(len(COMMANDS))]
    wrong = places(folder)
    name = command.name or ""
    damage = 1 + int(generator.integers(3)) if name in SLOW else int(generator.integers(4))
    due = list(command.params)
    chosen = [p for p in due if isinstance(p, click.Argument) or _small(p, name) or generator.random() < 0.2]
    words: list[str] = []
    damaged = {int(i) for i in generator.integers(0, max(1, len(chosen)), damage)}
    for index, parameter in enumerate(chosen):
        words += _given(generator, command, parameter, folder, wrong, bad=index in damaged)
    if name in SLOW:  # something that is wrong whatever the draw made of the rest
        words += ["--no-such-option"] if generator.random() < 0.1 else _refused(generator, name)
    if generator.random() < 0.1 and name != "explore":  # an option of another command, or it might serve
        other = COMMANDS[generator.integers(len(COMMANDS))]
        parameter = other.params[generator.integers(len(other.params))]
        words += _given(generator, other, parameter, folder, wrong, bad=True)
    if generator.random() < 0.1:
        words += words[-2:]
    if generator.random() < 0.05:
        words.insert(int(generator.integers(len(words) + 1)), str(generator.choice(WORDS)))
    return [name, *words]


def _refused(generator: np.random.Generator, name: str) -> list[str]:
    wrong = {
        "report": "--pairs",
        "explore": "--port",
        "export": "--format",
        "demo": "--pairs",
        "train": "--steps",
    }[name]
    zero = "-1" if name == "explore" else "0"  # port 0 is any free one
    return [wrong, str(generator.choice((zero, "-3", "nan", "", str(10**30))))]


def _small(parameter: Any, command: str) -> bool:
    return parameter.name in SMALL or (parameter.name == "episodes" and command in FEWEST)


def _given(
    generator: np.random.Generator,
    command: click.Command,
    parameter: Any,
    folder: Path,
    wrong: list[str],
    *,
    bad: bool,
) -> list[str]:
    def pick(values: Any) -> str:
        return str(values[int(generator.integers(len(values)))])

    flag = [] if isinstance(parameter, click.Argument) else [pick(parameter.opts)]
    if getattr(parameter, "is_flag", False):
        return [pick([*parameter.opts, *parameter.secondary_opts])]
    numeric = isinstance(parameter.type, click.types.IntParamType | click.types.FloatParamType)
    if bad:
        pool = [*NUMBERS] if numeric else [*WORDS, *wrong]
        pool += [*QUANTITIES] if parameter.name == "quantities" else []
        pool += [*PLACES] if parameter.name in ("place", "classes") else []
        value = pick(pool)
        return flag if flag and generator.random() < 0.05 else [*flag, value]
    name = parameter.name
    if name == "episodes":
        return [*flag, FEWEST.get(command.name or "", "3")]
    if name in SMALL:
        return [*flag, SMALL[name]]
    if name in ("model", "other", "name", "source"):
        return [*flag, model_folder()]
    if name == "recipe":
        return ["tworoom"]
    if name == "pattern":
        return [pick(("*", "lewm-*", "lewm-tworoom-tiny"))]
    if name in ("out", "folder"):
        return [*flag, str(folder / pick(("new", "a/b", "empty")))]
    if isinstance(parameter.type, click.Choice):
        return [*flag, pick(list(parameter.type.choices))]
    if numeric:
        return [*flag, pick(("0.01", "0.5") if isinstance(parameter.type, click.FloatRange) else ("1", "7"))]
    if name == "protocol":
        return [*flag, "same-room"]
    if name == "quantities":
        return [*flag, "a=state:0"]
    return [*flag, pick([*wrong, "action"])]
