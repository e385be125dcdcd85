"""The recipe behind `leworld train tworoom`, and, with older settings, behind the shipped model."""

from dataclasses import dataclass, field
from typing import Any, final

from ..._checks import check_number, plain_numbers
from ..._random import fold_seed
from ...data import Episodes
from ...training import OptimizerSettings, TrainSettings
from .._recipe import Recipe
from ._task import TwoRoomTask
from ._wander import WanderingExpert, collect_errands

_DATA, _HELD_OUT = 1, 2


def _default_settings() -> TrainSettings:
    optimizer = OptimizerSettings(learning_rate=3e-3)
    return TrainSettings(num_steps=3600, batch_size=128, optimizer=optimizer, save_every=250)


@final
@plain_numbers
@dataclass(frozen=True, kw_only=True)
class TwoRoomRecipe(Recipe):
    """How data of TwoRoom are collected, and a model of it is trained, in two minutes on one CPU core.

    The shipped model is older: it came of 2,500 steps on frames of 64 pixels, at a learning rate of 0.001
    with lambda 0.002, as its card says.

    Args:
        straight_share: Share of the collecting agent's errands that head straight for their targets, even
            into the wall, so that the model learns where it holds. The others go through the door.
        door_share: Share of the errands whose targets lie around the door; the others' are anywhere.
        regularizer_weight: Lambda. TwoRoom has two degrees of freedom; the more an embedding of many
            dimensions is pressed to be Gaussian, the more it has to curl them up, and the shorter the range
            over which distance in it means distance in the room. With too little, it forgets the wall.

    Raises:
        ConfigError: A value is out of range.

    Source:
        The data follow arXiv 2603.19312, appendix E (a noisy expert), with errands all over both rooms in
        place of one crossing an episode; sizes and rates are our own, found by trying.

    Example:
        ```python
        import tempfile
        import leworld
        from leworld.tasks import TwoRoomRecipe
        from leworld.training import TrainSettings

        settings = TrainSettings(num_steps=1, batch_size=4, batchnorm_windows=8)
        with tempfile.TemporaryDirectory() as folder:
            model = TwoRoomRecipe(num_episodes=2, settings=settings).train(folder, progress=False)
            again = leworld.load(f"{folder}/model")
        assert again.config == model.config and model.processor.block_dim == model.action_dim == 10
        assert sum(weight.numel() for weight in model.parameters()) < 750_000
        ```
    """

    straight_share: float = 0.5
    door_share: float = 0.5
    image_size: int | None = 32
    regularizer_weight: float = 0.002
    settings: TrainSettings = field(default_factory=_default_settings)

    def __post_init__(self) -> None:
        check_number("TwoRoomRecipe", "straight_share", self.straight_share, low=0.0, high=1.0)
        check_number("TwoRoomRecipe", "door_share", self.door_share, low=0.0, high=1.0)
        super().__post_init__()

    @property
    def _task(self) -> TwoRoomTask:
        return TwoRoomTask()

    @property
    def _side(self) -> int:
        return TwoRoomTask.image_size if self.image_size is None else self.image_size

    def collect(self, *, held_out: bool = False, progress: bool = True) -> Episodes:
        """Gather the training episodes, or as many held-out ones that share nothing with them."""
        policy = WanderingExpert(straight_share=self.straight_share, door_share=self.door_share)
        seed = fold_seed(self.settings.seed, _HELD_OUT if held_out else _DATA)
        return collect_errands(policy, self.num_episodes, image_size=self._side, seed=seed, progress=progress)

    def provenance(self) -> dict[str, Any]:
        """Return what a checkpoint of this recipe says about its origin, as plain data."""
        names = ("num_episodes", "straight_share", "door_share", "embedding_dim", "regularizer_weight")
        facts = {name: getattr(self, name) for name in (*names, "num_slices")}
        # Not in files of older recipes, which had no choice but the value that is left out here.
        usual = {"image_size": TwoRoomTask.image_size, "hidden_dim": None, "encoder_norm": "none"}
        facts |= {name: getattr(self, name) for name, value in usual.items() if getattr(self, name) != value}
        if self.model != "lewm":
            return super().provenance()
        return {
            "name": "lewm-tworoom-tiny",
            "summary": "A small LeWorldModel of TwoRoom, trained on a CPU in minutes "
            f"from {self._side}-pixel frames.",
            "licence": "MIT",
            "paper": "arXiv 2603.19312",
            "command": self._command(),
            "training_data": f"{self.num_episodes} episodes of at most 101 frames that the recipe collects",
            "limits": "Knows one arena: the default door, floor, walls and agent of leworld/TwoRoom-v0.",
            "recipe": facts | {"settings": self.settings.to_json()},
        }

    def _command(self) -> str:
        """Return the command that trains by this recipe, as far as commands have options for it."""
        usual, settings = TwoRoomRecipe(), self.settings
        options = {
            "--size": (self._side, usual.image_size),
            "--steps": (settings.num_steps, usual.settings.num_steps),
            "--batch-size": (settings.batch_size, usual.settings.batch_size),
            "--lambda": (self.regularizer_weight, usual.regularizer_weight),
            "--learning-rate": (settings.optimizer.learning_rate, usual.settings.optimizer.learning_rate),
            "--episodes": (self.num_episodes, usual.num_episodes),
        }
        changes = [f"{name} {value:g}" for name, (value, due) in options.items() if value != due]
        return " ".join([f"leworld train tworoom --seed {settings.seed}", *changes])
