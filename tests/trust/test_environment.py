"""What surrounds a process (variables, streams, folders, limits) ends no call in a traceback."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from benchmarks.fuzz.cli import judge, model_folder
from leworld.cli._main import COMMANDS, top
from leworld.errors import ConfigError
from leworld.evaluation import LatentMap
from leworld.evaluation import Result as EvaluationResult
from tests._source import ROOT

QUICK = ("--pairs", "2", "--samples", "4", "--iterations", "1", "--protocol", "same-room", "--no-baselines")
NOTEBOOK = "module://matplotlib_inline.backend_inline"  # not installed where the command runs

# What a process may find around it. `None` takes a variable away.
ENVIRONMENTS: dict[str, dict[str, str | None]] = {
    "a notebook's shell": {
        "MPLBACKEND": NOTEBOOK,
        "TERM": "dumb",
        "NO_COLOR": "1",
        "COLUMNS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
    },
    "a service without a home": {
        "HOME": None,
        "DISPLAY": None,
        "MPLBACKEND": "qtagg",
        "MPLCONFIGDIR": "/dev/null/no",
        "TMPDIR": "/nowhere",
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
        "OMP_NUM_THREADS": "0",
    },
}
SESSION = """
import sys
import leworld.training, leworld.report, leworld.tasks
from leworld.cli import main
sys.argv = ["leworld", *sys.argv[1:]]
main()
"""


def surrounded(
    variables: dict[str, str | None], *command: str, **options
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}
    kept = {name: value for name, value in environment.items() if value is not None}
    return subprocess.run(
        command, env=kept, stderr=subprocess.PIPE, encoding="utf-8", errors="replace", check=False, **options
    )


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_model_plans_and_is_drawn(name: str, tmp_path: Path) -> None:
    out = tmp_path / "Ergebnisse ä"
    command = [sys.executable, "-c", SESSION, "plan", model_folder(), *QUICK, "--out", str(out)]
    result = surrounded(ENVIRONMENTS[name], *command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    assert "95 % interval" in result.stdout
    assert sorted(file.suffix for file in out.iterdir()) == [".gif", ".json", ".png"]


def test_a_backend_that_is_not_there_is_seen() -> None:
    result = surrounded({"MPLBACKEND": NOTEBOOK}, sys.executable, "-c", "import matplotlib")
    assert result.returncode != 0


def test_help_without_docstrings() -> None:
    result = surrounded({}, sys.executable, "-OO", "-m", "leworld", "plan", "--help", stdout=subprocess.PIPE)
    assert (result.returncode, result.stderr) == (0, "")
    assert "Examples:" in result.stdout


def test_pictures_leave_the_users_settings_alone(tmp_path: Path) -> None:
    import matplotlib
    from matplotlib import pyplot

    points = LatentMap(np.random.default_rng(0).normal(size=(9, 2)), "pca", explained_variance=(0.9, 0.1))
    with matplotlib.rc_context({"text.usetex": True}):
        before = dict(matplotlib.rcParams)
        points.plot(tmp_path / "map.png", values=np.arange(9.0), label=r"50 % of $\nothing$_x")
        assert dict(matplotlib.rcParams) == before
    assert not pyplot.get_fignums()


@pytest.mark.parametrize("name", ["map", "map.", "map.doc", ".png"])
def test_a_picture_needs_a_format(name: str, tmp_path: Path) -> None:
    points = LatentMap(np.zeros((9, 2)), "pca", explained_variance=(0.9, 0.1))
    with pytest.raises(ConfigError, match=r"\.png"):
        points.plot(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_every_result_draws_by_the_one_way() -> None:
    files = [
        path for path in (ROOT / "leworld").rglob("*.py") if "savefig" in path.read_text(encoding="utf-8")
    ]
    assert [path.name for path in files] == [
        Path(sys.modules[EvaluationResult.__module__].__file__ or "").name
    ]
    everything = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "leworld").rglob("*.py"))
    assert "import pyplot" not in everything
    assert "matplotlib.pyplot" not in everything


STREAMS = {
    "a full disk": ("{leworld} list > /dev/full", 2),
    "a full disk, help": ("{leworld} plan --help > /dev/full", 2),
    "closed": ("{leworld} --help >&-", 0),
    "closed error": ("{leworld} nothing 2>&-", 2),
    "closed input": ("{leworld} --help <&- >/dev/null", 0),
}


@pytest.mark.parametrize("case", STREAMS)
def test_streams(case: str) -> None:
    line, code = STREAMS[case]
    command = line.format(leworld=f"{sys.executable} -m leworld")
    result = surrounded({}, "bash", "-c", command, stdout=subprocess.DEVNULL)
    assert (result.returncode, "Traceback" in result.stderr) == (code, False), result.stderr
    assert "Exception ignored" not in result.stderr
    assert result.stderr.count("\n") <= 1


def test_a_reader_that_went_away() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as stream:
        result = surrounded({}, sys.executable, "-m", "leworld", "--help", stdout=stream)
    assert (result.returncode, result.stderr) == (1, "")


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(top, list(arguments))
    assert judge(result) is None, judge(result)
    return result


def writing() -> dict[str, list[str]]:
    """Every command that writes, with arguments that would fail later; `{out}` is where it is to write."""
    found = {}
    for command in COMMANDS:
        words = [command.name or ""]
        for parameter in command.params:
            if isinstance(parameter, click.Argument):
                place = {"folder": "{out}", "recipe": "tworoom", "dataset": __file__, "sources": __file__}
                words.append(place.get(parameter.name or "", "/nowhere/at/all"))
        if any(parameter.name == "out" for parameter in command.params):
            words += ["--out", "{out}"]
        if command.name == "compare":
            words += ["--task", "tworoom"]
        if command.name == "stats":
            words += ["--model", "/nowhere/at/all"]
        if "{out}" in words:
            found[command.name or ""] = words
    return found


def test_the_commands_that_write() -> None:
    takes = {c.name for c in COMMANDS if {"out", "folder"} & {parameter.name for parameter in c.params}}
    assert set(writing()) == takes >= {"demo", "plan", "report", "train", "convert", "export", "stats"}


def told_first(words: list[str], out: str) -> bool:
    """Whether a command says that it cannot write there before it looks at anything else."""
    result = run(*(word.format(out=out) for word in words))
    return result.exit_code == 2 and out in result.stderr and "/nowhere" not in result.stderr


@pytest.mark.parametrize("name", writing())
def test_where_nothing_can_be_written_is_found_before_the_work(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leworld.tasks.TwoRoomRecipe.train", lambda *_, **__: pytest.fail("it began"))
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file" / "below", "/proc/sys/nothing", f"/proc/{'x' * 300}"):
        assert told_first(writing()[name], str(out)), out
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", writing())
def test_an_empty_name_is_no_place(name: str) -> None:
    result = run(*(word.format(out="") for word in writing()[name]))
    assert (result.exit_code, "empty" in result.stderr) == (2, True)


def test_a_home_of_nobody_is_no_place() -> None:
    for name in ("convert", "export", "stats"):
        result = run(*(word.format(out="~nobody-of-this-name/x") for word in writing()[name]))
        assert (result.exit_code, "~nobody-of-this-name" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    "code", ["def (", "raise KeyError('x')", "raise SystemExit(5)", "import nothing_like_it"]
)
@pytest.mark.parametrize("option", ["--task", "--class"])
def test_code_of_the_users_own_that_fails_is_one_line(option: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(code)
    result = run("plan", model_folder(), option, f"{tmp_path / 'mine.py'}:X")
    assert (result.exit_code, result.stderr.count("\n"), "mine.py" in result.stderr) == (2, 1, True)


def test_a_command_that_looks_later_is_seen() -> None:
    assert not told_first(["info", "/nowhere/at/all"], "/proc/sys/nothing")


def test_what_is_there_stays_without_overwrite(tmp_path: Path) -> None:
    plan = ("plan", model_folder(), *QUICK, "--out", str(tmp_path / "plan"))
    assert run(*plan).exit_code == 0
    before = {file.name: file.read_bytes() for file in (tmp_path / "plan").iterdir()}
    again = run(*plan, "--seed", "1")
    assert (again.exit_code, "--overwrite" in again.stderr, again.stdout) == (2, True, "")
    assert {file.name: file.read_bytes() for file in (tmp_path / "plan").iterdir()} == before
    assert run(*plan, "--seed", "1", "--overwrite").exit_code == 0
    assert (tmp_path / "plan" / "same-room.json").read_bytes() != before["same-room.json"]


@pytest.mark.parametrize(
    ("command", "file"),
    [("probe", "probe.png"), ("surprise", "surprise.json"), ("demo", "demo.gif"), ("report", "")],
)
def test_an_earlier_result_is_found_before_the_work(command: str, file: str, tmp_path: Path) -> None:
    place = tmp_path / (file or "page.html")
    place.write_text("earlier")
    model = [] if command == "demo" else ["/nowhere/at/all"]
    result = run(command, *model, "--out", str(tmp_path if file else place))
    assert (result.exit_code, place.read_text()) == (2, "earlier")
    assert str(place) in result.stderr
    assert "--overwrite" in result.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "page.html")
    for out in (str(tmp_path / "page.html"), "/dev/null"):
        result = run("report", model_folder(), "--out", out, "--overwrite")
        assert (result.exit_code, out in result.stderr) == (2, True)
    assert run("stats", str(tmp_path / "page.html")).exit_code == 2


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Within the block no file of this process grows beyond `size` bytes, as on a disk that is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_one_line_and_leaves_nothing_half(tmp_path: Path) -> None:
    plan = ("plan", model_folder(), *QUICK, "--out", str(tmp_path / "plan"))
    with largest_file(100):
        full = run(*plan)
    assert (full.exit_code, full.stdout) == (2, "")  # before the work
    assert not (tmp_path / "plan").exists()
    with largest_file(8_000):
        fills = run(*plan)
    assert fills.exit_code == 2
    assert [file.name for file in (tmp_path / "plan").iterdir()] == ["same-room.json"]
    assert json.loads((tmp_path / "plan" / "same-room.json").read_text())["num_pairs"] == 2


def test_too_much_memory_is_refused_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leworld.cli._memory.available", lambda: 24e9)
    for arguments in (
        ["train", "tworoom", "--episodes", "1000000"],
        ["plan", model_folder(), "--samples", "9" * 12],
    ):
        refused = run(*arguments)
        assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
