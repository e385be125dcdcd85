"""The tensors of a module as a file can hold them, and modules that have shapes but no tensors yet."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ._checks import check_finite
from ._random import usual_defaults
from .errors import CheckpointError

_EXTRA_STATE = "_extra_state"
_PIECE = 2**18  # entries

# Modules that stand around another one, and the attribute that holds it.
_WRAPPERS = {
    ("torch._dynamo.eval_frame", "OptimizedModule"): "_orig_mod",
    ("torch.nn.parallel.distributed", "DistributedDataParallel"): "module",
    ("torch.nn.parallel.data_parallel", "DataParallel"): "module",
    ("torch.optim.swa_utils", "AveragedModel"): "module",
}


def wrapped_attribute(module: nn.Module) -> str | None:
    """Return the attribute that holds the module which this one of torch's wrappers wraps; else None."""
    found = (_WRAPPERS.get((cls.__module__, cls.__name__)) for cls in type(module).__mro__)
    return next((name for name in found if name is not None), None)


def unwrapped(module: nn.Module) -> nn.Module:
    """Return what `torch.compile`, data parallelism or weight averaging wrap; else `module`."""
    while (name := wrapped_attribute(module)) is not None:
        module = getattr(module, name)
    return module


def parts(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield every module in `module` with its name, wrappers left out; one that stands twice comes twice."""
    module = unwrapped(module)
    yield prefix, module
    for name, child in module._modules.items():
        if child is not None:
            yield from parts(child, f"{prefix}.{name}" if prefix else name)


def tensor_state(module: nn.Module) -> dict[str, Tensor]:
    """Return parameters and persistent buffers, no extra state, under names that know no wrapper."""
    state = {
        name: value
        for name, value in module.state_dict(keep_vars=True).items()
        if name.rpartition(".")[2] != _EXTRA_STATE
    }
    wrappers = [(name, wrapped_attribute(part)) for name, part in module.named_modules()]
    for name, attribute in reversed([pair for pair in wrappers if pair[1]]):
        outer = f"{name}." if name else ""
        inner = f"{outer}{attribute}."
        state = {
            outer + key.removeprefix(inner) if key.startswith(inner) else key: value
            for key, value in state.items()
            if key.startswith(inner) or not key.startswith(outer)  # not what the wrapper itself counts
        }
    return state


def is_finite(tensor: Tensor) -> bool:
    """Whether no entry is NaN or infinite, found out a piece at a time: a test of all at once copies all."""
    pieces = tensor.reshape(-1).split(_PIECE)
    return not tensor.is_floating_point() or all(bool(piece.isfinite().all()) for piece in pieces)


def checked_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return the tensor state of `module` as a file can hold it: detached, on the CPU, contiguous.

    Raises:
        NonFiniteError: if a tensor holds NaN or infinity.
        CheckpointError: if two names share memory, since loading would part them.
    """
    tensors: dict[str, Tensor] = {}
    owners: dict[tuple[int, str], str] = {}
    for name, value in tensor_state(module).items():
        check_finite(
            "Saving", name, value, fix="Find the step at which training diverged, and save before it"
        )
        owner = owners.setdefault((value.untyped_storage().data_ptr(), str(value.device)), name)
        if owner != name and value.numel():
            raise CheckpointError(
                "Saving needs every tensor to own its memory",
                f"`{name}` shares it with `{owner}`",
                "Build the model with separate modules, or clone the tensor",
            )
        tensors[name] = value.detach().to("cpu").contiguous()
    return tensors


@contextmanager
def shapes_only() -> Iterator[None]:
    """Build modules that have shapes but neither memory nor values while the block lasts."""
    with usual_defaults(), torch.device("meta"), _NoDraws():
        yield


@contextmanager
def zero_parameters() -> Iterator[None]:
    """Build modules whose initial parameters are not drawn while the block lasts: they are read anyway.

    What a constructor draws into anything else, such as a seeded buffer, is drawn.
    """
    with usual_defaults(), _NoParameterDraws():
        yield


class _NoDraws(TorchFunctionMode):
    """Leave new random tensors empty: on the meta device, drawing them imports sympy, 40 MB for nothing."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = dict(kwargs or {})
        if func in (torch.randn, torch.rand):
            func = torch.empty
            options.pop("generator", None)
        return func(*args, **options)


class _NoParameterDraws(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.Tensor.normal_, torch.Tensor.uniform_) and isinstance(args[0], nn.Parameter):
            return args[0].zero_()
        return func(*args, **(kwargs or {}))
