"""Models that `compare` knows how to build, and what a user says of one of their own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

from ..._checks import check_number, describe, plain_numbers
from ...data import Episodes, Processor
from ...errors import ConfigError
from ...models import WorldModel
from .._recipe import Recipe


@final
@plain_numbers
@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """What a contender is given to build its model from.

    Attributes:
        recipe: The recipe of the comparison, with its seed: sizes, settings, and `build` for LeWM's parts.
        processor: Of the training episodes.
        episodes: The training episodes, for what a contender trains beforehand.
        folder: Where such a training may keep its state, so that it is resumed.
        num_steps: Steps of `recipe.settings.batch_size` windows that it may take for that.

    Example:
        ```python
        from pathlib import Path
        from leworld.tasks import BuildRequest, TwoRoomRecipe, get_contender

        recipe = TwoRoomRecipe(num_episodes=1, embedding_dim=8)
        episodes = recipe.collect(progress=False)
        processor = recipe.processor(episodes)
        request = BuildRequest(
            recipe=recipe, processor=processor, episodes=episodes, folder=Path("runs"), num_steps=0
        )
        assert get_contender("lewm").build(request).embedding_dim == 8
        ```
    """

    recipe: Recipe
    processor: Processor
    episodes: Episodes
    folder: Path
    num_steps: int = 0


@final
@plain_numbers
@dataclass(frozen=True, kw_only=True)
class Contender:
    """One model of a comparison: how it is built, and what its loss asks to be chosen.

    Args:
        build: Makes the model, with its processor, that `compare` then trains. The same request must give the
            same initial weights. What it trains beforehand is timed with it.
        loss_weights: Names of the weights in its losses that someone has to choose.
        pretraining_share: The part of the steps that `build` takes for training beforehand; the model itself
            is trained for the others.
        note: What a reader should know of it, in a sentence.

    Raises:
        ConfigError: No function, a share outside [0, 1), or weights that are no names.

    Example:
        ```python
        from leworld.regularizers import ExactSIGReg
        from leworld.tasks import Contender

        exact = Contender(
            build=lambda request: request.recipe.build(request.processor, regularizer=ExactSIGReg()),
            loss_weights=("regularizer_weight",),
        )
        assert exact.pretraining_share == 0.0
        ```
    """

    build: Callable[[BuildRequest], WorldModel]
    loss_weights: tuple[str, ...]
    pretraining_share: float = 0.0
    note: str = ""

    def __post_init__(self) -> None:
        names = self.loss_weights
        if (
            not callable(self.build)
            or not isinstance(names, tuple)
            or not all(isinstance(name, str) for name in names)
        ):
            raise ConfigError(
                "Contender needs `build` to be a function and `loss_weights` a tuple of names",
                f"they are {describe(self.build)} and {describe(names)}",
                'Pass for example `build=lambda request: ..., loss_weights=("regularizer_weight",)`',
            )
        fix = "Leave steps for the model itself"
        check_number("Contender", "pretraining_share", self.pretraining_share, low=0.0, high=0.99, fix=fix)
