"""Models that `compare` knows how to build, and what a user says of one of their own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

from ..._checks import check_choice, check_number, describe, plain_numbers
from ..._typing import Limits
from ...control import Policy
from ...data import Episodes, Processor
from ...errors import ConfigError
from ...models import WorldModel
from ...planners import CEMPlanner
from ...training import TrainSettings
from .._recipe import Recipe
from .._task import Task


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
        action_limits: Lowest and highest raw action of the task.

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
    action_limits: Limits = (-1.0, 1.0)


@final
@plain_numbers
@dataclass(frozen=True, kw_only=True, eq=False)
class PolicyRequest:
    """What a contender is given to make the policy from that plays its trained model.

    Attributes:
        model: The trained model, in evaluation mode.
        task: The task that is played.
        episodes: The training episodes, with the rewards that the contender asks for.
        planner: The planner of the comparison.
        seed: Of this training; let the policy's own randomness follow from it.

    Example:
        ```python
        import leworld
        from leworld.control import RandomPolicy
        from leworld.planners import CEMPlanner
        from leworld.tasks import PolicyRequest, get_task

        task = get_task("arm")
        request = PolicyRequest(
            model=leworld.load("lewm-arm-tiny"),
            task=task, episodes=task.collect(1), planner=CEMPlanner(), seed=0,
        )
        policy = RandomPolicy(request.task.action_dim, seed=request.seed)
        assert request.model.action_dim == 10
        ```
    """

    model: WorldModel
    task: Task
    episodes: Episodes
    planner: CEMPlanner
    seed: int


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
        rewards: "sparse" or "dense" for a model of one task: its training episodes get the rewards of the
            task's `fixed_goal`, see `with_rewards`, dense ones in units of the mean distance to it.
        policy: Makes what plays the trained model; None for MPC to the goal with the comparison's planner.
        settings: Changes the settings of the training for this model, such as its learning rate; None for
            those of the recipe.

    Raises:
        ConfigError: No function, a share outside [0, 1), unknown rewards, or weights that are no names.

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
    rewards: Literal["sparse", "dense"] | None = None
    policy: Callable[[PolicyRequest], Policy] | None = None
    settings: Callable[[TrainSettings], TrainSettings] | None = None

    def __post_init__(self) -> None:
        names = self.loss_weights
        if self.rewards is not None:
            check_choice("Contender", "rewards", self.rewards, ("sparse", "dense"))
        for name in ("policy", "settings"):
            function = getattr(self, name)
            if function is not None and not callable(function):
                raise ConfigError(
                    f"Contender needs `{name}` to be a function, or None",
                    f"it is {describe(function)}",
                    f"Pass for example `{name}=lambda given: ...`",
                )
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
