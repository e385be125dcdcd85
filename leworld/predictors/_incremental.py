"""The interface of a predictor that can go on from where it stopped."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

from torch import Tensor, nn

from ..nn._incremental import KeysValues


@final
@dataclass(frozen=True)
class Conditions:
    """What a predictor makes of conditions once and for all: modulations for each step, whatever the window.

    Args:
        modulations: For each block its six modulations, with 1 + scale in the place of scale, each
            (time, *row, dim).
    """

    modulations: tuple[tuple[Tensor, ...], ...]

    def __len__(self) -> int:
        return len(self.modulations[0][0])

    def __getitem__(self, steps: slice) -> "Conditions":
        """Return those of some consecutive steps, without a copy."""
        return Conditions(tuple(tuple(one[steps] for one in block) for block in self.modulations))


@final
@dataclass(frozen=True)
class Memory:
    """What a predictor has computed of the frames in its window, for each block.

    Args:
        blocks: Keys and values of each block.
    """

    blocks: tuple[KeysValues, ...]

    def __len__(self) -> int:
        return len(self.blocks[0].keys)


class IncrementalPredictor(nn.Module, ABC):
    """A predictor that can append frames to a window without computing the earlier ones anew.

    `LeWM` rolls out with these methods when its predictor has them and `can_extend` holds, and calls
    `forward` on whole windows otherwise. The two must agree: for any split of a window into pieces,

        forward(embeddings, conditions)[..., -1, :]

    equals the output of the last `extend`, when `extend` has been given the pieces in order, each with its
    part of `prepare_conditions(conditions)` and the memory that the one before returned. Memory holds for a
    growing window only: once the window slides, positions change, and it begins anew without memory.

    Attributes:
        history_size: The most frames in a window.
    """

    history_size: int

    @property
    @abstractmethod
    def can_extend(self) -> bool:
        """Whether `extend` would now compute what `forward` does; not so with dropout, for example."""

    @abstractmethod
    def prepare_conditions(self, conditions: Tensor) -> Conditions:
        """Compute what depends on the conditions (*row, time, condition) alone."""

    @abstractmethod
    def extend(
        self, embeddings: Tensor, conditions: Conditions, *, memory: Memory | None = None
    ) -> tuple[Tensor, Memory]:
        """Append frames (*row, time, dim) to a window; return the prediction after the last and the memory.

        The rows of the memory may broadcast against those of the embeddings: where candidates share their
        past, it need be computed once only.
        """
