"""A run that was killed and resumed ends with the weights of one that was not, bit for bit."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from leworld.errors import CheckpointError, ConfigError
from leworld.training import train
from tests.training.tiny import fingerprint, tiny_model, tiny_settings, tiny_windows

ROOT = Path(__file__).parents[2]
KILLS = {"before-the-first-state": ("step", 3), "after-a-state": ("step", 16), "while-writing": ("write", 2)}
DTYPE = str(torch.get_default_dtype()).removeprefix("torch.")  # a process of its own begins with torch's


def run(folder: Path, **changes) -> str:
    settings = tiny_settings(**changes)
    return fingerprint(train(tiny_model(), tiny_windows(), folder=folder, settings=settings, progress=False))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    return folder, run(folder)


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> dict[str, Path]:
    """Start all doomed processes at once and wait for their ends."""
    folders = {name: tmp_path_factory.mktemp(name) for name in KILLS}
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-m", "tests.training.worker", str(folders[name]), where, str(step), DTYPE],
            cwd=ROOT,
            stderr=subprocess.PIPE,
        )
        for name, (where, step) in KILLS.items()
    }
    for name, process in processes.items():
        _, errors = process.communicate()
        assert process.returncode == -signal.SIGKILL, f"{name}: {errors.decode()}"
    return folders


@pytest.mark.parametrize("name", KILLS)
def test_a_killed_run_ends_with_the_same_weights(name, killed, uninterrupted):
    folder = killed[name]
    assert (folder / "state.ckpt").exists() == (name != "before-the-first-state")
    if name == "while-writing":
        assert list(folder.glob("state.ckpt.*.unfinished"))
    assert run(folder) == uninterrupted[1]
    assert (folder / "metrics.csv").read_text() == (uninterrupted[0] / "metrics.csv").read_text()


def test_a_finished_run_is_not_trained_again(uninterrupted):
    before = (uninterrupted[0] / "state.ckpt").read_bytes()
    assert run(uninterrupted[0]) == uninterrupted[1]
    assert (uninterrupted[0] / "state.ckpt").read_bytes() == before


def test_equal_seeds_agree_and_others_do_not(tmp_path, uninterrupted):
    torch.rand(7)  # the caller's random numbers play no part
    assert run(tmp_path / "same") == uninterrupted[1]
    assert run(tmp_path / "other", seed=1) != uninterrupted[1]


def test_training_leaves_the_global_generator_alone(tmp_path):
    generator = torch.get_rng_state()
    run(tmp_path, num_steps=2)
    assert torch.equal(torch.get_rng_state(), generator)
    assert not torch.are_deterministic_algorithms_enabled()


def test_another_run_is_not_resumed_by_mistake(uninterrupted):
    with pytest.raises(ConfigError, match="settings"):
        run(uninterrupted[0], seed=5)


def test_a_broken_state_is_refused(tmp_path, uninterrupted):
    whole = (uninterrupted[0] / "state.ckpt").read_bytes()
    (tmp_path / "state.ckpt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=r"state\.ckpt"):
        run(tmp_path)
    assert (
        fingerprint(
            train(
                tiny_model(),
                tiny_windows(),
                folder=tmp_path,
                settings=tiny_settings(),
                resume=False,
                progress=False,
            )
        )
        == (uninterrupted[1])
    )


def test_a_state_that_would_run_code_is_refused(tmp_path):
    class Payload:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "owned",))

    torch.save({"state_dict": Payload()}, tmp_path / "state.ckpt")
    with pytest.raises(CheckpointError):
        run(tmp_path)
    assert not (tmp_path / "owned").exists()
