"""The recipe behind `leworld train tworoom`, and behind the model that ships with leworld."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, final

from torch import nn

from ..._checks import check_number, describe
from ..._random import fold_seed
from ...data import Episodes, Processor, Windows, collect, fit_processor
from ...encoders import ActionEncoder, ConvEncoder
from ...envs import TwoRoomVector
from ...errors import ConfigError
from ...hub import save
from ...models import LeWM
from ...nn import Projector
from ...predictors import TransformerPredictor
from ...regularizers import SIGReg
from ...training._randomness import seeded_globals
from ...training._settings import OptimizerSettings, TrainSettings
from ...training._train import train
from ._wander import WanderingExpert

ENVIRONMENT = "leworld/TwoRoom-v0"
FRAMESKIP = 5
IMAGE_SIZE = 64
MODEL_FOLDER = "model"
_SIDE_BY_SIDE = 50
_DATA, _HELD_OUT, _WEIGHTS = 1, 2, 3


def _default_settings() -> TrainSettings:
    return TrainSettings(
        num_steps=2500, batch_size=128, optimizer=OptimizerSettings(learning_rate=1e-3), save_every=250
    )


@final
@dataclass(frozen=True, kw_only=True)
class TwoRoomRecipe:
    """What the TwoRoom recipe collects, builds and trains. `train_tworoom` runs it.

    A LeWM small enough for one CPU core: four strided convolutions over 64-pixel frames, an embedding of 32,
    a predictor of two blocks that sees one frame (a picture of TwoRoom tells the whole state), five actions a
    block. The objective is LeWM's two terms, unchanged.

    Args:
        num_episodes: Episodes to collect, of at most 101 frames each.
        straight_share: Share of the collecting agent's errands that head straight for their targets, even
            into the wall, so that the model learns where it holds. The others go through the door.
        door_share: Share of the errands whose targets lie around the door; the others' are anywhere.
        embedding_dim: Size of an embedding.
        regularizer_weight: Lambda, SIGReg's weight, tied to the batch size. 0 shows a collapse. TwoRoom has
            two degrees of freedom; the more an embedding of many dimensions is pressed to be Gaussian, the
            more it has to curl them up, and the shorter the range over which distance in it means distance in
            the room.
        num_slices: SIGReg's directions a step. Fresh ones come each step, so few are enough for 32
            dimensions.
        settings: The training run; its `seed` also decides the data and the initial weights.

    Raises:
        ConfigError: A value is out of range.

    Source:
        The data follow arXiv 2603.19312, appendix E (a noisy expert), with errands all over both rooms in
        place of one crossing an episode; sizes and rates are our own, found by trying.

    Example:
        ```python
        from leworld.training import TwoRoomRecipe

        recipe = TwoRoomRecipe(num_episodes=2)
        episodes = recipe.collect(progress=False)
        model = recipe.build(recipe.processor(episodes))
        assert len(episodes) == 2 and model.processor.block_dim == model.action_dim == 10
        assert sum(weight.numel() for weight in model.parameters()) < 750_000
        ```
    """

    num_episodes: int = 1000
    straight_share: float = 0.5
    door_share: float = 0.5
    embedding_dim: int = 32
    regularizer_weight: float = 0.002
    num_slices: int = 64
    settings: TrainSettings = field(default_factory=_default_settings)

    def __post_init__(self) -> None:
        owner = "TwoRoomRecipe"
        check_number(owner, "num_episodes", self.num_episodes, low=1, integer=True)
        check_number(owner, "straight_share", self.straight_share, low=0.0, high=1.0)
        check_number(owner, "door_share", self.door_share, low=0.0, high=1.0)
        check_number(owner, "embedding_dim", self.embedding_dim, low=1, integer=True)
        check_number(owner, "regularizer_weight", self.regularizer_weight, low=0.0)
        check_number(owner, "num_slices", self.num_slices, low=1, integer=True)
        if not isinstance(self.settings, TrainSettings):
            raise ConfigError(
                "TwoRoomRecipe needs `settings` to be TrainSettings",
                f"it is a {type(self.settings).__name__}",
                "Pass for example TrainSettings(num_steps=500)",
            )

    def collect(self, *, held_out: bool = False, progress: bool = True) -> Episodes:
        """Gather the training episodes, or as many held-out ones that share nothing with them."""
        env = TwoRoomVector(min(_SIDE_BY_SIDE, self.num_episodes), image_size=IMAGE_SIZE)
        policy = WanderingExpert(straight_share=self.straight_share, door_share=self.door_share)
        seed = fold_seed(self.settings.seed, _HELD_OUT if held_out else _DATA)
        episodes = collect(env, policy, num_episodes=self.num_episodes, seed=seed, progress=progress)
        return replace(episodes, environment_id=ENVIRONMENT)

    def processor(self, episodes: Episodes) -> Processor:
        """Measure the action statistics of the training episodes."""
        source = f"{self.num_episodes} episodes of the recipe `tworoom`, seed {self.settings.seed}"
        return fit_processor(episodes, frameskip=FRAMESKIP, source=source)

    def build(self, processor: Processor, *, regularizer: nn.Module | None = None) -> LeWM:
        """Build the untrained model; its initial weights follow from the seed.

        Another `regularizer`, (*batch, sample, dim) -> scalar, takes the place of SIGReg, with the recipe's
        weight; every other weight starts where it would have. `train` trains such a model.
        """
        if regularizer is not None and not isinstance(regularizer, nn.Module):
            raise ConfigError(
                "TwoRoomRecipe.build needs `regularizer` to be a module",
                f"it is {describe(regularizer)}",
                "Pass for example leworld.regularizers.ExactSIGReg()",
            )
        dim, condition, hidden = self.embedding_dim, 2 * self.embedding_dim, 8 * self.embedding_dim
        with seeded_globals(fold_seed(self.settings.seed, _WEIGHTS)):
            model = LeWM(
                ConvEncoder(IMAGE_SIZE, dim, channels=(8, 16, 32, 64)),
                TransformerPredictor(
                    dim,
                    history_size=1,
                    condition_dim=condition,
                    depth=2,
                    num_heads=2,
                    head_dim=16,
                    mlp_dim=hidden,
                    dropout=0.0,
                ),
                action_encoder=ActionEncoder(processor.block_dim, condition, hidden_dim=hidden),
                projector=Projector(dim, hidden_dim=hidden),
                prediction_projector=Projector(dim, hidden_dim=hidden),
                regularizer=SIGReg(self.num_slices) if regularizer is None else regularizer,
                regularizer_weight=self.regularizer_weight,
            )
        model.processor = processor
        return model

    def provenance(self) -> dict[str, Any]:
        """Return what a checkpoint of this recipe says about its origin, as plain data."""
        return {
            "name": "lewm-tworoom-tiny",
            "summary": "A small LeWorldModel of TwoRoom, trained on a CPU in minutes from 64-pixel frames.",
            "licence": "MIT",
            "paper": "arXiv 2603.19312",
            "command": f"leworld train tworoom --seed {self.settings.seed}",
            "training_data": f"{self.num_episodes} episodes of at most 101 frames that the recipe collects",
            "limits": "Knows one arena: the default door, floor, walls and agent of leworld/TwoRoom-v0.",
            "recipe": asdict(self),
        }


def train_tworoom(
    folder: str | Path,
    recipe: TwoRoomRecipe | None = None,
    *,
    resume: bool = True,
    progress: bool = True,
    accelerator: str = "cpu",
) -> LeWM:
    """Collect data in TwoRoom, train a LeWM on it and save the model, in minutes on one CPU core.

    This is `leworld train tworoom`. The same call after an interruption goes on from the last saved state and
    ends with the weights that it would have had; data are not stored but collected again, the same ones.

    Args:
        folder: Gets `metrics.csv`, TensorBoard's `tensorboard/`, `state.ckpt`, and the finished checkpoint in
            `model/`, which `leworld.load` reads.
        recipe: What to collect, build and train; the shipped model's recipe when None.
        resume: Go on from `folder` if it holds a state; else start over.
        progress: Show progress bars.
        accelerator: Lightning's name of the device, for example "cpu", "gpu" or "auto".

    Returns:
        The model in evaluation mode, with its processor.

    Raises:
        ConfigError: The folder holds a run with another recipe.
        CheckpointError: The state in the folder cannot be read.

    Randomness: everything follows from `recipe.settings.seed`.

    Example:
        ```python
        import tempfile
        import leworld
        from leworld.training import TrainSettings, TwoRoomRecipe, train_tworoom

        settings = TrainSettings(num_steps=1, batch_size=4, batchnorm_windows=8)
        recipe = TwoRoomRecipe(num_episodes=2, settings=settings)
        with tempfile.TemporaryDirectory() as folder:
            model = train_tworoom(folder, recipe, progress=False)
            again = leworld.load(f"{folder}/model")
        assert again.config == model.config
        ```
    """
    recipe = TwoRoomRecipe() if recipe is None else recipe
    if not isinstance(recipe, TwoRoomRecipe):
        raise ConfigError(
            "train_tworoom needs `recipe` to be a TwoRoomRecipe",
            f"it is {describe(recipe)}",
            "Pass for example TwoRoomRecipe(num_episodes=500)",
        )
    folder = Path(folder)
    episodes = recipe.collect(progress=progress)
    model = recipe.build(recipe.processor(episodes))
    train(
        model,
        Windows(episodes, model.history_size, frameskip=FRAMESKIP),
        folder=folder,
        settings=recipe.settings,
        resume=resume,
        progress=progress,
        accelerator=accelerator,
    )
    save(model, folder / MODEL_FOLDER, provenance=recipe.provenance())
    return model
