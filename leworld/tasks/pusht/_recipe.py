"""The recipe behind `leworld train pusht`, and behind the model that ships with leworld."""

from dataclasses import dataclass, field
from typing import Literal, final

from ..._checks import check_number, plain_numbers
from ...training import OptimizerSettings, TrainSettings
from .._recipe import Recipe
from ._task import PushTTask


def _settings() -> TrainSettings:
    return TrainSettings(
        num_steps=36_000, batch_size=128, optimizer=OptimizerSettings(learning_rate=3e-3), save_every=1000
    )


@final
@plain_numbers
@dataclass(frozen=True, kw_only=True)
class PushTRecipe(Recipe):
    """How a model of Push-T is trained on one CPU core: many short episodes, many steps.

    Args:
        num_episodes: Episodes to collect. What the encoder learns of the block's angle depends on how many
            different poses it sees, more than on how many frames.
        episode_steps: Actions of an episode.
        inverse_dynamics_weight: The agent covers a dozen of 4,096 pixels; without this term its place is
            found late. At a weight of 1 the block's pose gets lost.

    Raises:
        ConfigError: A value is out of range.

    Example:
        ```python
        from leworld.tasks import PushTRecipe

        recipe = PushTRecipe(num_episodes=2, episode_steps=6, embedding_dim=8)
        episodes = recipe.collect(progress=False)
        model = recipe.build(recipe.processor(episodes))
        assert list(episodes.lengths) == [7, 7] and model.embedding_dim == 8
        ```
    """

    num_episodes: int = 5000
    episode_steps: int = 80
    embedding_dim: int = 64
    regularizer_weight: float = 0.08
    num_slices: int = 128
    encoder_norm: Literal["none", "batch"] = "batch"
    inverse_dynamics_weight: float = 0.15
    settings: TrainSettings = field(default_factory=_settings)

    def __post_init__(self) -> None:
        check_number("PushTRecipe", "episode_steps", self.episode_steps, low=1, integer=True)
        super().__post_init__()

    @property
    def _task(self) -> PushTTask:
        task = PushTTask()
        task.episode_steps = self.episode_steps
        return task
