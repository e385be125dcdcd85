"""What every regularizer of samples does around its value: find the ranks, check, judge, check again."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .._checks import accumulation_dtype
from .._distributed import active_group, gather_samples
from ._checks import check_embeddings, checked_value

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


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
