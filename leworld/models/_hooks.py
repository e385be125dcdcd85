"""What the public methods of a world model hand to the methods that a subclass writes."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import quoted
from .._lending import Watched, watched
from ..data import Observation
from ..errors import ConfigError
from ._state import State, map_state


def read_parts(model: nn.Module, observations: Observation | Tensor) -> Any:
    """Return the parts that a model reads, as its `_encode` takes them."""
    names = getattr(model, "observation_parts", ("pixels",))
    if isinstance(observations, Observation):
        return observations[names[0]] if len(names) == 1 else observations.select(names)
    if len(names) == 1 or not isinstance(observations, Tensor):
        return observations
    raise ConfigError(
        f"{type(model).__name__} reads {len(names)} parts of an observation",
        "it was given one tensor",
        f"Pass an Observation with {quoted(names)}",
    )


def at(read: Any, index: tuple[Any, ...]) -> Any:
    """Index what a model reads, one tensor or several."""
    return read[index] if isinstance(read, Tensor) else read.at(index)


def copy_state(state: State) -> State:
    """Return a state with memory of its own; None stays None."""
    return None if state is None else map_state(Tensor.clone, state)


def watch(read: Observation | Tensor, others: Mapping[str, Tensor] | None = None) -> Watched:
    """Note the state of observations, which are large, and of other tensors before a model gets them.

    While torch.compile or torch.export trace, nothing is watched.
    """
    if torch.compiler.is_compiling():
        return []
    parts = read.parts if isinstance(read, Observation) else {"observations": read}
    return watched({**parts, **(others or {})})
