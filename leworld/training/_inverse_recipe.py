"""The recipe behind `leworld train NAME-inverse`: an inverse model on a frozen world model."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor

from .._checks import check_number, describe, plain_numbers, require
from .._digests import tensor_digest
from .._random import fold_seed, seeded_globals, usual_defaults
from ..control import GoalConditionedInverseModel
from ..data import Episodes, Processor, RawBatch, Windows
from ..errors import ConfigError
from ..models import WorldModel, embed_rows
from ..serialise import check_saveable, load_module, save_module
from ._devices import Devices
from ._identity import data_identity
from ._loading import StepLoader
from ._log import RunLog
from ._settings import OptimizerSettings, TrainSettings
from ._stream import WindowStream
from ._threads import cpu_threads

require("lightning.pytorch", extra="train", purpose="leworld.training")
from lightning.pytorch.utilities.types import OptimizerLRScheduler  # noqa: E402 -- after the check

from ._fit import ResumableModule, fit  # noqa: E402
from ._optimizer import scheduled_adamw  # noqa: E402
from ._reserve import reserve_folder  # noqa: E402

INVERSE_FOLDER = "inverse"
INVERSE_SETTINGS = TrainSettings(
    num_steps=1000, batch_size=64, optimizer=OptimizerSettings(learning_rate=1e-3), save_every=250
)
_WEIGHTS = 5


@plain_numbers
@torch.inference_mode(False)
def train_inverse(
    model: WorldModel,
    episodes: Episodes,
    *,
    folder: str | Path,
    settings: TrainSettings | None = None,
    max_steps: int = 10,
    hidden_dim: int = 256,
    resume: bool = True,
    progress: bool = True,
    accelerator: str = "cpu",
) -> GoalConditionedInverseModel:
    """Train an inverse model on the frozen embeddings of a world model, in minutes on one CPU core.

    Amortised planning: all frames are encoded once; then, of windows of `max_steps` blocks drawn from the
    episodes, every later frame serves as a goal for every earlier one (hindsight), and the network learns the
    block that the data took. The world model is not changed. Use the result in `InversePolicy`, or in
    `MPCPolicy(..., propose=inverse)`. Called again with the same arguments after an interruption, it goes
    on from the last saved state and ends with the weights and the log that it would have had; a call with any
    other embeddings, actions, network or settings is refused.

    Args:
        model: A trained world model with its processor.
        episodes: Trajectories of its world, best like those that it was trained on: what `collect` of its
            task returns.
        folder: Gets `metrics.csv`, `state.ckpt`, and the finished network in `inverse/`, which `load_inverse`
            reads.
        settings: Steps, batch size (windows), optimizer, seed and intervals; 1000 steps of 64 windows when
            None. `batchnorm_windows` plays no part.
        max_steps: Longest way to a goal, in blocks; episodes have to be that long.
        hidden_dim: Width of the network.
        resume: Go on from a state in `folder`; False starts over, and may replace any `inverse/` there.
        progress: Show progress bars.
        accelerator: Lightning's name of the device.

    Returns:
        The trained network, in evaluation mode.

    Raises:
        ConfigError: Model, episodes and settings do not fit together, the folder holds another run, or
            another run is using it.
        DataError: No episode is long enough.
        CheckpointError: A file in the folder cannot be read or written.
        NonFiniteError: The model's embeddings are not finite.

    Randomness: everything follows from `settings.seed`, the model and the episodes.

    Source: goal-conditioned inverse dynamics on frozen latents, "Latent geometry beyond search: amortizing
    planning in world models", 2026 (arXiv 2605.08732). Goals by hindsight at all distances of a window,
    network and rates are ours.

    Example:
        ```python
        import tempfile
        import numpy as np
        import leworld
        from leworld.data import Episodes
        from leworld.training import TrainSettings, load_inverse, train_inverse

        model = leworld.load("lewm-tworoom-tiny")
        rng = np.random.default_rng(0)
        films = [rng.integers(0, 256, (16, 64, 64, 3), np.uint8)]
        episodes = Episodes.from_trajectories(films, [rng.uniform(-1, 1, (15, 2))])
        few = TrainSettings(num_steps=1, batch_size=4)
        with tempfile.TemporaryDirectory() as folder:
            train_inverse(model, episodes, folder=folder, settings=few, max_steps=2, progress=False)
            inverse = load_inverse(f"{folder}/inverse")
        assert inverse.embedding_dim == model.embedding_dim
        ```
    """
    check_number("train_inverse", "max_steps", max_steps, low=1, integer=True)
    settings = INVERSE_SETTINGS if settings is None else settings
    processor = _check(model, episodes, settings)
    with usual_defaults(), seeded_globals(fold_seed(settings.seed, _WEIGHTS)):
        inverse = GoalConditionedInverseModel(
            model.embedding_dim, model.action_dim, max_steps=max_steps, hidden_dim=hidden_dim
        )
    windows = _windows(episodes, max_steps, processor.frameskip)
    architecture = vars(inverse)["config"].to_json()
    with (
        reserve_folder(folder, result=INVERSE_FOLDER, resume=resume, owner="train_inverse") as place,
        cpu_threads(settings.num_threads),
    ):
        table = embed_rows(model, episodes, owner="train_inverse")
        provenance = {
            "data": _digest(table.numpy(), episodes.actions),
            "inverse": architecture,
            "settings": settings.to_json(),
        }
        check_saveable(inverse, provenance=provenance, processor=processor.to_json())
        data = data_identity(episodes, {})[0]
        fit(
            _InverseModule(inverse, table, processor=processor, windows=windows, settings=settings),
            place,
            identity={
                "data": {**data, "embeddings": tensor_digest(table)},
                "inverse": architecture,
                "processor": processor.to_json(),
            },
            log=RunLog(place, events=False),
            owner="train_inverse",
            resume=resume,
            progress=progress,
            devices=Devices(accelerator=accelerator),
        )
        inverse.eval()
        save_module(
            inverse,
            place / INVERSE_FOLDER,
            provenance=provenance,
            processor=processor.to_json(),
            overwrite=True,
        )
    return inverse


def load_inverse(folder: str | Path) -> GoalConditionedInverseModel:
    """Load the network that `train_inverse` left in the folder `inverse`, on the CPU, in evaluation mode.

    Every field and every tensor must be known, present, of the right shape and finite; nothing in the files
    is executed.

    Args:
        folder: The folder with `config.json` and `model.safetensors`.

    Raises:
        CheckpointError: If a file is missing, damaged or not of an inverse model.

    Example:
        ```python
        import tempfile
        import leworld
        from leworld.tasks import task_of
        from leworld.training import TrainSettings, load_inverse, train_inverse

        model = leworld.load("lewm-tworoom-tiny")
        episodes = task_of(model).collect(1)
        few = TrainSettings(num_steps=1, batch_size=2)
        with tempfile.TemporaryDirectory() as folder:
            inverse = train_inverse(model, episodes, folder=folder, settings=few, max_steps=3, progress=False)
            again = load_inverse(f"{folder}/inverse")
        assert (again.enter.weight == inverse.enter.weight).all()
        ```
    """
    return load_module(folder, GoalConditionedInverseModel)


@final
class _InverseModule(ResumableModule):
    """The inverse model's step: windows come as row numbers, whose embeddings lie in a table."""

    def __init__(
        self,
        inverse: GoalConditionedInverseModel,
        table: Tensor,
        *,
        processor: Processor,
        windows: Windows,
        settings: TrainSettings,
    ) -> None:
        super().__init__()
        self.inverse = inverse
        self.processor = processor
        self.windows = windows
        self.settings = settings
        self.table: Tensor
        self.register_buffer("table", table, persistent=False)

    @property
    def trained(self) -> GoalConditionedInverseModel:
        """The network."""
        return self.inverse

    def training_step(self, batch: RawBatch, batch_idx: int) -> Tensor:
        """Compute the loss of a batch and log."""
        step, settings = self.global_step, self.settings
        loss = self.inverse.loss(self.table[batch.rows], self.processor.action_blocks(batch.actions))
        self.log("loss", loss.detach(), prog_bar=True, batch_size=len(batch))
        self.row = None
        if (step + 1) % settings.log_every == 0:
            rate = settings.optimizer.learning_rate_at(step, num_steps=settings.num_steps)
            value = float(loss.detach())
            self.row = {"loss": value, "prediction": value, "learning_rate": rate}
        return loss

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return AdamW and its schedule, counted in steps."""
        return scheduled_adamw(self.inverse.parameters(), self.settings)

    def train_dataloader(self) -> StepLoader[RawBatch]:
        """Return the loader of the windows, from `first_step` on."""
        stream = WindowStream(self.windows, self.settings.batch_size, seed=self.settings.seed)
        return self.loader(stream)


def _check(model: object, episodes: object, settings: object) -> Processor:
    """Return the model's processor after checking that it can act."""
    due = (
        ("model", model, WorldModel),
        ("episodes", episodes, Episodes),
        ("settings", settings, TrainSettings),
    )
    for name, value, kind in due:
        if not isinstance(value, kind):
            raise ConfigError(
                f"train_inverse needs `{name}` to be a {kind.__name__}",
                f"it is {describe(value)}",
                f"Pass a {kind.__name__}",
            )
    processor = model.processor if isinstance(model, WorldModel) and model.has_processor else None
    if processor is None or processor.action_mean is None:
        raise ConfigError(
            "train_inverse needs a model whose `processor` has action statistics",
            "none was set" if processor is None else "its `action_mean` is None",
            "Load the model with `leworld.load`, or set what `fit_processor` returns",
        )
    return processor


def _windows(episodes: Episodes, max_steps: int, frameskip: int) -> Windows:
    """Cut the episodes without their frames, which the table of embeddings replaces."""
    blank = np.zeros((episodes.num_rows, 1, 1, 3), np.uint8)
    return Windows(replace(episodes, pixels=blank), max_steps, frameskip=frameskip)


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
