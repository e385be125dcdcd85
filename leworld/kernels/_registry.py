"""Which implementations an operation has, which of them can run on given tensors, and why not the others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from torch import Tensor

from .._checks import check_choice
from ..errors import KernelUnavailableError


@final
@dataclass(frozen=True)
class _Implementation:
    """A name, and what keeps it from running on a tensor (None when nothing does)."""

    name: str
    obstacle: Callable[[Tensor], str | None]


_OPERATIONS: dict[str, tuple[_Implementation, ...]] = {}


def _register(operation: str, *implementations: tuple[str, Callable[[Tensor], str | None]]) -> None:
    """Declare the implementations of an operation, best first."""
    _OPERATIONS[operation] = tuple(_Implementation(*pair) for pair in implementations)


def check_implementation(owner: str, operation: str, implementation: object) -> None:
    """Raise `ConfigError` unless `operation` has that implementation, or "auto" is asked for."""
    names = [candidate.name for candidate in _OPERATIONS[operation]]
    check_choice(owner, "implementation", implementation, ["auto", *names])


def _choose(operation: str, implementation: str, tensor: Tensor) -> str:
    """Return the named implementation, or for `auto` the first that can run on `tensor`."""
    obstacles = []
    for candidate in _OPERATIONS[operation]:
        if implementation not in ("auto", candidate.name):
            continue
        obstacle = candidate.obstacle(tensor)
        if obstacle is None:
            return candidate.name
        obstacles.append(f"{candidate.name}: {obstacle}")
    raise KernelUnavailableError(
        f"{operation} with `implementation={implementation!r}` needs what that kernel runs on",
        "; ".join(obstacles),
        'Pass `implementation="auto"`, which falls back, or remove the obstacle',
    )


def explain(operation: str, tensor: Tensor) -> str:
    """Say which implementation of an operation `auto` takes for a tensor, and what keeps the others from it.

    Costs no more than the choice itself, which may compile a kernel once.

    Args:
        operation: Name of the operation, for example "ecf_sums".
        tensor: Its first tensor argument; device and dtype decide.

    Returns:
        One line an implementation, best first.

    Raises:
        ConfigError: For an unknown operation.

    Example:
        ```python
        import torch
        from leworld.kernels import explain

        report = explain("ecf_sums", torch.zeros(8, 4))
        assert "chosen" in report and "reference" in report
        ```
    """
    check_choice("explain", "operation", operation, _OPERATIONS)
    chosen = _choose(operation, "auto", tensor)
    lines = []
    for candidate in _OPERATIONS[operation]:
        obstacle = candidate.obstacle(tensor)
        state = (
            "chosen" if candidate.name == chosen else obstacle or "can run, but an earlier one is preferred"
        )
        lines.append(f"{candidate.name}: {state}")
    return "\n".join(lines)
