"""What a run is judged by on episodes that it does not train on, and what follows from it."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import Any, final

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.nn.modules.batchnorm import _BatchNorm

from .._checks import check_number, describe, plain_numbers
from .._random import fold_seed, seeded_globals
from ..data import Episodes, Windows
from ..errors import ConfigError
from ..models import WorldModel
from ..nn import evaluation_mode
from ._batchnorm import reestimate_batchnorm
from ._identity import data_identity, described_value, windows_identity
from ._module import TrainingModule
from ._stream import WindowStream

Measure = Callable[[WorldModel, Episodes], object]

_PREFIX = "held_out_"
_MEASURE = 6  # of seeds


@final
@plain_numbers
@dataclass(frozen=True)
class HeldOut:
    """Episodes that a run is judged by and not trained on, how often, and by what.

    Every `every` steps, and at the last, the model's loss and its terms on windows of these episodes go into
    the log as `held_out_loss` and so on, and beside them what `measure` finds. A loss does not tell whether a
    model plans well; the rank of the expert's plan does, `measure=leworld.evaluation.diagnose`.

    With `best`, the weights of the step where that figure was best are those that the run ends with; with
    `patience` too, the run ends once so many looks in a row brought nothing better. Both are part of the
    state: a run that was cut off ends as one that was not.

    The loss is that of the model in evaluation mode, in batches of the run's size (a rest is left out), with
    the directions of one and the same step, so that its values can be compared. BatchNorm is measured anew
    for each look, on as many training windows, and gets its running averages back. Of several devices the
    first one looks, and the others wait.

    Args:
        episodes: The episodes; none of those that are trained on.
        every: Steps between two looks.
        num_windows: Most windows for the loss, drawn once.
        measure: Function of model and episodes whose result has the `figures`, as attributes or by name.
        figures: What of that result to log; those of a diagnosis unless given.
        best: Figure that decides which weights are kept: "loss", a term of the loss, or one of `figures`;
            None keeps the last ones.
        largest: Whether the largest value of it is the best; the smallest unless given.
        patience: Looks without a better one after which the run ends; None never ends it early.

    Raises:
        ConfigError: A value is out of range, or `patience` is given without `best`.

    Example:
        ```python
        import leworld
        from leworld.evaluation import diagnose
        from leworld.tasks import task_of
        from leworld.training import HeldOut

        episodes = task_of(leworld.load("lewm-tworoom-tiny")).held_out(4)
        watched = HeldOut(episodes, every=500, measure=diagnose, best="rank", patience=5)
        assert watched.figures == ("rank", "contrast", "within_share")
        ```
    """

    episodes: Episodes
    _: KW_ONLY
    every: int = 500
    num_windows: int = 1024
    measure: Measure | None = None
    figures: Sequence[str] = ("rank", "contrast", "within_share")
    best: str | None = None
    largest: bool = False
    patience: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.episodes, Episodes):
            raise ConfigError(
                "HeldOut needs `episodes` to be an Episodes",
                f"it is {describe(self.episodes)}",
                "Take one side of `episodes.split`",
            )
        check_number("HeldOut", "every", self.every, low=1, integer=True)
        check_number("HeldOut", "num_windows", self.num_windows, low=2, integer=True)
        if self.measure is not None and not callable(self.measure):
            raise ConfigError(
                "HeldOut needs `measure` to be a function of model and episodes",
                f"it is {describe(self.measure)}",
                "Pass for example `leworld.evaluation.diagnose`",
            )
        figures = (self.figures,) if isinstance(self.figures, str) else tuple(self.figures)
        if not all(isinstance(name, str) and name for name in figures):
            raise ConfigError(
                "HeldOut needs `figures` to be names",
                f"they are {describe(self.figures)}",
                'Pass for example ("rank",)',
            )
        object.__setattr__(self, "figures", figures)
        if self.best is not None and not isinstance(self.best, str):
            raise ConfigError(
                "HeldOut needs `best` to be the name of a figure, or None",
                f"it is {describe(self.best)}",
                'Pass for example "loss"',
            )
        if self.patience is not None:
            check_number("HeldOut", "patience", self.patience, low=1, integer=True)
            if self.best is None:
                raise ConfigError(
                    "HeldOut needs `best`, the figure by which `patience` decides",
                    "it is None",
                    'Pass for example `best="loss"`',
                )


class Validation(Callback):
    """Looks at a model on held-out episodes, and keeps the best weights; see `HeldOut`."""

    def __init__(self, held_out: HeldOut, module: TrainingModule, *, owner: str) -> None:
        model = module.model
        windows = Windows(held_out.episodes, model.history_size, frameskip=model.processor.frameskip)
        self.held_out = held_out
        self.windows = windows.with_columns(module.columns)
        self.owner = owner
        stream = WindowStream(self.windows, 2, seed=module.settings.seed)
        chosen = stream.statistics_indices(held_out.num_windows)
        size = min(len(chosen), module.settings.batch_size)
        check_number(owner, "windows of `held_out`", size, low=2, integer=True)
        self.batches = [chosen[first : first + size] for first in range(0, len(chosen) - size + 1, size)]
        self.value = math.nan
        self.waited = 0
        self.weights: dict[str, Any] = {}

    def identity(self, module: TrainingModule) -> dict[str, Any]:
        """Describe all that decides what it finds and does, and refuse episodes that are trained on."""
        held_out, model = self.held_out, module.model
        digests = windows_identity(self.windows, model.processor)[1]
        shared = set(digests) & set(module.seen or ())
        if shared:
            raise ConfigError(
                f"{self.owner} needs episodes in `held_out` that it does not train on",
                f"{len(shared)} of these {len(held_out.episodes)} are among those of `windows`",
                "Split them first: `training, held_out = episodes.split(0.1, seed=0)`",
            )
        episodes = held_out.episodes
        columns = dict(episodes.columns)
        if episodes.pixels is not None:
            columns["pixels"] = episodes.pixels
        names = ("every", "num_windows", "measure", "figures", "best", "largest", "patience")
        settings = {name: described_value(getattr(held_out, name)) for name in names}
        return {"data": data_identity(episodes, columns)[0], **settings}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look once before the first step, so that what cannot be measured is found out there."""
        if trainer.global_step == 0 and isinstance(pl_module, TrainingModule):
            self._look(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look, if it is time to, and end the run with the best weights if it is over."""
        step, last = trainer.global_step, trainer.global_step == trainer.max_steps
        if (step % self.held_out.every and not last) or not isinstance(pl_module, TrainingModule):
            return
        numbers = self._look(trainer, pl_module)
        pl_module.row = {**(pl_module.row or {}), **numbers}
        for logger in trainer.loggers:  # `log_dict` would have them repeat the numbers until the next look
            logger.log_metrics(numbers, step=step - 1)
        if self.held_out.best is None:
            return
        if self._is_better(numbers[_PREFIX + self.held_out.best]):
            state = pl_module.model.state_dict()
            self.weights = {name: _copied(value) for name, value in state.items()}
        elif self.held_out.patience is not None and self.waited >= self.held_out.patience:
            trainer.should_stop = pl_module.finished = True
        if (last or pl_module.finished) and self.weights:
            pl_module.model.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """Return the best value so far, its weights, and the looks since then."""
        return {"value": self.value, "waited": self.waited, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.value, self.waited = float(state_dict["value"]), int(state_dict["waited"])
        self.weights = dict(state_dict["weights"])

    def _is_better(self, value: float) -> bool:
        sign = -1 if self.held_out.largest else 1
        better = not math.isnan(value) and not sign * value >= sign * self.value
        self.value, self.waited = (value, 0) if better else (self.value, self.waited + 1)
        return better

    def _look(self, trainer: Trainer, module: TrainingModule) -> dict[str, float]:
        found: dict[str, float] = {}
        if trainer.is_global_zero:
            found = {_PREFIX + name: value for name, value in self._measured(module).items()}
        return dict(trainer.strategy.broadcast(found))

    def _measured(self, module: TrainingModule) -> dict[str, float]:
        model, held_out = module.model, self.held_out
        sums: dict[str, float] = {}
        with module.alone(), self._current_batchnorm(module):
            with evaluation_mode(model), torch.no_grad():
                for indices in self.batches:
                    losses = module.losses(self.windows.__getitems__(indices.tolist()), step=0)
                    for name, value in {"loss": losses.total, **losses.logged}.items():
                        sums[name] = sums.get(name, 0.0) + float(value)
            numbers = {name: value / len(self.batches) for name, value in sums.items()}
            if held_out.measure is not None:
                seed = fold_seed(module.settings.seed, _MEASURE)
                with seeded_globals(seed, module.device), evaluation_mode(model):
                    result = held_out.measure(model, held_out.episodes)
                numbers |= {name: self._figure(result, name) for name in held_out.figures}
        if held_out.best is not None and held_out.best not in numbers:
            raise ConfigError(
                f"{self.owner} needs `best` of `held_out` to be one of {sorted(numbers)}",
                f"it is {held_out.best!r}",
                "Name one of them, or add it to `figures`",
            )
        return numbers

    @contextmanager
    def _current_batchnorm(self, module: TrainingModule) -> Iterator[None]:
        """Within the block BatchNorm has the statistics of the weights as they are, as after the run.

        Its running averages lag behind: early in a run they make the loss a thousand times too large.
        """
        norms = [norm for norm in module.model.modules() if isinstance(norm, _BatchNorm)]
        kept = [{name: buffer.clone() for name, buffer in norm.named_buffers()} for norm in norms]
        count = min(self.held_out.num_windows, module.settings.batchnorm_windows)
        try:
            if module.windows is not None:
                reestimate_batchnorm(
                    module.model, module.windows, num_windows=count, seed=module.settings.seed
                )
            yield
        finally:
            for norm, buffers in zip(norms, kept, strict=True):
                for name, value in buffers.items():
                    norm.get_buffer(name).copy_(value)

    def _figure(self, result: object, name: str) -> float:
        value: Any = result.get(name) if isinstance(result, Mapping) else getattr(result, name, None)
        try:
            return float(value)
        except (TypeError, ValueError):
            raise ConfigError(
                f"{self.owner} needs `measure` of `held_out` to return something with the number `{name}`",
                f"it is {describe(value)} there",
                "Name in `figures` what the result has",
            ) from None


def _copied(value: Any) -> Any:
    return value.detach().cpu().clone() if isinstance(value, torch.Tensor) else value
