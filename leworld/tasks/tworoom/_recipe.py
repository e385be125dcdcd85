"""The recipe behind `leworld train tworoom`, and behind the model that ships with leworld."""

from dataclasses import asdict, dataclass
from typing import Any, final

from ..._checks import check_number, plain_numbers
from ..._random import fold_seed
from ...data import Episodes
from .._recipe import Recipe
from ._task import TwoRoomTask
from ._wander import WanderingExpert, collect_errands

_DATA, _HELD_OUT = 1, 2


@final
@plain_numbers
@dataclass(frozen=True, kw_only=True)
class TwoRoomRecipe(Recipe):
    """The settings of the shipped model, and how its data are collected.

    Args:
        straight_share: Share of the collecting agent's errands that head straight for their targets, even
            into the wall, so that the model learns where it holds. The others go through the door.
        door_share: Share of the errands whose targets lie around the door; the others' are anywhere.
        regularizer_weight: Lambda. TwoRoom has two degrees of freedom; the more an embedding of many
            dimensions is pressed to be Gaussian, the more it has to curl them up, and the shorter the range
            over which distance in it means distance in the room.

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
    regularizer_weight: float = 0.002

    def __post_init__(self) -> None:
        check_number("TwoRoomRecipe", "straight_share", self.straight_share, low=0.0, high=1.0)
        check_number("TwoRoomRecipe", "door_share", self.door_share, low=0.0, high=1.0)
        super().__post_init__()

    @property
    def _task(self) -> TwoRoomTask:
        return TwoRoomTask()

    def collect(self, *, held_out: bool = False, progress: bool = True) -> Episodes:
        """Gather the training episodes, or as many held-out ones that share nothing with them."""
        policy = WanderingExpert(straight_share=self.straight_share, door_share=self.door_share)
        seed = fold_seed(self.settings.seed, _HELD_OUT if held_out else _DATA)
        size = TwoRoomTask.image_size
        return collect_errands(policy, self.num_episodes, image_size=size, seed=seed, progress=progress)

    def provenance(self) -> dict[str, Any]:
        """Return what a checkpoint of this recipe says about its origin, as plain data."""
        names = ("num_episodes", "straight_share", "door_share", "embedding_dim", "regularizer_weight")
        facts = {name: getattr(self, name) for name in (*names, "num_slices")}
        if self.model != "lewm":
            return super().provenance()
        return {
            "name": "lewm-tworoom-tiny",
            "summary": "A small LeWorldModel of TwoRoom, trained on a CPU in minutes from 64-pixel frames.",
            "licence": "MIT",
            "paper": "arXiv 2603.19312",
            "command": f"leworld train tworoom --seed {self.settings.seed}",
            "training_data": f"{self.num_episodes} episodes of at most 101 frames that the recipe collects",
            "limits": "Knows one arena: the default door, floor, walls and agent of leworld/TwoRoom-v0.",
            "recipe": facts | {"settings": asdict(self.settings)},
        }
