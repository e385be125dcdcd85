"""Over gloo ranks with unequal batches, loss and averaged gradient are those of one process."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from torch import Tensor, nn

from leworld.errors import ConfigError
from leworld.regularizers import ExactSIGReg, SIGReg
from tests.regularizers.conformance import draw

SIZES = {1: (17,), 2: (5, 12), 3: (3, 1, 13)}
MAKERS: dict[str, Callable[[str | None], nn.Module]] = {
    "sigreg": lambda group: SIGReg(32, group=group),
    "exact": lambda group: ExactSIGReg(group=group),
}


def _steps(model: nn.Module, inputs: Tensor, group: str | None) -> dict[str, list[Tensor]]:
    """Two steps of each regularizer: losses, then the gradients that they leave."""
    results = {}
    for name, make in MAKERS.items():
        model.zero_grad()
        regularizer = make(group)
        losses = []
        for _ in range(2):
            loss = regularizer(model(inputs))
            loss.backward()
            losses.append(loss.detach())
        results[name] = losses + [p.grad.clone() for p in model.parameters() if p.grad is not None]
    return results


def _work(rank: int, ranks: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=ranks)
    try:
        torch.manual_seed(0)
        model = nn.parallel.DistributedDataParallel(nn.Linear(6, 4, dtype=torch.float64))
        first = sum(SIZES[ranks][:rank])
        inputs = draw(2, 17, 6)[:, first : first + SIZES[ranks][rank]]
        torch.save(_steps(model, inputs, "world"), f"{folder}/{rank}.pt")
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_equals_one_process(ranks: int, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if ranks == 1:
        _work(0, 1, port, str(tmp_path))
    else:
        multiprocessing.spawn(_work, (ranks, port, str(tmp_path)), nprocs=ranks)
    torch.manual_seed(0)
    alone = _steps(nn.Linear(6, 4, dtype=torch.float64), draw(2, 17, 6), None)
    for rank in range(ranks):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name, expected in alone.items():
            torch.testing.assert_close(found[name], expected, rtol=1e-6, atol=1e-9)


def test_without_ranks_a_group_changes_nothing() -> None:
    embeddings = draw(9, 4)
    assert SIGReg(8, group="world")(embeddings) == SIGReg(8)(embeddings)
    with pytest.raises(ConfigError, match="group"):
        SIGReg(8, group="everyone")
