"""How a model of a task is trained from nothing: collect, build, train, save."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, final

from torch import nn

from .._checks import check_choice, check_number, describe, plain_numbers
from .._digests import weights_digest
from .._random import fold_seed, seeded_globals, usual_defaults
from ..data import Episodes, Processor, Windows, fit_processor
from ..encoders import ActionEncoder, ConvEncoder
from ..errors import ConfigError
from ..hub import save
from ..models import PLDM, LeWM, WorldModel
from ..nn import Projector
from ..predictors import TransformerPredictor
from ..regularizers import InverseDynamics, PLDMTerms, SIGReg
from ..serialise import check_saveable
from ..training import Devices, HeldOut, OptimizerSettings, TrainSettings, reserve_folder, train
from ._initial import origin, ready_model
from ._task import Task

MODEL_FOLDER = "model"
_WEIGHTS = 3
_CHANNELS = (8, 16, 32, 64)  # of the encoder's stages
SIDE_MULTIPLE = 2 ** len(_CHANNELS)  # each stage halves a picture
# What a recipe can train: its name in words, and its paper.
MODEL_NAMES = {"lewm": ("LeWorldModel", "arXiv 2603.19312"), "pldm": ("PLDM", "arXiv 2502.14819")}


def _default_settings() -> TrainSettings:
    return TrainSettings(
        num_steps=2500, batch_size=128, optimizer=OptimizerSettings(learning_rate=1e-3), save_every=250
    )


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """What a recipe collects, builds and trains; `train` runs it, as `leworld train NAME` does.

    A LeWM small enough for one CPU core: four strided convolutions over the frames, a predictor of two
    blocks, and LeWM's two terms, unchanged. `LeWMRecipe` is one for any task.

    Args:
        num_episodes: Episodes to collect.
        image_size: Side of the frames in pixels, a multiple of 16; None for the task's own.
        embedding_dim: Size of an embedding.
        hidden_dim: Width of the hidden layers behind the encoder; a quarter of it is the size of an action's
            embedding. None for eight times the embedding; a small embedding needs more.
        history_size: Frames that the predictor sees; 1 where a single picture tells the whole state.
        regularizer_weight: Lambda, SIGReg's weight, tied to the batch size. 0 shows a collapse.
        num_slices: SIGReg's directions a step. Fresh ones come each step, so few are enough for 32
            dimensions.
        encoder_norm: "none", or "batch" for a BatchNorm in each convolution of the encoder, which then sees
            shapes and angles, not only places, after far fewer steps.
        inverse_dynamics_weight: Weight of a third term, `InverseDynamics`, beside LeWM's two: it keeps in the
            embedding what the actions change, where that covers few pixels. 0 leaves it out.
        model: "lewm", or "pldm" for a PLDM of the same parts and initial weights, with the released weights
            of its terms; it does not read the weights above and `num_slices`.
        settings: The training run; its `seed` also decides the data and the initial weights.

    Raises:
        ConfigError: A value is out of range.

    Example:
        ```python
        from leworld.tasks import get_task

        recipe = get_task("tworoom").recipe()
        assert recipe.num_episodes == 1000 and recipe.embedding_dim == 32
        ```
    """

    num_episodes: int = 1000
    image_size: int | None = None
    embedding_dim: int = 32
    hidden_dim: int | None = None
    history_size: int = 1
    regularizer_weight: float = 0.09
    num_slices: int = 64
    encoder_norm: Literal["none", "batch"] = "none"
    inverse_dynamics_weight: float = 0.0
    model: Literal["lewm", "pldm"] = "lewm"
    settings: TrainSettings = field(default_factory=_default_settings)

    def __post_init__(self) -> None:
        owner = type(self).__name__
        check_number(owner, "num_episodes", self.num_episodes, low=1, integer=True)
        if self.image_size is not None:
            check_number(owner, "image_size", self.image_size, low=1, integer=True)
            if self.image_size % SIDE_MULTIPLE:  # or found out after the episodes are collected
                raise ConfigError(
                    f"{owner} needs `image_size` to be a multiple of {SIDE_MULTIPLE}",
                    f"it is {self.image_size}",
                    f"Take {-(-self.image_size // SIDE_MULTIPLE) * SIDE_MULTIPLE}",
                )
        check_number(owner, "embedding_dim", self.embedding_dim, low=1, integer=True)
        if self.hidden_dim is not None:
            check_number(owner, "hidden_dim", self.hidden_dim, low=4, integer=True)
        check_number(owner, "history_size", self.history_size, low=1, integer=True)
        check_number(owner, "regularizer_weight", self.regularizer_weight, low=0.0)
        check_number(owner, "num_slices", self.num_slices, low=1, integer=True)
        check_choice(owner, "encoder_norm", self.encoder_norm, ("none", "batch"))
        check_number(owner, "inverse_dynamics_weight", self.inverse_dynamics_weight, low=0.0)
        check_choice(owner, "model", self.model, MODEL_NAMES)
        if not isinstance(self.settings, TrainSettings):
            raise ConfigError(
                f"{owner} needs `settings` to be TrainSettings",
                f"it is a {type(self.settings).__name__}",
                "Pass for example TrainSettings(num_steps=500)",
            )

    @property
    @abstractmethod
    def _task(self) -> Task:
        """The task that the recipe is for."""

    @property
    def _frameskip(self) -> int:
        return self._task.frameskip

    def collect(self, *, held_out: bool = False, progress: bool = True) -> Episodes:
        """Gather the training episodes, or as many held-out ones that share nothing with them."""
        gather = self._task.held_out if held_out else self._task.collect
        seed = self.settings.seed
        return gather(self.num_episodes, image_size=self.image_size, seed=seed, progress=progress)

    def processor(self, episodes: Episodes) -> Processor:
        """Measure the action statistics of the training episodes."""
        task, seed = self._task, self.settings.seed
        source = f"{self.num_episodes} episodes of the recipe `{task.name}`, seed {seed}"
        return fit_processor(episodes, frameskip=task.frameskip, source=source)

    def build(self, processor: Processor, *, regularizer: nn.Module | None = None) -> LeWM | PLDM:
        """Build the untrained model; its initial weights follow from the seed.

        Another `regularizer`, (*batch, sample, dim) -> scalar, takes the place of SIGReg, with the recipe's
        weight, and `PLDMTerms` of other weights that of PLDM's; every other weight starts where it would
        have. `leworld.training.train` trains such a model.
        """
        if regularizer is not None and not isinstance(regularizer, nn.Module):
            raise ConfigError(
                f"{type(self).__name__}.build needs `regularizer` to be a module",
                f"it is {describe(regularizer)}",
                "Pass for example leworld.regularizers.ExactSIGReg()",
            )
        side = processor.image_size
        if side is None:
            raise ConfigError(
                f"{type(self).__name__}.build needs a processor with an `image_size`",
                "it is None",
                "Fit one to episodes with frames called `pixels`",
            )
        dim, hidden = self.embedding_dim, self.hidden_dim or 8 * self.embedding_dim
        condition = hidden // 4
        with usual_defaults(), seeded_globals(fold_seed(self.settings.seed, _WEIGHTS)):
            parts = {
                "encoder": ConvEncoder(side, dim, channels=_CHANNELS, norm=self.encoder_norm),
                "predictor": TransformerPredictor(
                    dim,
                    history_size=self.history_size,
                    condition_dim=condition,
                    depth=2,
                    num_heads=2,
                    head_dim=16,
                    mlp_dim=hidden,
                    dropout=0.0,
                ),
                "action_encoder": ActionEncoder(processor.block_dim, condition, hidden_dim=hidden),
                "projector": Projector(dim, hidden_dim=hidden),
                "prediction_projector": Projector(dim, hidden_dim=hidden),
            }
            weight, third = self.inverse_dynamics_weight, {}
            if weight:
                third["inverse_dynamics"] = InverseDynamics(dim, processor.block_dim, hidden_dim=2 * dim)
        if self.model == "pldm":
            model = PLDM(**parts, regularizer=_pldm_terms(regularizer))
        else:
            judge = SIGReg(self.num_slices) if regularizer is None else regularizer
            model = LeWM(
                **parts,
                regularizer=judge,
                regularizer_weight=self.regularizer_weight,
                auxiliary=third or None,
                auxiliary_weights=dict.fromkeys(third, weight) or None,
            )
        model.processor = processor
        return model

    def provenance(self) -> dict[str, Any]:
        """Return what a checkpoint of this recipe says about its origin, as plain data."""
        task = self._task
        facts = {part.name: getattr(self, part.name) for part in fields(self) if part.name != "task"}
        return {
            "name": f"{self.model}-{re.sub(r'[^a-z0-9]+', '-', task.name.lower()).strip('-')}",
            "summary": f"A small {MODEL_NAMES[self.model][0]} of {task.environment_id}.",
            "paper": MODEL_NAMES[self.model][1],
            "training_data": f"{self.num_episodes} episodes of {task.episode_steps} actions, collected by it",
            "recipe": facts | {"settings": self.settings.to_json()},
        }

    def train(
        self,
        folder: str | Path,
        *,
        initial: WorldModel | None = None,
        held_out: HeldOut | None = None,
        resume: bool = True,
        progress: bool = True,
        accelerator: str = "cpu",
    ) -> WorldModel:
        """Collect data, train a model on it and save it, in minutes on one CPU core.

        The same call after an interruption goes on from the last saved state and ends with the weights that
        it would have had; data are not stored but collected again, the same ones. That the folder can be
        written, and that no other run is using it, is found out before that.

        Args:
            folder: Gets `metrics.csv`, TensorBoard's `tensorboard/`, `state.ckpt`, and the finished
                checkpoint in `model/`, which `leworld.load` reads.
            initial: A trained model to begin with, in place of a new one: of the recipe, only data and
                settings are used then. It keeps its processor, and is trained in place.
            held_out: Episodes that the run is watched on, and how; of the same world as those it trains on.
            resume: Go on from `folder` if it holds a state; else start over. False replaces state and model.
            progress: Show progress bars.
            accelerator: Lightning's name of the device, for example "cpu", "gpu" or "auto".

        Returns:
            The model in evaluation mode, with its processor.

        Raises:
            ConfigError: The folder holds a run with another recipe, or a model without the state of its run;
                or another run is using it; or `initial` does not take the actions of the data.
            CheckpointError: A file in the folder cannot be read or written.

        Randomness: everything follows from `settings.seed`.
        """
        owner, facts = f"{type(self).__name__}.train", self.provenance()
        with reserve_folder(folder, result=MODEL_FOLDER, resume=resume, owner=owner) as place:
            episodes = self.collect(progress=progress)
            if initial is None:
                model: WorldModel = self.build(self.processor(episodes))
                frameskip = self._frameskip
            else:
                model = ready_model(initial, self.processor(episodes), owner=owner)
                facts = origin(facts, weights_digest(model))
                frameskip = model.processor.frameskip
            proven = {name: value for name, value in facts.items() if name != "scores"}
            check_saveable(model, processor=_processor_json(model), provenance=proven)
            train(
                model,
                Windows(episodes, model.history_size, frameskip=frameskip),
                folder=place,
                settings=self.settings,
                held_out=held_out,
                resume=resume,
                progress=progress,
                devices=Devices(accelerator=accelerator),
            )
            save(model, place / MODEL_FOLDER, provenance=facts, overwrite=True)
        return model


def _pldm_terms(regularizer: nn.Module | None) -> PLDMTerms | None:
    if regularizer is None or isinstance(regularizer, PLDMTerms):
        return regularizer
    raise ConfigError(
        'A recipe with `model="pldm"` builds with `regularizer` a `leworld.regularizers.PLDMTerms`',
        f"it is {describe(regularizer)}",
        'Pass None for the released terms, or take `model="lewm"`',
    )


def _processor_json(model: WorldModel) -> dict[str, Any] | None:
    return model.processor.to_json() if model.has_processor else None


@final
@plain_numbers
@dataclass(frozen=True, kw_only=True)
class LeWMRecipe(Recipe):
    """Trains a small LeWM of any task on what its collecting policy gathers.

    Watch lambda (`regularizer_weight`): where the planner never reaches one of the goal's parts, probe the
    embedding for it, and raise lambda until it is there.

    Args:
        task: The task.

    Raises:
        ConfigError: Something else than a task, or a value out of range.

    Example:
        ```python
        from leworld.tasks import LeWMRecipe, get_task

        recipe = LeWMRecipe(task=get_task("tworoom"), num_episodes=2, embedding_dim=8)
        episodes = recipe.collect(progress=False)
        model = recipe.build(recipe.processor(episodes))
        assert len(episodes) == 2 and model.embedding_dim == 8
        ```
    """

    task: Task

    def __post_init__(self) -> None:
        if not isinstance(self.task, Task):
            raise ConfigError(
                "LeWMRecipe needs `task` to be a `leworld.tasks.Task`",
                f"it is {describe(self.task)}",
                "Pass for example `get_task(name)`",
            )
        super().__post_init__()

    @property
    def _task(self) -> Task:
        return self.task
