"""Which implementations an operation has, which of them can run on given tensors, and why not the others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import final

from torch import Tensor

from .._checks import check_choice
from .._typing import shapechecked
from ..errors import KernelUnavailableError


def _nothing(*tensors: Tensor) -> str | None:
    return None


@final
@dataclass(frozen=True)
class _Implementation:
    """A name, what keeps it from running on a tensor, what makes `auto` pass it over; None for nothing."""

    name: str
    obstacle: Callable[[Tensor], str | None]
    drawback: Callable[..., str | None]


_OPERATIONS: dict[str, tuple[_Implementation, ...]] = {}


def _register(
    operation: str,
    *implementations: tuple[str, Callable[[Tensor], str | None]],
    drawbacks: Mapping[str, Callable[..., str | None]] = MappingProxyType({}),
) -> None:
    """Declare the implementations of an operation with their obstacles, best first; and drawbacks by name."""
    _OPERATIONS[operation] = tuple(
        _Implementation(name, obstacle, drawbacks.get(name, _nothing)) for name, obstacle in implementations
    )


def check_implementation(operation: str, implementation: object, *, owner: str) -> None:
    """Raise `ConfigError` unless `operation` has that implementation, or "auto" is asked for.

    Args:
        operation: Name of an operation, such as "ecf_sums".
        implementation: What was asked for.
        owner: Who asks, for the message.

    Raises:
        ConfigError: If the operation or the implementation is unknown.

    Example:
        ```python
        from leworld.errors import ConfigError
        from leworld.kernels import check_implementation

        check_implementation("ecf_sums", "auto", owner="MyRegularizer")
        try:
            check_implementation("ecf_sums", "nativ", owner="MyRegularizer")
        except ConfigError as error:
            assert "MyRegularizer" in error.rule and "`native`" in error.fix
        ```
    """
    check_choice("check_implementation", "operation", operation, _OPERATIONS)
    names = [candidate.name for candidate in _OPERATIONS[operation]]
    check_choice(owner, "implementation", implementation, ["auto", *names])


def _choose(operation: str, implementation: str, tensor: Tensor, *others: Tensor) -> str:
    """Return the named implementation, or for `auto` the first that can and should run on the tensors."""
    obstacles = []
    for candidate in _OPERATIONS[operation]:
        if implementation not in ("auto", candidate.name):
            continue
        obstacle = candidate.obstacle(tensor)
        if obstacle is None and implementation == "auto":
            obstacle = candidate.drawback(tensor, *others)
        if obstacle is None:
            return candidate.name
        obstacles.append(f"{candidate.name}: {obstacle}")
    raise KernelUnavailableError(
        f"{operation} with `implementation={implementation!r}` needs what that kernel runs on",
        "; ".join(obstacles),
        'Pass `implementation="auto"`, which falls back, or remove the obstacle',
    )


@shapechecked
def explain(operation: str, tensor: Tensor, *others: Tensor) -> str:
    """Say which implementation of an operation `auto` takes for tensors, and what keeps the others from it.

    Args:
        operation: Name of the operation, for example "ecf_sums".
        tensor: Its first tensor argument; device and dtype decide.
        others: Its further tensor arguments, where sizes decide too; for "ecf_sums" the directions.

    Returns:
        One line an implementation, best first.

    Raises:
        ConfigError: For an unknown operation.

    Example:
        ```python
        import torch
        from leworld.kernels import explain

        report = explain("ecf_sums", torch.zeros(8, 4), torch.eye(4))
        assert "chosen" in report and "reference" in report
        ```
    """
    check_choice("explain", "operation", operation, _OPERATIONS)
    chosen = _choose(operation, "auto", tensor, *others)
    lines = []
    for candidate in _OPERATIONS[operation]:
        reason = candidate.obstacle(tensor) or candidate.drawback(tensor, *others)
        state = "chosen" if candidate.name == chosen else reason or "can run, but an earlier one is preferred"
        lines.append(f"{candidate.name}: {state}")
    return "\n".join(lines)
