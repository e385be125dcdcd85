"""A physical quantity in a column of episodes, and what kind of number it is."""

from dataclasses import dataclass
from typing import final, get_args

import torch
from torch import Tensor

from ..._checks import check_choice, check_number, describe, plain_numbers
from ..._targets import Kind
from ...data import Episodes
from ...errors import ConfigError, DataError
from .._columns import check_episodes, state_column


@final
@plain_numbers
@dataclass(frozen=True)
class Quantity:
    """What a probe should read off an embedding: some components of a column, and how they behave.

    Attributes:
        column: Name of the column of the episodes.
        components: Which components of it; None for all.
        kind: `number`, `angle` (radians; fitted as sine and cosine, error in degrees), `quaternion` (4
            components of a unit quaternion; fitted up to its sign, error in degrees) or `class` (a class
            number 0, 1, ...; fitted as one-hot rows, told by accuracy).

    Raises:
        ConfigError: An unknown kind, or components that are no list of numbers.

    Example:
        ```python
        from leworld.evaluation import Quantity

        block_angle = Quantity("state", components=(4,), kind="angle")
        assert block_angle.column == "state"
        ```
    """

    column: str
    components: tuple[int, ...] | None = None
    kind: Kind = "number"

    def __post_init__(self) -> None:
        check_choice("Quantity", "kind", self.kind, get_args(Kind))
        if not isinstance(self.column, str):
            raise ConfigError(
                "Quantity needs `column` to be a name",
                f"`column` is {describe(self.column)}",
                "Pass the name of a column of the episodes",
            )
        if self.components is not None:
            if not isinstance(self.components, tuple) or not self.components:
                raise ConfigError(
                    "Quantity needs `components` to hold at least one number",
                    f"`components` is {describe(self.components)}",
                    "Pass for example (0, 1), or None for all components",
                )
            for index in self.components:
                check_number("Quantity", "components", index, low=0, integer=True)


def recorded_quantities(episodes: Episodes) -> dict[str, Quantity]:
    """Return what recorded episodes tell of the truth: their column `state`, or else `proprio`, by its name.

    What `leworld probe`, `diagnose` and the report read where no task and no user names anything. Empty where
    there is no such column of numbers.

    Args:
        episodes: The episodes.

    Example:
        ```python
        import numpy as np
        from leworld.data import Episodes
        from leworld.evaluation import Quantity, recorded_quantities

        joints = [np.zeros((4, 6), np.float32)]
        episodes = Episodes.from_trajectories(
            None, [np.zeros((3, 6), np.float32)], columns={"proprio": joints}
        )
        assert recorded_quantities(episodes) == {"proprio": Quantity("proprio")}
        ```
    """
    check_episodes("recorded_quantities", episodes)
    for name in ("state", "proprio"):
        column = episodes.columns.get(name)
        if column is not None and column.ndim <= 2 and column.dtype.kind in "biuf":
            return {name: Quantity(name)}
    return {}


def quantity_values(owner: str, episodes: Episodes, quantity: Quantity) -> Tensor:
    """Return the values of a quantity, float64 "row component"."""
    values = torch.from_numpy(state_column(owner, episodes, quantity.column)).double()
    if quantity.components is None:
        return values
    if max(quantity.components) >= values.shape[1]:
        raise DataError(
            f"{owner} needs the components {quantity.components} of the column `{quantity.column}`",
            f"it has {values.shape[1]}",
            "Count components from 0",
        )
    return values[:, list(quantity.components)]
