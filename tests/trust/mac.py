"""A pretended MPS device: its tensors hold numbers on the CPU, and refuse the dtypes that MPS lacks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("mps:0")
LACKING = (torch.float64, torch.complex128)
ASKS = (
    Tensor.__getitem__,
    Tensor.__setitem__,
    Tensor.__invert__,
    Tensor.__and__,
    Tensor.__int__,
    Tensor.sum,
)


class MacTensor(Tensor):
    """Says that it is on "mps"; the numbers are in `held`."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> "MacTensor":
        if held.dtype in LACKING:
            raise TypeError(f"Cannot convert a MPS Tensor to {held.dtype}, the MPS framework lacks it")
        with _disable_current_modes():
            elem = held.to("meta")
        made = Tensor._make_subclass(cls, elem, False, dispatch_device=True, device_for_backend_keys=DEVICE)
        made.held = held
        return made

    @property
    def device(self) -> torch.device:  # pyright: ignore[reportIncompatibleVariableOverride] -- pretended
        return DEVICE

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.prim.device.default:
            return DEVICE
        raise RuntimeError("a pretended MPS tensor left the block that knows it")

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do on the numbers what asks the driver of the device which one is current."""
        if func in ASKS:
            bare_args, bare_options = tree_map(_bare, (args, kwargs or {}))
            with _disable_current_modes():
                found = func(*bare_args, **bare_options)
            return _dressed(found)
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))


class _Mac(TorchDispatchMode):
    """The device "mps" exists, and what it lacks or mixes with the CPU raises."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.prim.device.default:
            return args[0].device
        options = dict(kwargs or {})
        tensors = [leaf for leaf in tree_flatten((args, options))[0] if isinstance(leaf, Tensor)]
        there = any(isinstance(tensor, MacTensor) for tensor in tensors)
        if options.get("device") is not None:
            there = torch.device(options["device"]).type == "mps"
            options["device"] = torch.device("cpu")
        elif func is torch.ops.aten.copy_.default:
            there = isinstance(args[0], MacTensor)
        elif there and any(tensor.ndim and not isinstance(tensor, MacTensor) for tensor in tensors):
            raise RuntimeError(f"{func} mixes mps and cpu")
        bare_args, bare_options = tree_map(_bare, (args, options))
        with _disable_current_modes():
            found = func(*bare_args, **bare_options)
        if func is torch.ops.aten._local_scalar_dense.default:
            return found
        if func._schema.is_mutable and args and isinstance(args[0], Tensor):
            return args[0]
        return tree_map(_dressed, found) if there else found


@contextmanager
def mac() -> Iterator[None]:
    """Pretend for a while that there is a device "mps".

    torch looks for the real device unless a mode of fake tensors is active; it is never reached.
    """
    with FakeTensorMode(allow_non_fake_inputs=True), _Mac():
        yield


def _bare(leaf: Any) -> Any:
    return leaf.held if isinstance(leaf, MacTensor) else leaf


def _dressed(leaf: Any) -> Any:
    return MacTensor(leaf) if isinstance(leaf, Tensor) and not isinstance(leaf, MacTensor) else leaf
