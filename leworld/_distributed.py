"""Sums and gathers over ranks that gradients pass through; the identity when there is one process.

The gradient convention of sums and of gathered samples: every rank computes the same loss from what these
functions return, and DDP averages the ranks' gradients. So the backward pass multiplies by the number of
ranks instead of communicating, and after DDP's average each parameter has the gradient of one process that
holds all samples. Without DDP, divide by the number of ranks after summing over them.
"""

from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor

from ._transforms import transforming
from .errors import ConfigError

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


def check_group(owner: str, group: "ProcessGroup | str | None") -> None:
    """Raise `ConfigError` unless `group` is None, "world" or a process group."""
    named = isinstance(group, str)
    if group is None or (named and group == "world"):
        return
    if named or not (dist.is_available() and isinstance(group, dist.ProcessGroup)):
        raise ConfigError(
            f'{owner} needs `group` to be None, "world" or a torch.distributed process group',
            f"`group={group!r}` was given",
            'Pass "world" for all ranks, or what torch.distributed.new_group returned',
        )


def active_group(group: "ProcessGroup | str | None") -> "ProcessGroup | None":
    """Return the process group to communicate over, or None when there is nobody to talk to."""
    if group is None or not (dist.is_available() and dist.is_initialized()):
        return None
    found = dist.group.WORLD if isinstance(group, str) else group
    return found if found is not None and dist.get_world_size(found) > 1 else None


def sum_over_ranks(tensor: Tensor, group: "ProcessGroup | None") -> Tensor:
    """Return the sum of `tensor` over the ranks of `group`."""
    _check_backward_only(group)
    return tensor if group is None else _Sum.apply(tensor, group)  # pyright: ignore[reportReturnType] -- untyped


def sum_of_ranks_parts(tensor: Tensor, group: "ProcessGroup | None") -> Tensor:
    """Return the sum of `tensor` over ranks, each of which computes a loss of its own from it.

    Unlike after `sum_over_ranks`, whose ranks all compute the same loss, the gradient is summed over ranks.
    """
    _check_backward_only(group)
    return tensor if group is None else _SumOfParts.apply(tensor, group)  # pyright: ignore[reportReturnType] -- untyped


def mean_over_ranks(tensor: Tensor, group: "ProcessGroup | None") -> Tensor:
    """Return the mean of a tensor without gradient over ranks."""
    if group is None:
        return tensor
    total = tensor.detach().clone()
    dist.all_reduce(total, group=group)
    return total / dist.get_world_size(group)


def gather_samples(tensor: Tensor, group: "ProcessGroup | None") -> Tensor:
    """Concatenate (*batch, sample, dim) over ranks along `sample`, whose sizes may differ.

    Reads the sizes on the host, which on an accelerator waits for the device.
    """
    _check_backward_only(group)
    return tensor if group is None else _Gather.apply(tensor, group)  # pyright: ignore[reportReturnType] -- untyped


def _check_backward_only(group: "ProcessGroup | None") -> None:
    if group is not None and transforming():
        raise ConfigError(
            "A sum over ranks (`group`) knows backward mode only",
            "torch.func.vmap, grad or jvp, or forward mode, is active",
            "Use `.backward()` or `torch.autograd.grad`, or `group=None` on gathered samples",
        )


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, group: "ProcessGroup") -> Tensor:
        ctx.ranks = dist.get_world_size(group)
        result = tensor.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(result, group=group)
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0] * ctx.ranks, None


class _SumOfParts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, group: "ProcessGroup") -> Tensor:
        ctx.group = group
        result = tensor.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(result, group=group)
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        total = grads[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=ctx.group)
        return total, None


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, group: "ProcessGroup") -> Tensor:
        ctx.ranks, rank = dist.get_world_size(group), dist.get_rank(group)
        size = torch.tensor([tensor.shape[-2]], dtype=torch.int64, device=tensor.device)
        sizes = [torch.empty_like(size) for _ in range(ctx.ranks)]
        dist.all_gather(sizes, size, group=group)
        counts = [int(count) for count in sizes]
        padded = tensor.new_zeros((*tensor.shape[:-2], max(counts), tensor.shape[-1]))
        padded[..., : tensor.shape[-2], :] = tensor
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded, group=group)
        ctx.first, ctx.count = sum(counts[:rank]), counts[rank]
        return torch.cat([part[..., :count, :] for part, count in zip(parts, counts, strict=True)], dim=-2)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0].narrow(-2, ctx.first, ctx.count) * ctx.ranks, None
