"""n ranks of batch size b train as one process of batch size n * b does: losses, gradients, BatchNorm."""

import csv
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from leworld._random import seeded_globals
from leworld.training import Devices, train
from leworld.training._joint import joint_batch, single_batch
from tests.training.ranks import Apart, KeepGradients, normed_model
from tests.training.tiny import tiny_settings, tiny_windows

ROOT = Path(__file__).parents[2]
STEPS, JOINT = 3, 24
pytestmark = pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="needs gloo")


def trained(folder: Path, ranks: int, *, strategy: str = "ddp_fork", kind: type | None = None) -> None:
    (folder / "gradients").mkdir(parents=True, exist_ok=True)
    settings = tiny_settings(num_steps=STEPS, log_every=1, batch_size=JOINT // ranks, save_every=STEPS)
    model = normed_model()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the new processes' own imports
        train(
            model if kind is None else kind(model),
            tiny_windows(),
            folder=folder,
            settings=settings,
            progress=False,
            devices=Devices(ranks, "cpu", strategy),
            callbacks=[KeepGradients(folder / "gradients")],
        )


def rows(folder: Path) -> list[dict[str, float]]:
    with (folder / "metrics.csv").open() as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    trained(folder, 1, strategy="auto")
    return folder


def check_same(folder: Path, alone: Path, ranks: int) -> None:
    found, due = rows(folder), rows(alone)
    assert [row["step"] for row in found] == list(range(1, STEPS + 1))
    for row, expected in zip(found, due, strict=True):
        assert row.keys() == expected.keys()
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, rel=1e-4, abs=1e-5, nan_ok=True), name
            if name in ("loss", "prediction"):
                assert abs(row[name] - value) < 1e-5 * max(1, abs(value)), name
    for step in range(STEPS):
        expected = torch.load(alone / "gradients" / f"{step}-0.pt", weights_only=True)
        for rank in range(ranks):
            gradients = torch.load(folder / "gradients" / f"{step}-{rank}.pt", weights_only=True)
            for name, value in expected.items():
                # a bias before a BatchNorm has a gradient of 0, to rounding, which AdamW makes a step of:
                # from then on running means differ, and nothing that the model computes in training
                if "running_" not in name or step == 0:
                    torch.testing.assert_close(
                        gradients[name], value, atol=1e-5, rtol=1e-5, msg=lambda m, n=name: f"{n}: {m}"
                    )


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_ranks_train_as_one_process_does(ranks, tmp_path, alone):
    trained(tmp_path / "run", ranks)
    check_same(tmp_path / "run", alone, ranks)
    found = torch.load(alone / "gradients" / "0-0.pt", weights_only=True)
    assert sum("running_" in name for name in found) == 8  # of two convolutions and two projectors


def test_torchrun_starts_the_ranks(tmp_path, alone):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    folder = tmp_path / "run"
    done = subprocess.run(
        [*command, "-m", "tests.training.under_torchrun", str(folder)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    check_same(folder, alone, 2)


def test_ranks_that_judge_their_own_parts_are_seen(tmp_path, alone):
    trained(tmp_path / "run", 2, kind=Apart)
    with pytest.raises(AssertionError):
        check_same(tmp_path / "run", alone, 2)


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("kind", ["rows", "pictures"])
def test_batchnorm_over_a_group_of_one_is_torchs(kind, momentum, tmp_path, monkeypatch):
    """The arithmetic alone, in float64, and what it leaves behind."""
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        monkeypatch.setattr("leworld.training._joint.active_group", lambda _: torch.distributed.group.WORLD)
        with seeded_globals(0):
            make = nn.BatchNorm1d if kind == "rows" else nn.BatchNorm2d
            norm, twin = make(3, momentum=momentum).double(), make(3, momentum=momentum).double()
            shape = (7, 3) if kind == "rows" else (4, 3, 5, 2)
            inputs = (100 + torch.randn(shape, dtype=torch.float64)).requires_grad_()
            other = inputs.detach().clone().requires_grad_()
            push = torch.randn(shape, dtype=torch.float64)
        for module, given in ((norm, inputs), (twin, other)):
            model = nn.Sequential(module)
            if module is norm:
                with joint_batch(model):
                    (model(given) * push).sum().backward()
                assert "forward" not in vars(module)
            else:
                (model(given) * push).sum().backward()
        torch.testing.assert_close(inputs.grad, other.grad, rtol=1e-9, atol=1e-12)
        for name, value in twin.state_dict().items():
            torch.testing.assert_close(norm.state_dict()[name], value, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(norm.weight.grad, twin.weight.grad)
    finally:
        torch.distributed.destroy_process_group()


def test_what_was_asked_for_comes_back_after_the_block(monkeypatch):
    model = normed_model()
    groups = [part for part in model.modules() if "group" in vars(part)]
    assert groups
    with single_batch(model):
        assert all(part.group is None for part in groups)
    monkeypatch.setattr("leworld.training._joint.active_group", lambda _: object())
    with joint_batch(model):
        assert all(part.group == "world" for part in groups)
    assert all(part.group is None for part in groups)
    assert not any("forward" in vars(part) for part in model.modules())
