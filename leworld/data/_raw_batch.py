"""Windows as they lie in the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data._utils.collate import default_collate_fn_map

from .._checks import describe
from ..errors import ConfigError, LeWorldError, ShapeError
from ._arguments import UNFIT, named_columns
from ._observation import Observation


@final
@dataclass(frozen=True, eq=False)
class RawBatch:
    """Windows as they lie in the data, uint8 frames and raw actions, before `to_batch` normalises them.

    It stays small (a quarter of the float frames), so move this to the training device and normalise there.

    Shapes:
        observation: Parts with the leading axes (batch, time): pictures (batch, time, height, width,
            channel) of uint8, vectors (batch, time, dim). A bare tensor is taken for `pixels`.
        actions: (batch, step, action), where step = time * frameskip. NaN where the episode has no action.
        rows: (batch, time), the row of every frame in `Episodes`, to look up other columns.
        columns: (batch, step) each: `reward`, what the action earned, NaN where there is none; `terminated`,
            `truncated`, `success`, whether the row that the action leads to is marked.

    Raises:
        ShapeError: The parts do not have the same number of windows.

    Example:
        ```python
        import torch
        from leworld.data import RawBatch

        frames = torch.zeros(2, 4, 8, 8, 3, dtype=torch.uint8)
        raw = RawBatch(frames, torch.zeros(2, 20, 1), torch.zeros(2, 4, dtype=torch.int64))
        assert len(raw) == 2 and raw.to("cpu").pixels.shape == (2, 4, 8, 8, 3)
        ```
    """

    observation: Observation | Tensor
    actions: Float[Tensor, "batch step action"]
    rows: Int[Tensor, "batch time"]
    columns: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.observation, Tensor):
            object.__setattr__(self, "observation", Observation(self.observation))
        if not isinstance(self.observation, Observation):
            raise ConfigError(
                "RawBatch needs `observation` to be an Observation of tensors, or a tensor of frames",
                f"it is {describe(self.observation)}",
                "Take windows from Windows",
            )
        object.__setattr__(self, "columns", dict(named_columns("RawBatch", "columns", self.columns)))
        strays = [
            name for name, value in self._others().items() if not isinstance(value, Tensor) or not value.ndim
        ]
        if strays:
            raise ShapeError(
                "RawBatch needs tensors with one entry a window",
                f"`{strays[0]}` is {describe(self._others()[strays[0]])}",
                "Take windows from Windows",
            )
        sizes = {name: len(part) for name, part in {**observation_of(self).parts, **self._others()}.items()}
        if len(set(sizes.values())) > 1:
            raise ShapeError(
                "RawBatch needs as many windows in every tensor", f"they have {sizes}", "Cut them together"
            )

    @property
    def pixels(self) -> Any:
        """The frames called `pixels`, uint8; an error if there are none."""
        return observation_of(self).pixels

    def __len__(self) -> int:
        return self.rows.shape[0]

    def __getitem__(self, index: int | slice | Sequence[int]) -> "RawBatch":
        """Return the windows with these numbers as a smaller batch."""
        if isinstance(index, int | np.integer):
            if not -len(self) <= index < len(self):
                raise _BatchIndexError(
                    f"RawBatch needs a number between {-len(self)} and {len(self) - 1}",
                    f"it is {index}",
                    f"Choose among the {len(self)} windows",
                )
            index = [index]
        try:
            return self._map(lambda part: part[index])
        except UNFIT as error:
            if isinstance(error, LeWorldError):
                raise
            raise ConfigError(
                f"RawBatch needs a slice or numbers between {-len(self)} and {len(self) - 1}",
                f"it is {describe(index)}",
                f"Choose among the {len(self)} windows",
            ) from error

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "RawBatch":
        """Move all tensors to `device`."""
        return self._map(lambda part: part.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "RawBatch":
        """Copy to page-locked memory; torch's DataLoader calls it when its own `pin_memory` is set."""
        return self._map(lambda part: part.pin_memory())

    def _others(self) -> dict[str, Tensor]:
        return {"actions": self.actions, "rows": self.rows, **self.columns}

    def _map(self, function: Any) -> "RawBatch":
        columns = {name: function(column) for name, column in self.columns.items()}
        return RawBatch(
            observation_of(self).map(function), function(self.actions), function(self.rows), columns
        )


def observation_of(raw: RawBatch) -> Observation:
    """Return the observation, which is one even where a bare tensor was given."""
    if isinstance(raw.observation, Tensor):
        raise RuntimeError("unreachable: a bare tensor was made an Observation")
    return raw.observation


def joined(batch: RawBatch | Sequence[RawBatch], **_: Any) -> RawBatch:
    """Lay batches end to end; one that was fetched whole is returned as it is."""
    if isinstance(batch, RawBatch):
        return batch
    items = list(batch) if isinstance(batch, Sequence) else []
    alike = {(*observation_of(item).parts, "", *item.columns) for item in items if isinstance(item, RawBatch)}
    if len(alike) != 1 or not all(isinstance(item, RawBatch) for item in items):
        raise ConfigError(
            "Windows.collate needs a list of RawBatch, all with the same parts and columns",
            f"it is {describe(batch)}",
            "Pass it as `collate_fn` to a DataLoader over Windows",
        )
    first = batch[0]
    return RawBatch(
        Observation(
            parts={
                name: torch.cat([observation_of(item)[name] for item in batch])
                for name in observation_of(first).parts
            }
        ),
        torch.cat([item.actions for item in batch]),
        torch.cat([item.rows for item in batch]),
        {name: torch.cat([item.columns[name] for item in batch]) for name in first.columns},
    )


class _BatchIndexError(LeWorldError, IndexError):
    """An index past the end, which must be an IndexError for Python's iteration to stop at it."""


# torch's documented place for types of one's own: a DataLoader without `collate_fn` then works as well.
default_collate_fn_map[RawBatch] = joined
