"""What a run is computed on."""

import os
from dataclasses import dataclass
from typing import final

from .._checks import check_number, describe, plain_numbers
from ..errors import ConfigError


@final
@plain_numbers
@dataclass(frozen=True)
class Devices:
    """The devices of a run, and how they work together, as Lightning names it.

    Their number decides the result, since every device takes `batch_size` windows a step; the rest does not,
    but for the last bits.

    Args:
        count: Devices of one machine.
        accelerator: "auto", "cpu", "gpu", "mps", ...
        strategy: "auto", "ddp", "ddp_spawn", "ddp_find_unused_parameters_true", ...
        num_nodes: Machines; None asks torchrun's and Slurm's variables, and is 1 without them.

    Attributes:
        total: Devices of all machines.

    Raises:
        ConfigError: A number is out of range, or not what torchrun was started with.

    Example:
        ```python
        from leworld.training import Devices

        assert Devices(8, "gpu", num_nodes=2).total == 16
        ```
    """

    count: int = 1
    accelerator: str = "auto"
    strategy: str = "auto"
    num_nodes: int | None = None

    def __post_init__(self) -> None:
        check_number("Devices", "count", self.count, low=1, integer=True)
        for name in ("accelerator", "strategy"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise ConfigError(
                    f"Devices needs `{name}` to be one of Lightning's names",
                    f"it is {describe(value)}",
                    'Pass for example "auto"',
                )
        if self.num_nodes is not None:
            check_number("Devices", "num_nodes", self.num_nodes, low=1, integer=True)

    @property
    def total(self) -> int:
        """Number of devices of all machines."""
        return self.count * self.nodes

    @property
    def nodes(self) -> int:
        """Number of machines, as given or as the launcher says."""
        return _launched_nodes() if self.num_nodes is None else self.num_nodes


def devices_of(devices: int | Devices, *, owner: str) -> Devices:
    """Return devices from what a user gave, after a look at what the launcher started."""
    if not isinstance(devices, Devices):
        check_number(owner, "devices", devices, low=1, integer=True)
        devices = Devices(int(devices))
    started = _number("LOCAL_WORLD_SIZE")
    if started is not None and "TORCHELASTIC_RUN_ID" in os.environ and started != devices.count:
        raise ConfigError(
            f"{owner} needs `devices` to be the processes that torchrun started on a machine",
            f"it is {devices.count}, and torchrun started {started}",
            f"Pass `devices={started}`, or `--nproc-per-node {devices.count}` to torchrun",
        )
    return devices


def _launched_nodes() -> int:
    if "TORCHELASTIC_RUN_ID" in os.environ:
        total, local = _number("WORLD_SIZE"), _number("LOCAL_WORLD_SIZE")
        return max(1, total // local) if total and local else 1
    return (_number("SLURM_NNODES") or 1) if "SLURM_NTASKS" in os.environ and _number("SLURM_NTASKS") else 1


def _number(name: str) -> int | None:
    text = os.environ.get(name, "")
    return int(text) if text.isdigit() else None
