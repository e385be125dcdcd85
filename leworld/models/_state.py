"""What a model remembers from moment to moment while it acts, for a batch of environments."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeAlias, final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import describe, plain_numbers
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

    A state is a tensor whose first axis is the batch, or a tuple, list, mapping or dataclass of states. Parts
    of mappings are joined by key, whatever their order; any mapping comes back as a dict.

    Args:
        states: At least one; all of one structure, with equal sizes behind the first axis.

    Raises:
        ConfigError: If there is none, or one holds something that is no tensor.
        ShapeError: If they differ in structure, or behind the first axis.

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
    layouts = {state_layout(state) for state in states}
    if len(layouts) > 1:
        raise ShapeError(
            "concatenate_states needs states of equal structure and sizes behind their first axis",
            f"they have {sorted(map(str, layouts))}"[:400],
            "Join only states of equally long histories, with the same `state_layout`",
        )
    return map_state(lambda *tensors: torch.cat(tensors), *states)


@plain_numbers
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
    index = rows if isinstance(rows, slice | Tensor) else list(rows)  # a tuple would index several axes
    return map_state(lambda tensor: tensor[index], state)


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
    if isinstance(state, Tensor):
        return tuple(_batched(state).shape[1:]), str(state.dtype)
    parts = _parts(state)
    kind = "dict" if isinstance(state, Mapping) else type(state).__qualname__
    return kind, *((str(name), state_layout(parts[name])) for name in sorted(parts, key=str))


def map_state(change: Callable[..., Tensor], *states: State) -> State:
    """Rebuild the first of some states of one layout, with every tensor made of those at its place."""
    first = states[0]
    if isinstance(first, Tensor):
        return change(*(_batched(state) for state in states))
    places = [_parts(state) for state in states]
    parts = {name: map_state(change, *(place[name] for place in places)) for name in places[0]}
    if isinstance(first, Mapping):
        return parts
    if is_dataclass(first):
        changed = copy.copy(first)
        for name, part in parts.items():
            object.__setattr__(changed, name, part)
        return changed
    return type(first)(*parts.values()) if hasattr(first, "_fields") else type(first)(parts.values())


def _parts(state: State) -> dict[Any, State]:
    """Return what a state that is no tensor consists of, by key, field or place."""
    if is_dataclass(state) and not isinstance(state, type):
        return {field.name: getattr(state, field.name) for field in fields(state)}
    if isinstance(state, Mapping):
        return dict(state)
    if isinstance(state, tuple | list):
        return dict(enumerate(state))
    raise ConfigError(
        "A model's state needs to be a tensor, or a tuple, list, mapping or dataclass of states",
        f"one part is {describe(state)}",
        "Keep everything that `observe` remembers in tensors with the batch as their first axis",
    )


def _batched(tensor: Tensor) -> Tensor:
    if not tensor.ndim:
        raise ShapeError(
            "A model's state needs tensors with the batch as their first axis",
            f"one is {describe(tensor)}",
            "Give it an entry for every environment",
        )
    return tensor
