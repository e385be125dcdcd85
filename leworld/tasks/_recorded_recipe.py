"""How a model is trained on episodes that somebody recorded, without a task."""

from dataclasses import dataclass, fields
from typing import Any, final

from .._checks import check_number, describe, plain_numbers
from ..data import Episodes, Processor, fit_processor
from ..errors import ConfigError
from ._recipe import MODEL_NAMES, SIDE_MULTIPLE, Recipe
from ._task import Task

_USUAL_SIDE = 64


@final
@plain_numbers
@dataclass(frozen=True, kw_only=True)
class RecordedRecipe(Recipe):
    """Trains a small LeWM on recorded episodes; sizes and statistics follow from them.

    What `leworld train --data` runs. `num_episodes` is the number of these, whatever is given.

    Args:
        episodes: What to train on, in memory or on disk; keep held-out ones out of it.
        frameskip: Rows between the frames of a window, and raw actions in a block; 5 in the published models.
        image_size: Side of the model's images; unless given, the frames' own or the next multiple of 16
            below it, and 64 where they are not square.
        history_size: Frames that the predictor sees; 3 as published.

    Raises:
        ConfigError: A value is out of range, or the episodes have no frames called `pixels`.

    Example:
        ```python
        import numpy as np
        from leworld.data import Episodes
        from leworld.tasks import RecordedRecipe

        films = [np.random.default_rng(0).integers(0, 256, (30, 32, 32, 3), np.uint8)] * 2
        episodes = Episodes.from_trajectories(films, [np.random.default_rng(1).normal(size=(29, 2))] * 2)
        recipe = RecordedRecipe(episodes=episodes, embedding_dim=8)
        model = recipe.build(recipe.processor(episodes))
        assert model.processor.image_size == 32 and model.history_size == 3
        ```
    """

    episodes: Episodes
    frameskip: int = 5
    history_size: int = 3

    def __post_init__(self) -> None:
        owner = type(self).__name__
        if not isinstance(self.episodes, Episodes):
            raise ConfigError(
                f"{owner} needs `episodes` to be an Episodes",
                f"it is {describe(self.episodes)}",
                "Open a file or a store with `leworld.data.open_episodes`",
            )
        if self.episodes.pixels is None:
            raise ConfigError(
                f"{owner} needs frames called `pixels`",
                f"the episodes have {sorted(self.episodes.columns)}",
                "Choose one with `--camera NAME`, or `open_episodes(path, cameras=NAME)`; or train a model "
                "of your own by `training.train`",
            )
        check_number(owner, "frameskip", self.frameskip, low=1, integer=True)
        object.__setattr__(self, "num_episodes", len(self.episodes))
        super().__post_init__()

    @property
    def _task(self) -> Task:
        raise RuntimeError("unreachable: everything that asks for a task is overridden")

    @property
    def _frameskip(self) -> int:
        return self.frameskip

    def collect(self, *, held_out: bool = False, progress: bool = True) -> Episodes:
        """Return the episodes; there are no held-out ones."""
        if held_out:
            raise ConfigError(
                "RecordedRecipe.collect needs to be asked for training episodes",
                "`held_out` is True, and there are no others",
                "Split recorded episodes beforehand with `episodes.split`",
            )
        return self.episodes

    def processor(self, episodes: Episodes) -> Processor:
        """Measure the action statistics of the training episodes."""
        height, width = episodes.pixels.shape[1:3]
        usual = max(SIDE_MULTIPLE, height - height % SIDE_MULTIPLE) if height == width else _USUAL_SIDE
        return fit_processor(episodes, frameskip=self.frameskip, image_size=self.image_size or usual)

    def provenance(self) -> dict[str, Any]:
        """Return what a checkpoint of this recipe says about its origin, as plain data."""
        facts = {part.name: getattr(self, part.name) for part in fields(self) if part.name != "episodes"}
        origin = self.episodes.environment_id or "recorded episodes"
        words, paper = MODEL_NAMES[self.model]
        return {
            "name": f"{self.model}-recorded",
            "summary": f"A small {words} of {origin}.",
            "paper": paper,
            "training_data": f"{self.num_episodes} recorded episodes of {self.episodes.num_rows} frames",
            "recipe": facts | {"settings": self.settings.to_json()},
        }
