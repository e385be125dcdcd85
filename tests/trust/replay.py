"""Runs a docstring's example so that the package works under other global settings than the example itself.

In the example's source every call goes through `Replay.call`. What belongs to the package runs under the
settings at hand, and what it returns is noted; all else (torch, numpy, what the example defines) runs under
torch's own defaults, since it stands for what a user passes in.
"""

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Setting = Callable[[], AbstractContextManager[object]]
# Rooms whose modules hold parameters, which torch makes in its default dtype and on its default device
# by convention. All other objects are constructed under the settings at hand.
_NETWORKS = (
    "encoders",
    "predictors",
    "decoders",
    "nn",
    "models",
    "heads",
    "control._inverse_model",
    "_inverse_dynamics",
)
_CLOCKS = {
    "milliseconds",
    "seconds",
    "median_milliseconds",
    "training_seconds",
    "pretraining_seconds",
}  # what a clock says is no result


@contextmanager
def plain() -> Iterator[None]:
    """Torch's defaults, as they are before anybody changes them."""
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.device("cpu"), torch.enable_grad():
            yield
    finally:
        torch.set_default_dtype(dtype)


def example(value: object) -> str:
    """Return the source of an object's example."""
    blocks = re.findall(r"```python\n(.*?)```", inspect.getdoc(value) or "", re.DOTALL)
    return "\n".join(textwrap.dedent(block) for block in blocks)


class Replay(ast.NodeTransformer):
    """Notes what the calls of the package return while an example runs."""

    def __init__(self, setting: Setting = nullcontext, owner: str = "leworld") -> None:
        self._setting = setting
        self._owner = owner
        self.noted: list[tuple[str, Any]] = []

    def run(self, source: str) -> "Replay":
        tree = ast.fix_missing_locations(self.visit(ast.parse(source)))
        with plain():
            torch.manual_seed(0)
            exec(compile(tree, "example", "exec"), {"__name__": "__example__", "_call": self.call})
        return self

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "super":
            return node
        return ast.Call(ast.Name("_call", ast.Load()), [node.func, *node.args], node.keywords)

    def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        if not self._is_ours(function):
            with plain():  # the package may be calling what the example defines
                return function(*args, **kwargs)
        with self._setting():
            result = function(*args, **kwargs)
        if isinstance(result, nn.Module) and inspect.isclass(function):
            return result  # what a constructor leaves in a module before it is used is no result
        # copied at once: the example may go on and change it
        self.noted.extend((f"{name_of(function)}{path}", copied) for path, copied in numbers(result))
        return result

    def _is_ours(self, function: Any) -> bool:
        maker = getattr(function, "__self__", None)  # of a class method that constructs
        function = maker if inspect.isclass(maker) else function
        kind = function if inspect.isclass(function) else type(function)
        if inspect.isclass(function) and issubclass(function, nn.Module):
            return self._owns(kind.__module__) and not any(room in kind.__module__ for room in _NETWORKS)
        module = getattr(function, "__module__", None) or ""
        return self._owns(kind.__module__) or self._owns(module)

    def _owns(self, module: str) -> bool:
        return module.split(".")[0] == self._owner


def name_of(function: Any) -> str:
    return getattr(function, "__qualname__", type(function).__name__)


def numbers(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield every number, array and tensor in a result with where it stands, copied."""
    if isinstance(value, Tensor):
        yield path, value.detach().clone()
    elif isinstance(value, np.ndarray):
        yield path, value.copy()
    elif isinstance(value, bool | int | float | np.generic):
        yield path, value
    elif depth > 6:
        return
    elif isinstance(value, nn.Module):
        for name, tensor in value.state_dict().items():
            if isinstance(tensor, Tensor):
                yield f"{path}.{name}", tensor.detach().clone()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            if field.name not in _CLOCKS:
                yield from numbers(getattr(value, field.name), f"{path}.{field.name}", depth + 1)
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from numbers(part, f"{path}[{name!r}]", depth + 1)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from numbers(part, f"{path}[{index}]", depth + 1)


def differences(one: list[tuple[str, Any]], other: list[tuple[str, Any]], *, exact: bool) -> list[str]:
    """Say in which numbers two runs differ: kind, value, dtype, device; without `exact`, beyond rounding."""
    if [name for name, _ in one] != [name for name, _ in other]:
        return ["other results: " + ", ".join(sorted({n for n, _ in one} ^ {n for n, _ in other})[:5])]
    found = []
    for (name, left), (_, right) in zip(one, other, strict=True):
        kinds = [(type(v), getattr(v, "dtype", None), getattr(v, "device", None)) for v in (left, right)]
        if kinds[0] != kinds[1]:
            found.append(f"{name}: {kinds[0]} and {kinds[1]}")
        elif not _equal(left, right, exact):
            found.append(f"{name}: {left} and {right}")
    return found


def _equal(left: Any, right: Any, exact: bool) -> bool:
    if not isinstance(left, Tensor):
        left, right = np.asarray(left), np.asarray(right)
        if exact or left.dtype.kind not in "fc":
            return np.array_equal(left, right, equal_nan=left.dtype.kind in "fc")
        return left.shape == right.shape and np.allclose(left, right, rtol=1e-4, atol=1e-5, equal_nan=True)
    if left.shape != right.shape or left.device.type == "meta":
        return False
    if exact or not left.is_floating_point():
        return bool(
            torch.equal(left.nan_to_num(), right.nan_to_num()) and (left.isnan() == right.isnan()).all()
        )
    return torch.allclose(left, right, rtol=1e-4, atol=1e-5, equal_nan=True)
