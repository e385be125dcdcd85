"""The training step of a world model, as Lightning wants it, for users to build on."""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .._checks import describe, plain_numbers, quoted, require
from .._distributed import active_group, gather_samples, mean_over_ranks
from .._random import fold_seed, seeded_globals
from ..data import RawBatch, Windows
from ..errors import ConfigError
from ..metrics import effective_rank, within_episode_share
from ..models import Losses, WorldModel, check_knows_parts, model_batch
from ._collapse import CollapseMonitor, CollapseWarning
from ._identity import stamped, step_identity, training_record, windows_identity
from ._joint import joint_batch, single_batch
from ._loading import StepLoader, windows_of
from ._modes import set_training_modes
from ._settings import TrainSettings
from ._stream import WindowStream

require("lightning.pytorch", extra="train", purpose="leworld.training")
from lightning.pytorch.utilities.types import OptimizerLRScheduler  # noqa: E402 -- after the check that it is there

from ._fit import ResumableModule  # noqa: E402
from ._optimizer import clipped_groups, scheduled_adamw  # noqa: E402

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


class TrainingModule(ResumableModule, ABC):
    """The training step of a world model, for steps of your own: subclass it and pass one to `train`.

    A subclass says what a step minimises, in `losses`; the body here, by `super().losses(raw, step=step)`, is
    the model's own loss with the randomness of that step. All methods of a LightningModule may be overridden
    too: `configure_optimizers` for another optimizer, `on_train_batch_end` for a slow copy of the model. Call
    `super()` in those that are defined here. Parameters of the subclass are trained, and resumed, with the
    model's. `WorldModelModule` is the one that needs no subclass and tells what is logged.

    Two rules keep a resumed run the same as one that was not cut off. Random numbers come from generators
    that the step seeds by `step`. What is remembered from step to step is a parameter, a buffer, or written
    in `on_save_checkpoint`.

    Args:
        model: The model to train; its `processor` must be set.
        windows: Training windows; `train` puts its own here.
        settings: Optimizer, seed and intervals; those of `train` where it is given some.

    Raises:
        ConfigError: As `WorldModelModule`.

    Example:
        ```python
        import leworld
        from leworld.training import TrainingModule

        class SmallWeights(TrainingModule):
            def losses(self, raw, *, step):
                found = super().losses(raw, step=step)
                size = sum(weight.square().sum() for weight in self.model.encoder.parameters())
                return type(found)({**found.terms, "size": 1e-4 * size}, found.latents, found.values)

        module = SmallWeights(leworld.load("lewm-tworoom-tiny"))
        assert module.model.training and module.settings.num_steps == 2000
        ```
    """

    def __init__(
        self, model: WorldModel, windows: Windows | None = None, *, settings: TrainSettings | None = None
    ) -> None:
        super().__init__()
        settings = TrainSettings() if settings is None else settings
        for name, value, kind in (("model", model, WorldModel), ("settings", settings, TrainSettings)):
            _check_kind(type(self).__name__, name, value, kind)
        _check_fit(model, windows)
        self.model = model
        self.settings = settings
        self.windows = None if windows is None else windows.with_columns(_columns(model))
        self.monitor = CollapseMonitor()
        self._alone = False
        self._names: tuple[str, ...] = ()  # of terms and values logged so far
        self.seen: tuple[str, ...] | None = (
            None  # digests of the episodes in the windows, where known already
        )
        self.first_step, self.finished, self.row = 0, False, None
        set_training_modes(model)
        self._usual = frozenset((*vars(self), "_usual"))

    def identity(self) -> dict[str, Any]:
        """Describe what decides the result beside model, windows and settings."""
        if type(self).__module__.partition(".")[0] == "leworld":
            return {}
        known = {id(value) for value in (*self.model.parameters(), *self.model.buffers())}
        weights = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        return step_identity(
            type(self),
            {name: value for name, value in vars(self).items() if name not in self._usual},
            {name: value for name, value in weights.items() if id(value) not in known},
        )

    def begin(self, windows: Windows, settings: TrainSettings) -> None:
        """Get ready for a run on these windows, as if it were the first one."""
        _check_kind(type(self).__name__, "settings", settings, TrainSettings)
        _check_fit(self.model, windows)
        self.windows, self.settings = windows.with_columns(self.columns), settings
        self.first_step, self.finished, self.row, self.seen = 0, False, None, None
        self.monitor, self._names = CollapseMonitor(), ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what it reads beside pixels and actions."""
        return _columns(self.model)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within the block a batch is one of this process, whatever others do."""
        self._alone = True
        try:
            with single_batch(self.model):
                yield
        finally:
            self._alone = False

    @property
    def trained(self) -> WorldModel:
        """The model."""
        return self.model

    def forward(self, raw: RawBatch) -> Losses:
        """Return the losses of a batch, with the randomness of the current step."""
        return self.losses(raw, step=self.global_step)

    @abstractmethod
    def losses(self, raw: RawBatch, *, step: int) -> Losses:
        """Return the losses of a batch of raw windows, with the randomness of step `step`.

        Where a trainer has several devices, the batch is the joint one of all of them.
        """
        if not self.model.has_processor:
            raise _no_processor()
        rank = self.trainer.global_rank if self._trainer is not None else 0
        device = next(self.model.parameters(), raw.actions).device
        seed = self.settings.seed
        generator = torch.Generator().manual_seed(fold_seed(seed, _REGULARIZER, step))
        alone = self._alone or (self._trainer is not None and self._trainer.world_size == 1)
        with (
            seeded_globals(fold_seed(seed, _DROPOUT, step, rank), device),
            nullcontext() if alone else joint_batch(self.model),
        ):
            return self.model.loss(model_batch(self.model, raw), generator=generator)

    @plain_numbers
    def training_step(self, batch: RawBatch, batch_idx: int) -> Tensor:
        """Compute the loss of a batch and log."""
        step = self.global_step
        losses = self.losses(batch, step=step)
        _check_names(losses)
        self.row = None
        if (step + 1) % self.settings.log_every == 0:
            self.row = self._watch(losses, step)
        if self._trainer is not None:  # else the loop is the user's own
            self.log("loss", losses.total.detach(), prog_bar=True, batch_size=len(batch))
        return losses.total

    def _watch(self, losses: Losses, step: int) -> dict[str, float]:
        """Return the numbers of a step, of all ranks together."""
        group = None if self._trainer is None or self._trainer.world_size == 1 else active_group("world")
        latents = losses.latents.detach().flatten(2).float()
        together = gather_samples(latents.flatten(1), group).unflatten(1, latents.shape[1:])
        latents = together.cpu()
        rows = latents.flatten(0, 1)
        window = torch.arange(len(latents), dtype=torch.int64, device="cpu").repeat_interleave(
            latents.shape[1]
        )
        # Lightning goes on logging the last value of a name that is not logged again.
        numbers = dict.fromkeys(self._names, math.nan)
        known = {"loss": losses.total.detach(), **losses.logged}
        means = mean_over_ranks(torch.stack([value.float() for value in known.values()]), group)
        told = dict(zip(known, means.tolist(), strict=True))
        loss = told.pop("loss")
        numbers |= told
        self._names = tuple(numbers)
        if "prediction" in numbers:
            copying = float((latents[:, 1:] - latents[:, :-1]).square().mean())
            numbers["prediction_over_copy"] = numbers["prediction"] / copying if copying > 0 else float("nan")
        message = self.monitor.update(step + 1, latents) if self.model.watches_spread else None
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
        return {"loss": loss, **numbers}

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return AdamW and its schedule, counted in steps."""
        return scheduled_adamw(self.parameters(), self.settings)

    @plain_numbers
    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradients, those of the model's parts that learn apart by norms of their own."""
        apart = self.model.clipped_apart
        if not apart or not gradient_clip_val or gradient_clip_algorithm not in (None, "norm"):
            super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)
            return
        learning = [weight for group in optimizer.param_groups for weight in group["params"]]
        for weights in clipped_groups(self.model, apart, learning):
            nn.utils.clip_grad_norm_(weights, gradient_clip_val)

    def train_dataloader(self) -> StepLoader[RawBatch]:
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
        return self.loader(stream)

    def on_fit_start(self) -> None:
        """Put the model into training mode, also one that was loaded or evaluated since; see the class."""
        set_training_modes(self.model)

    def on_train_start(self) -> None:
        """Note on the model which episodes it is about to be trained on."""
        windows, seen = windows_of(self.trainer.train_dataloader), self.seen
        if seen is None and isinstance(windows, Windows) and self.model.has_processor:
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


def _check_kind(owner: str, name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise ConfigError(
            f"{owner} needs `{name}` to be a {kind.__name__}",
            f"it is {describe(value)}",
            f"Pass a {kind.__name__}",
        )


def _columns(model: WorldModel) -> tuple[str, ...]:
    """Name what training reads beside pixels and actions."""
    parts = model.processor.observation_parts if model.has_processor else ()
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
        "none was set",
        "Set it: `model.processor = leworld.data.fit_processor(train_episodes, frameskip=...)`",
    )


def _check_fit(model: WorldModel, windows: Windows | None) -> None:
    if not model.has_processor:
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
