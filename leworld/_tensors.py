"""The tensors of a module as a file can hold them, and modules that have shapes but no tensors yet."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from ._checks import check_finite, describe, has_finite_sum, quoted
from ._random import usual_defaults
from .errors import CheckpointError, ConfigError

_SHADOW: ContextVar[bool] = ContextVar("shapes_only", default=False)
_EXTRA_STATE = "_extra_state"
_PIECE = 2**18  # entries

# What a file of weights holds, by the names of safetensors.
STORED_DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8",
    torch.bool: "BOOL",
}  # fmt: skip

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
    if has_finite_sum(tensor):
        return True
    pieces = tensor.reshape(-1).split(_PIECE)
    return not tensor.is_floating_point() or all(bool(piece.isfinite().all()) for piece in pieces)


def check_storable(module: nn.Module) -> None:
    """Raise `CheckpointError` unless a file can hold the tensors of `module`, whatever their values.

    Refused are two names that share memory, since loading would part them; tensors without memory; and kinds
    that `load_module` does not read.
    """
    owners: dict[tuple[int, str], str] = {}
    for name, value in tensor_state(module).items():
        if is_lazy(value) or value.is_meta:
            raise CheckpointError(
                "Saving needs tensors that have their values",
                f"`{name}` is not initialised yet"
                if not value.is_meta
                else f"`{name}` is on the meta device",
                "Run the module once on an example, or load its weights, before it is saved",
            )
        if value.layout is not torch.strided or value.is_quantized or value.dtype not in STORED_DTYPES:
            raise CheckpointError(
                f"Saving needs dense tensors of type {quoted(STORED_DTYPES.values())}",
                f"`{name}` is {describe(value)} ({value.layout})",
                "Keep it in one of these types, or register the buffer with `persistent=False`",
            )
        owner = owners.setdefault((value.untyped_storage().data_ptr(), str(value.device)), name)
        if owner != name and value.numel():
            raise CheckpointError(
                "Saving needs every tensor to own its memory",
                f"`{name}` shares it with `{owner}`",
                "Build the model with separate modules, or clone the tensor",
            )


def checked_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return the tensor state of `module` as a file can hold it: detached, on the CPU, contiguous.

    Raises:
        NonFiniteError: if a tensor holds NaN or infinity.
        CheckpointError: if `check_storable` refuses one.
    """
    check_storable(module)
    tensors: dict[str, Tensor] = {}
    for name, value in tensor_state(module).items():
        check_finite(
            "Saving", name, value, fix="Find the step at which training diverged, and save before it"
        )
        tensors[name] = value.detach().to("cpu").contiguous()
    return tensors


@final
@dataclass(frozen=True)
class Bounds:
    """What a module may cost to build whose tensors are those of a file.

    Args:
        tensors: Number of tensors in the file.
        nbytes: Their bytes together.
    """

    tensors: int
    nbytes: int

    @property
    def steps(self) -> int:
        """Return how many functions of torch and registrations of parts and tensors building may take."""
        return 8_000 + 40 * self.tensors

    @property
    def memory(self) -> int:
        """Return how many bytes all tensors that are made meanwhile, temporary ones too, may take."""
        return 2**27 + 8 * self.nbytes


@contextmanager
def shapes_only(bounds: Bounds | None = None) -> Iterator[None]:
    """Build modules that have shapes but neither memory nor values while the block lasts.

    With `bounds`, building raises `ConfigError` where it would cost more than they allow.
    """
    watch = None if bounds is None else _Watch(bounds)
    parts = contextlib.nullcontext() if watch is None else watch.parts()
    token = _SHADOW.set(True)
    try:
        with usual_defaults(), torch.device("meta"), _NoDraws(watch), parts:
            yield
    finally:
        _SHADOW.reset(token)


def home() -> torch.device:
    """Return where a part builds its tensors whatever torch's default: the CPU; in `shapes_only` nowhere."""
    return torch.device("meta" if _SHADOW.get() else "cpu")


@contextmanager
def zero_parameters() -> Iterator[None]:
    """Build modules whose initial parameters are not drawn while the block lasts: they are read anyway.

    What a constructor draws into anything else, such as a seeded buffer, is drawn.
    """
    with usual_defaults(), _NoParameterDraws():
        yield


@final
class _Watch:
    """Counts what building takes, and stops it."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.steps = self.memory = 0

    def step(self, made: object = None, given: Sequence[object] = ()) -> None:
        """Count one step, and the memory of what it made."""
        self.steps += 1
        if isinstance(made, Tensor) and not any(made is one for one in given) and made._base is None:
            self.memory += made.nbytes
        if self.steps > self.bounds.steps or self.memory > self.bounds.memory:
            what = f"{self.bounds.tensors} tensors of {self.bounds.nbytes} bytes together"
            raise ConfigError(
                f"A module needs to be as large as its stored weights, {what}",
                "building it takes far more"
                + (f" ({self.memory} bytes)" if self.memory > self.bounds.memory else " parts"),
                "Check that config.json and the weights belong together, and do not trust their source",
            )

    @contextmanager
    def parts(self) -> Iterator[None]:
        """Count the modules that this thread makes, and what they register, while the block lasts."""
        thread = threading.get_ident()

        def count(*_: object) -> None:
            if threading.get_ident() == thread:
                self.step()

        with _counted_modules(count):
            yield


_COUNTERS: list[Callable[[], None]] = []
_COUNTERS_LOCK = threading.Lock()
_MAKE = nn.Module.__init__


def _make_counted(self: nn.Module, *args: Any, **kwargs: Any) -> None:
    for count in tuple(_COUNTERS):
        count()
    _MAKE(self, *args, **kwargs)


@contextmanager
def _counted_modules(count: Callable[..., None]) -> Iterator[None]:
    """Call `count` for every module that is made, and for every part or tensor that one registers."""
    registries = torch.nn.modules.module
    hooks = [
        registries.register_module_module_registration_hook(count),
        registries.register_module_parameter_registration_hook(count),
        registries.register_module_buffer_registration_hook(count),
    ]
    with _COUNTERS_LOCK:
        _COUNTERS.append(count)
        nn.Module.__init__ = _make_counted
    try:
        yield
    finally:
        with _COUNTERS_LOCK:
            _COUNTERS.remove(count)
            if not _COUNTERS:
                nn.Module.__init__ = _MAKE
        for hook in hooks:
            hook.remove()


class _NoDraws(TorchFunctionMode):
    """Leave new random tensors empty: on the meta device, drawing them imports sympy, 40 MB for nothing."""

    def __init__(self, watch: _Watch | None) -> None:
        super().__init__()
        self.watch = watch

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = dict(kwargs or {})
        if func in (torch.randn, torch.rand):
            func = torch.empty
            options.pop("generator", None)
        made = func(*args, **options)
        if self.watch is not None:
            self.watch.step(made, args)
        return made


class _NoParameterDraws(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.Tensor.normal_, torch.Tensor.uniform_) and isinstance(args[0], nn.Parameter):
            return args[0].zero_()
        return func(*args, **(kwargs or {}))
