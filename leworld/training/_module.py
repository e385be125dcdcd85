"""The training step of a world model, as Lightning wants it."""

import math
import warnings
from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from .._checks import describe, plain_numbers, quoted, require
from .._random import fold_seed, seeded_globals
from ..data import RawBatch, Windows
from ..errors import ConfigError
from ..metrics import effective_rank, within_episode_share
from ..models import Losses, WorldModel, check_knows_parts, model_batch
from ._collapse import CollapseMonitor, CollapseWarning
from ._identity import stamped, training_record, windows_identity
from ._modes import set_training_modes
from ._settings import TrainSettings
from ._stream import StepLoader, WindowStream

require("lightning.pytorch", extra="train", purpose="leworld.training")
from lightning.pytorch.utilities.types import OptimizerLRScheduler  # noqa: E402 -- after the check that it is there

from ._fit import ResumableModule  # noqa: E402
from ._optimizer import scheduled_adamw  # noqa: E402

_DROPOUT, _REGULARIZER = 3, 4
_MAX_RANK_ROWS = 512
_LOGGED = frozenset(
    (
        "step",
        "epoch",
        "loss",
        "prediction_over_copy",
        "embedding_std",
        "effective_rank",
        "within_window_share",
        "learning_rate",
        "collapsing",
    )
)


@final
class WorldModelModule(ResumableModule):
    """A world model as a LightningModule: its loss, its optimizer, and the numbers worth watching.

    `leworld.training.train` wraps it in a ready Trainer. Use it on its own to train with a Trainer, callbacks
    or loggers of your own; it then works like any LightningModule, on any number of devices.

    Every `settings.log_every` steps it logs `loss`; every name of the model's `Losses.logged`, of LeWM
    `prediction` and the unweighted `regularizer`, and NaN for one that a later step does not have; if there
    is a `prediction`, `prediction_over_copy` (the error over that of predicting no change at all: above 1 the
    predictor is worse than a copy); `embedding_std` (of latents, mean over their entries), `effective_rank`
    (of at most 512 latents, as vectors), `within_window_share` (of the latents' variance, see
    `leworld.metrics.within_episode_share`), `learning_rate`, and `collapsing` (0 or 1). It feeds a
    `CollapseMonitor`, which warns once in plain words, unless the model says that its latents do not learn.

    The model is put into training mode here and again when a fit starts, so that one that was loaded, which
    is in evaluation mode, trains as one should. Parts stay in evaluation mode that are in it and whose
    parameters are all frozen (`requires_grad=False`), such as a backbone with statistics that shall not move.
    To keep others in it, put them there in `on_train_start` of a callback. After a fit of your own Trainer
    the model is in the mode that the Trainer left; call `model.eval()`. Which episodes it was trained on is
    left on the model as `trained_on`.

    Args:
        model: The model to train; its `processor` must be set.
        settings: Optimizer, seed and intervals.
        windows: Training windows, from which it makes its own loader; None if you pass the Trainer one, which
            must give `RawBatch`.

    Raises:
        ConfigError: The model has no processor, or the windows do not fit the model; in a step, if a term of
            the loss is called like one of the log's own numbers.
        MissingExtraError: Lightning is not installed.

    Randomness and ranks:
        Step s draws its windows, the regularizer's directions and dropout from generators seeded by
        `settings.seed` and s (dropout and windows also by the rank), and gives torch's global generators back
        as it found them. So a resumed run continues exactly where it was cut off. Under DDP every rank judges
        its own batch and gradients are averaged; directions are the same on all ranks.

    Example:
        ```python
        import warnings
        import torch
        from leworld.data import Processor, RawBatch
        from leworld.encoders import ActionEncoder, ConvEncoder
        from leworld.models import LeWM
        from leworld.nn import Projector
        from leworld.predictors import TransformerPredictor
        from leworld.training import TrainSettings, WorldModelModule

        model = LeWM(
            ConvEncoder(image_size=16, embedding_dim=8, channels=(4, 8)),
            TransformerPredictor(8, history_size=1, depth=1, num_heads=1, head_dim=8, mlp_dim=16),
            action_encoder=ActionEncoder(action_dim=1, embedding_dim=8),
            projector=Projector(8, hidden_dim=16),
            prediction_projector=Projector(8, hidden_dim=16),
        )
        model.processor = Processor(16, frameskip=1, action_dim=1, action_mean=(0.0,), action_std=(1.0,))
        raw = RawBatch(
            torch.randint(0, 256, (16, 2, 16, 16, 3), dtype=torch.uint8),
            torch.zeros(16, 2, 1),
            torch.zeros(16, 2, dtype=torch.int64),
        )
        module = WorldModelModule(model, settings=TrainSettings())
        assert torch.equal(module.losses(raw, step=3).total, module.losses(raw, step=3).total)
        ```
    """

    def __init__(
        self, model: WorldModel, windows: Windows | None = None, *, settings: TrainSettings | None = None
    ) -> None:
        super().__init__()
        settings = TrainSettings() if settings is None else settings
        for name, value, kind in (("model", model, WorldModel), ("settings", settings, TrainSettings)):
            if not isinstance(value, kind):
                raise ConfigError(
                    f"WorldModelModule needs `{name}` to be a {kind.__name__}",
                    f"it is {describe(value)}",
                    f"Pass a {kind.__name__}",
                )
        _check_fit(model, windows)
        self.model = model
        self.settings = settings
        self.windows = None if windows is None else windows.with_columns(_columns(model))
        self.monitor = CollapseMonitor()
        self._names: tuple[str, ...] = ()  # of terms and values logged so far
        self.seen: tuple[str, ...] | None = (
            None  # digests of the episodes in the windows, where known already
        )
        set_training_modes(model)

    @property
    def trained(self) -> WorldModel:
        """The model."""
        return self.model

    def forward(self, raw: RawBatch) -> Losses:
        """Return the losses of a batch, with the randomness of the current step."""
        return self.losses(raw, step=self.global_step)

    @plain_numbers
    def losses(self, raw: RawBatch, *, step: int) -> Losses:
        """Return the losses of a batch of raw windows, with the randomness of step `step`."""
        if self.model.processor is None:
            raise _no_processor()
        rank = self.trainer.global_rank if self._trainer is not None else 0
        device = next(self.model.parameters(), raw.actions).device
        seed = self.settings.seed
        generator = torch.Generator().manual_seed(fold_seed(seed, _REGULARIZER, step))
        with seeded_globals(fold_seed(seed, _DROPOUT, step, rank), device):
            return self.model.loss(model_batch(self.model, raw), generator=generator)

    @plain_numbers
    def training_step(self, batch: RawBatch, batch_idx: int) -> Tensor:
        """Compute the loss of a batch and log."""
        step = self.global_step
        losses = self.losses(batch, step=step)
        _check_names(losses)
        self.row = None
        if (step + 1) % self.settings.log_every == 0:
            self.row = {"loss": float(losses.total.detach()), **self._watch(losses, step)}
        if self._trainer is not None:  # else the loop is the user's own
            self.log("loss", losses.total.detach(), prog_bar=True, batch_size=len(batch))
        return losses.total

    def _watch(self, losses: Losses, step: int) -> dict[str, float]:
        latents = losses.latents.detach().flatten(2).float().cpu()
        rows = latents.flatten(0, 1)
        window = torch.arange(len(latents), dtype=torch.int64, device="cpu").repeat_interleave(
            latents.shape[1]
        )
        # Lightning goes on logging the last value of a name that is not logged again.
        numbers = dict.fromkeys(self._names, math.nan)
        numbers |= {name: float(value) for name, value in losses.logged.items()}
        self._names = tuple(numbers)
        if "prediction" in numbers:
            copying = float((latents[:, 1:] - latents[:, :-1]).square().mean())
            numbers["prediction_over_copy"] = numbers["prediction"] / copying if copying > 0 else float("nan")
        message = self.monitor.update(step + 1, latents) if self.model.learns_latents else None
        rate = self.settings.optimizer.learning_rate_at(step, num_steps=self.settings.num_steps)
        numbers |= {
            "embedding_std": float(rows.std(dim=0).mean()),
            "effective_rank": float(effective_rank(rows[:_MAX_RANK_ROWS], center=True)),
            "within_window_share": float(within_episode_share(rows, window)),
            "learning_rate": rate,
            "collapsing": float(self.monitor.collapsing),
        }
        if self._trainer is not None:
            self.log_dict(numbers, batch_size=latents.shape[0])
        if message is not None:
            warnings.warn(message, CollapseWarning, stacklevel=2)
        return numbers

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return AdamW and its schedule, counted in steps."""
        return scheduled_adamw(self.parameters(), self.settings)

    def train_dataloader(self) -> StepLoader:
        """Return the loader of the windows, from `first_step` on."""
        if self.windows is None:
            raise ConfigError(
                "WorldModelModule needs `windows` to make its own loader",
                "it was built without",
                "Pass `windows` here, or a loader of RawBatch to `Trainer.fit`",
            )
        stream = WindowStream(
            self.windows,
            self.settings.batch_size,
            seed=self.settings.seed,
            rank=self.trainer.global_rank,
            num_ranks=self.trainer.world_size,
        )
        return StepLoader(stream, self.settings.num_steps, first=self.first_step)

    def on_fit_start(self) -> None:
        """Put the model into training mode, also one that was loaded or evaluated since; see the class."""
        set_training_modes(self.model)

    def on_train_start(self) -> None:
        """Note on the model which episodes it is about to be trained on."""
        loader, seen = self.trainer.train_dataloader, self.seen
        windows = (
            loader.stream.windows if isinstance(loader, StepLoader) else getattr(loader, "dataset", None)
        )
        if seen is None and isinstance(windows, Windows) and self.model.processor is not None:
            seen = windows_identity(windows, self.model.processor)[1]
        self.model.trained_on = training_record(self.model, seen)

    def on_train_end(self) -> None:
        """Note that the record is of the weights that the model has now."""
        if self.model.trained_on is not None:
            self.model.trained_on = stamped(self.model.trained_on, self.model)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the collapse monitor's memory."""
        checkpoint["leworld_monitor"] = self.monitor.state_dict()

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Restore the collapse monitor's memory."""
        self.monitor.load_state_dict(checkpoint["leworld_monitor"])


def _columns(model: WorldModel) -> tuple[str, ...]:
    """Name what training reads beside pixels and actions."""
    parts = () if model.processor is None else model.processor.observation_parts
    return (*(name for name in parts if name != "pixels"), *model.batch_columns)


def _check_names(losses: Losses) -> None:
    taken = sorted(_LOGGED.intersection(losses.logged))
    if taken:
        raise ConfigError(
            "WorldModelModule needs terms and values of the loss with names that the log does not use itself",
            f"the model's `loss` returned `{taken[0]}`",
            f"Choose a name other than {quoted(sorted(_LOGGED))}",
        )


def _no_processor() -> ConfigError:
    return ConfigError(
        "WorldModelModule needs a model with a `processor`",
        "`model.processor` is None",
        "Set it: `model.processor = leworld.data.fit_processor(train_episodes, frameskip=...)`",
    )


def _check_fit(model: WorldModel, windows: Windows | None) -> None:
    if model.processor is None:
        raise _no_processor()
    check_knows_parts(model, model.processor, owner="WorldModelModule")
    rows = [("processor.block_dim", model.processor.block_dim, "model.action_dim", model.action_dim)]
    if windows is not None:
        if not isinstance(windows, Windows):
            raise ConfigError(
                "WorldModelModule needs `windows` to be Windows",
                f"`windows` is {describe(windows)}",
                "Cut the episodes: `Windows(episodes, model.history_size, frameskip=...)`",
            )
        rows += [
            ("windows.history_size", windows.history_size, "model.history_size", model.history_size),
            ("windows.frameskip", windows.frameskip, "processor.frameskip", model.processor.frameskip),
        ]
    for name, value, due_name, due in rows:
        if value != due:
            raise ConfigError(
                f"WorldModelModule needs `{name}` to equal `{due_name}`",
                f"they are {value} and {due}",
                "Build model, processor and windows with the same history and frameskip",
            )
