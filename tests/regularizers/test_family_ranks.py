"""Two gloo ranks with unequal batches: every member equals one process that holds all samples."""

import os
import socket
from collections.abc import Callable

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

from leworld.normality import BHEP, CramerVonMises
from leworld.regularizers import (
    Centred,
    MultivariateNormality,
    PLDMTerms,
    RDMReg,
    SIGReg,
    SlicedNormality,
    SubspaceSIGReg,
    TemporalVCReg,
    VCReg,
    VICReg,
    VISReg,
    WeakSIGReg,
)
from tests.regularizers.conformance import draw

SIZES = (4, 9)


class _TwoViews(nn.Module):
    def __init__(self, group: str | None) -> None:
        super().__init__()
        self.vicreg = VICReg(group=group)

    def forward(self, embeddings: Tensor) -> Tensor:
        return self.vicreg(embeddings, 0.5 * embeddings + 0.1)


class _Trajectories(nn.Module):
    """A loss over trajectories, given (time, batch, dim)."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, embeddings: Tensor) -> Tensor:
        paths = 0.3 * embeddings.transpose(0, 1)
        actions = (paths,) if isinstance(self.loss, PLDMTerms) else ()
        return self.loss(paths, *actions)


MAKERS: dict[str, Callable[[str | None], nn.Module]] = {
    "sliced": lambda group: SlicedNormality(CramerVonMises(), 8, group=group),
    "sigreg": lambda group: SIGReg(8, directions="sobol", group=group),
    "multivariate": lambda group: MultivariateNormality(BHEP(0.5), group=group),
    "subspace": lambda group: SubspaceSIGReg(2, num_slices=4, group=group),
    "visreg": lambda group: VISReg(8, group=group),
    "vcreg": lambda group: VCReg(group=group),
    "weak": lambda group: WeakSIGReg(2, group=group),
    "vicreg": _TwoViews,
    "rdmreg": lambda group: RDMReg(8, group=group),
    "centred": lambda group: _Trajectories(Centred(SIGReg(8, group=group), window=None)),
    "time": lambda group: _Trajectories(TemporalVCReg(1.0, 1.0, group=group)),
    "time_own": lambda group: _Trajectories(TemporalVCReg(1.0, 1.0, centred="time", group=group)),
    "pldm": lambda group: _Trajectories(
        PLDMTerms(time_covariance_weight=1.0, similarity_weight=0.0, group=group)
    ),
}


def _judge(model: nn.Module, inputs: Tensor, group: str | None) -> dict[str, tuple[float, list[Tensor]]]:
    found = {}
    for name, make in MAKERS.items():
        model.zero_grad()
        loss = make(group)(model(inputs))
        loss.backward()
        found[name] = (loss.item(), [p.grad.clone() for p in model.parameters() if p.grad is not None])
    return found


def _work(rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=len(SIZES))
    try:
        torch.manual_seed(0)
        model = nn.parallel.DistributedDataParallel(nn.Linear(6, 4, dtype=torch.float64))
        first = sum(SIZES[:rank])
        inputs = draw(2, sum(SIZES), 6)[:, first : first + SIZES[rank]]
        torch.save(_judge(model, inputs, "world"), f"{folder}/{rank}.pt")
    finally:
        dist.destroy_process_group()


def test_every_member_equals_one_process(tmp_path: os.PathLike[str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    spawn(_work, (port, str(tmp_path)), nprocs=len(SIZES))
    torch.manual_seed(0)
    alone = _judge(nn.Linear(6, 4, dtype=torch.float64), draw(2, sum(SIZES), 6), None)
    for rank in range(len(SIZES)):
        ranks = torch.load(f"{tmp_path}/{rank}.pt", weights_only=True)
        for name, (loss, gradients) in alone.items():
            assert ranks[name][0] == pytest.approx(loss, rel=1e-9), name
            for found, due in zip(ranks[name][1], gradients, strict=True):
                torch.testing.assert_close(
                    found, due, rtol=1e-7, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}"
                )
