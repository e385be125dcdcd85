"""One batch over all ranks: regularizers and BatchNorm that judge it as one process would."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import SyncBatchNorm, _BatchNorm

from .._distributed import active_group, sum_of_ranks_parts

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@contextmanager
def joint_batch(model: nn.Module) -> Iterator[None]:
    """Within the block, what compares the samples of a batch compares those of all ranks.

    That is every part with an attribute `group` that is None, which becomes "world", and every BatchNorm in
    training mode, which takes mean and variance over all ranks. After the block all is as it was, for the
    backward pass too. Without other ranks nothing changes.
    """
    group = active_group("world")
    if group is None:
        yield
        return
    parts = list(model.modules())
    judges = [part for part in parts if "group" in vars(part) and part.group is None]
    norms = [
        part
        for part in parts
        if isinstance(part, _BatchNorm) and not isinstance(part, SyncBatchNorm) and part.training
    ]
    try:
        for part in judges:
            vars(part)["group"] = "world"
        for norm in norms:
            vars(norm)["forward"] = partial(_normalised, norm, group)
        yield
    finally:
        for part in judges:
            vars(part)["group"] = None
        for norm in norms:
            vars(norm).pop("forward", None)


@contextmanager
def single_batch(model: nn.Module) -> Iterator[None]:
    """Within the block, nothing in `model` talks to other ranks, also where its user asked for that."""
    groups = [(part, part.group) for part in model.modules() if "group" in vars(part)]
    for part, _ in groups:
        vars(part)["group"] = None
    try:
        yield
    finally:
        for part, group in groups:
            vars(part)["group"] = group


def _normalised(norm: _BatchNorm, group: "ProcessGroup", inputs: Tensor) -> Tensor:
    """Return what torch's BatchNorm returns for the inputs of all ranks, laid end to end, in its own part.

    torch's SyncBatchNorm does not run on a CPU. Each rank sends the count, mean and squared deviations of its
    own samples, which are then merged (Chan, Golub and LeVeque, 1979), so that no large numbers cancel.
    """
    norm._check_input_dim(inputs)
    wide = inputs if inputs.dtype == torch.float64 else inputs.float()
    axes = [axis for axis in range(inputs.ndim) if axis != 1]
    count = wide.numel() // wide.shape[1]
    mean = wide.mean(axes)
    squares = (wide - _along(mean, wide)).square().sum(axes)
    counts, means, deviations = _of_ranks(count, mean, squares, group)
    total = counts.sum()
    shares = (counts / total)[:, None]
    joint = (shares * means).sum(0)
    variance = (deviations.sum(0) + (counts[:, None] * (means - joint).square()).sum(0)) / total
    if norm.track_running_stats:
        _remember(norm, joint.detach(), variance.detach() * (total / (total - 1)))
    result = (wide - _along(joint, wide)) * _along((variance + norm.eps).rsqrt(), wide)
    if norm.weight is not None:
        result = result * _along(norm.weight, wide)
    if norm.bias is not None:
        result = result + _along(norm.bias, wide)
    return result.to(inputs.dtype)


def _of_ranks(
    count: int, mean: Tensor, squares: Tensor, group: "ProcessGroup"
) -> tuple[Tensor, Tensor, Tensor]:
    """Return counts (rank), means (rank, dim) and squared deviations (rank, dim) of all ranks."""
    own = torch.cat([mean.new_full((1,), count), mean, squares])
    place = dist.get_rank(group)
    padded = [own if rank == place else torch.zeros_like(own) for rank in range(dist.get_world_size(group))]
    table = sum_of_ranks_parts(torch.stack(padded), group)
    return table[:, 0], table[:, 1 : 1 + len(mean)], table[:, 1 + len(mean) :]


def _along(values: Tensor, like: Tensor) -> Tensor:
    """Lay one value a channel along the second axis."""
    return values.reshape(1, -1, *[1] * (like.ndim - 2))


@torch.no_grad()
def _remember(norm: Any, mean: Tensor, variance: Tensor) -> None:
    """Move the running statistics as torch does."""
    norm.num_batches_tracked.add_(1)
    share = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    for running, new in ((norm.running_mean, mean), (norm.running_var, variance)):
        running.mul_(1 - share).add_(new.to(running.dtype), alpha=share)
