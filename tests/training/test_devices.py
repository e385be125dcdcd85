"""Devices of a run, as given and as launchers say."""

import pytest

from leworld.errors import ConfigError
from leworld.training import Devices
from leworld.training._devices import devices_of

VARIABLES = ("TORCHELASTIC_RUN_ID", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "SLURM_NTASKS", "SLURM_NNODES")
TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "16", "LOCAL_WORLD_SIZE": "8"}


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variables", "nodes"),
    [
        ({}, 1),
        (TORCHRUN, 2),
        ({"WORLD_SIZE": "16", "LOCAL_WORLD_SIZE": "8"}, 1),  # of some other program
        ({"SLURM_NTASKS": "16", "SLURM_NNODES": "2"}, 2),
        ({"SLURM_NNODES": "2"}, 1),  # a shell in an allocation
        ({"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "many"}, 1),
    ],
)
def test_machines_are_counted_by_the_launcher(variables, nodes, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Devices(8).nodes == nodes
    assert Devices(8).total == 8 * nodes
    assert Devices(8, num_nodes=3).total == 24


def test_a_number_is_enough():
    assert devices_of(2, owner="train") == Devices(2)
    chosen = Devices(2, "cpu", "ddp_spawn")
    assert devices_of(chosen, owner="train") is chosen


def test_another_number_than_torchruns_is_refused(monkeypatch):
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    assert devices_of(8, owner="train").total == 16
    with pytest.raises(ConfigError, match="torchrun started 8") as caught:
        devices_of(1, owner="train")
    assert "devices=8" in caught.value.fix
