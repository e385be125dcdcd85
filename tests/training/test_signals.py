"""A run that is told to end keeps its state, says how it goes on, and ends as its signal would end it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from leworld.training import train
from tests._source import ROOT
from tests.training.tiny import fingerprint, tiny_model, tiny_settings, tiny_windows

DTYPE = str(torch.get_default_dtype())
ENDED = {"SIGTERM": 143, "SIGINT": 130}
SETTINGS = {"num_steps": 6, "save_every": 4, "log_every": 1}
SIGNALLED = f"""
import os, signal, sys
import torch
from leworld.training import WorldModelModule

torch.set_default_dtype({DTYPE})
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell ignores for background jobs
losses, at, sent = WorldModelModule.losses, int(sys.argv[2]), getattr(signal, sys.argv[1])

def signalled(self, raw, *, step):
    if step == at:
        os.kill(os.getpid(), sent)
    return losses(self, raw, step=step)

WorldModelModule.losses = signalled
"""
CALL = f"""
from leworld.training import train
from tests.training.tiny import tiny_model, tiny_settings, tiny_windows

settings = tiny_settings(num_workers=int(sys.argv[4]), **{SETTINGS})
train(tiny_model(), tiny_windows(), folder=sys.argv[3], settings=settings, progress=False)
"""
COMMAND = """
from leworld.cli import main

sys.argv = ["leworld", *sys.argv[3:]]
main()
"""


def ended(script: str, *arguments: object) -> tuple[int, str]:
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SIGNALLED + script, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return process.returncode, process.stderr


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> str:
    return resumed(tmp_path_factory.mktemp("whole"))


def resumed(folder: Path) -> str:
    settings = tiny_settings(**SETTINGS)
    return fingerprint(train(tiny_model(), tiny_windows(), folder=folder, settings=settings, progress=False))


@pytest.mark.parametrize(
    ("name", "at", "kept", "workers"),
    [("SIGTERM", 2, 3, 0), ("SIGTERM", 3, 4, 0), ("SIGTERM", 4, 5, 1), ("SIGINT", 5, 4, 0)],
)
def test_a_run_that_is_told_to_end_goes_on_to_the_bit(
    name: str, at: int, kept: int, workers: int, tmp_path: Path, whole: str
) -> None:
    """SIGTERM waits for the step and saves it; Ctrl-C comes within one and leaves the state before."""
    code, told = ended(CALL, name, at, tmp_path, workers)
    assert code == (ENDED[name] if name == "SIGTERM" else -signal.SIGINT), told
    assert f"{tmp_path / 'state.ckpt'} has its step {kept}: the same call goes on from there" in told
    state = torch.load(tmp_path / "state.ckpt", weights_only=True)
    assert state["global_step"] == kept
    assert len(state["leworld_rows"]) == kept
    assert resumed(tmp_path) == whole
    assert torch.load(tmp_path / "state.ckpt", weights_only=True)["leworld_rows"][-1]["step"] == 6


def test_what_was_ended_before_its_first_state_says_so(tmp_path: Path) -> None:
    code, told = ended(CALL, "SIGINT", 1, tmp_path, 0)
    assert code == -signal.SIGINT
    assert "It has saved no state: the same call begins anew" in told


@pytest.mark.parametrize(
    ("command", "name"), [("train", "SIGTERM"), ("tune", "SIGTERM"), ("train", "SIGINT")]
)
def test_commands_end_with_the_code_of_the_signal(name: str, command: str, tmp_path: Path) -> None:
    options = ["--steps", 4, "--episodes", 3, "--out", tmp_path / "run"]
    code, told = ended(COMMAND, name, 2, command, "tworoom", *options)
    assert code == ENDED[name], told
    assert "Training was ended by" in told
    assert "Traceback" not in told
    states = [torch.load(path, weights_only=True) for path in tmp_path.rglob("state.ckpt")]
    assert [state["global_step"] for state in states] == ([3] if name == "SIGTERM" else [])
