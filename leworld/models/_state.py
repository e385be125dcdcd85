"""What a model remembers from moment to moment while it acts, for a batch of environments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeAlias, final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import describe
from ..errors import ConfigError, ShapeError

State: TypeAlias = Any


@final
@dataclass(frozen=True, eq=False)
class History:
    """The state of a model that looks at a window: the latents of the last frames and the blocks between.

    Args:
        latents: The newest last; at most `history_size` of them.
        actions: The action block that leads from each to the next, one fewer.

    Example:
        ```python
        import torch
        from leworld.models import History

        state = History(torch.zeros(2, 3, 8), torch.zeros(2, 2, 10))
        assert state.latents[:, -1].shape == (2, 8)
        ```
    """

    latents: Float[Tensor, "batch time *latent"]
    actions: Float[Tensor, "batch time-1 action"]


def concatenate_states(states: Sequence[State]) -> State:
    """Join states of single environments, or of several, along their first axis.

    A state is a tensor whose first axis is the batch, or a tuple, list, mapping or dataclass of states.

    Args:
        states: At least one; all of one structure, with equal sizes behind the first axis.

    Raises:
        ConfigError: If there is none, or one holds something that is no tensor.
        ShapeError: If they differ behind the first axis.

    Example:
        ```python
        import torch
        from leworld.models import concatenate_states

        both = concatenate_states([{"h": torch.zeros(1, 4)}, {"h": torch.ones(1, 4)}])
        assert both["h"].shape == (2, 4)
        ```
    """
    if not states:
        raise ConfigError("concatenate_states needs at least one state", "it was given none", "Pass some")
    if len({state_layout(state) for state in states}) > 1:
        raise ShapeError(
            "concatenate_states needs states of equal structure and sizes behind their first axis",
            f"they have {sorted({str(state_layout(state)) for state in states})}"[:400],
            "Join only states of equally long histories, with the same `state_layout`",
        )
    return _join(list(states))


def state_rows(state: State, rows: slice | Sequence[int] | Tensor) -> State:
    """Return the state of some environments.

    Args:
        state: Of a batch of environments.
        rows: Which of them: a slice, or numbers.

    Example:
        ```python
        import torch
        from leworld.models import state_rows

        assert state_rows((torch.arange(3), torch.zeros(3, 2)), [2])[0].tolist() == [2]
        ```
    """
    return _map(state, lambda tensor: tensor[rows])


def state_layout(state: State) -> tuple[Any, ...]:
    """Return structure, sizes behind the first axis, and dtypes: what states must share to be joined.

    Args:
        state: A state.

    Example:
        ```python
        import torch
        from leworld.models import state_layout

        assert state_layout(torch.zeros(1, 4)) == state_layout(torch.zeros(5, 4))
        ```
    """
    parts: list[Any] = []

    def note(tensor: Tensor) -> Tensor:
        parts.append((tuple(tensor.shape[1:]), str(tensor.dtype)))
        return tensor

    _map(state, note)
    return tuple(parts)


def _map(state: State, change: Any) -> State:
    """Rebuild a state with every tensor changed."""
    if isinstance(state, Tensor):
        return change(state)
    if is_dataclass(state) and not isinstance(state, type):
        return replace(
            state, **{field.name: _map(getattr(state, field.name), change) for field in fields(state)}
        )
    if isinstance(state, Mapping):
        return {key: _map(value, change) for key, value in state.items()}
    if isinstance(state, tuple) and hasattr(state, "_fields"):
        return type(state)(*(_map(value, change) for value in state))
    if isinstance(state, tuple | list):
        return type(state)(_map(value, change) for value in state)
    raise ConfigError(
        "A model's state needs to be a tensor, or a tuple, list, mapping or dataclass of states",
        f"one part is {describe(state)}",
        "Keep everything that `observe` remembers in tensors with the batch as their first axis",
    )


def _join(states: list[State]) -> State:
    tensors: list[list[Tensor]] = []
    for state in states:
        found: list[Tensor] = []
        _map(state, lambda tensor, found=found: found.append(tensor) or tensor)
        tensors.append(found)
    joined = iter([torch.cat(parts) for parts in zip(*tensors, strict=True)])
    return _map(states[0], lambda _: next(joined))
