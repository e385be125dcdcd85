"""What every regularizer of samples does around its value: find the ranks, check, judge, check again."""

import inspect
import math
import warnings
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .._checks import accumulation_dtype, check_finite, check_samples, describe
from .._distributed import active_group, gather_samples
from .._transforms import looks
from ..errors import NonFiniteError

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

_NO_EXTRA_STATE = nn.Module.set_extra_state
# Packages with frames between a user's line and a check: torch calls modules, the others check shapes.
_BETWEEN = ("leworld", "torch", "jaxtyping", "beartype")


class Regularizer(nn.Module, ABC):
    """Maps embeddings (*batch, sample, dim) to a scalar; a subclass supplies `_value`.

    The subclass sets `group` and has a `forward` of its own, whose annotations name the class in errors and
    which returns `_judge`.
    """

    group: "ProcessGroup | str | None"

    def _judge(self, embeddings: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return the checked value of checked embeddings, in full precision also under autocast."""
        owner = type(self).__name__
        group = active_group(self.group)
        check_embeddings(owner, embeddings, low=2 if group is None else 1)
        if torch.compiler.is_compiling():
            return self._checked(owner, embeddings, group, generator)
        # The extra state of a part is a counter, which advances with each call that succeeds.
        counters = [part for part in self.modules() if type(part).set_extra_state is not _NO_EXTRA_STATE]
        before = [part.get_extra_state() for part in counters]
        try:
            return self._checked(owner, embeddings, group, generator)
        except BaseException:
            for part, state in zip(counters, before, strict=True):
                part.set_extra_state(state)
            raise

    def _checked(
        self,
        owner: str,
        embeddings: Tensor,
        group: "ProcessGroup | None",
        generator: torch.Generator | None,
    ) -> Tensor:
        with torch.autocast(embeddings.device.type, enabled=False):
            value = self._value(embeddings, group, generator)
        return checked_value(owner, value, embeddings, shared=group is not None)

    @abstractmethod
    def _value(
        self, embeddings: Tensor, group: "ProcessGroup | None", generator: torch.Generator | None
    ) -> Tensor:
        """Return the scalar, in accumulation dtype, for the samples of all ranks of `group`."""


def all_samples(embeddings: Tensor, group: "ProcessGroup | None") -> Tensor:
    """Return the samples of all ranks in accumulation dtype."""
    return gather_samples(embeddings.to(accumulation_dtype(embeddings.dtype)), group)


def check_embeddings(owner: str, embeddings: Tensor, *, low: int = 2) -> None:
    """Check the axes of (*batch, sample, dim), and warn when they look like (batch, time, dim)."""
    check_samples(owner, "embeddings", embeddings, low=low)
    if embeddings.ndim != 3 or torch.compiler.is_compiling():
        return
    leading, samples, dim = embeddings.shape
    if samples < leading:
        warnings.warn(
            f"{owner} reads `embeddings` of shape ({leading}, {samples}, {dim}) as {leading} groups along "
            f"axis 0, sample={samples} along axis 1 and dim={dim}; so few samples say little about a "
            "distribution. If the axes are (batch, time, dim), pass `embeddings.transpose(0, 1)`: it judges "
            "each time step over the batch.",
            UserWarning,
            stacklevel=_level_of_caller(),
        )


def _level_of_caller() -> int:
    """Return the stack level, seen from the calling function, of the code that called into the library."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        frame, level = frame.f_back, level + 1
    return level


def checked_value(owner: str, value: Tensor, embeddings: Tensor, *, shared: bool = False) -> Tensor:
    """Return `value`, or say why it is not finite. Looks only on a CPU, where looking costs nothing."""
    if not looks(value) or math.isfinite(value.item()):
        return value
    check_finite(owner, "embeddings", embeddings)
    if shared:
        raise NonFiniteError(
            f"{owner} needs finite `embeddings` on every rank of its group",
            "they are finite on this rank and the statistic is not",
            "Look at the other ranks' messages",
        )
    raise NonFiniteError(
        f"{owner} needs `embeddings` whose projections are finite",
        f"{describe(embeddings)} holds entries of up to {embeddings.abs().max().item():g}",
        "Lower the learning rate or normalise the embeddings",
    )
