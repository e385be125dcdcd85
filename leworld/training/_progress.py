"""The progress bar of a run, which knows where a resumed one goes on."""

from typing import Any, final

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar


@final
class StepBar(TQDMProgressBar):
    """Counts optimizer steps from the first to the last, with the loss beside it."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] -- the base names neither argument
        """Draw the bar; on a resumed run Lightning announces no epoch, so its length is set here."""
        super().on_train_start(trainer, pl_module)
        self._begin(trainer)

    def on_train_epoch_start(self, trainer: Trainer, *_: Any) -> None:
        """Keep one bar for the whole run."""
        self._begin(trainer)

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride] -- narrower than the base
        """Return what stands beside the bar, without the logger's version."""
        return {
            name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"
        }

    def _begin(self, trainer: Trainer) -> None:
        self.train_progress_bar.reset(total=trainer.max_steps)
        self.train_progress_bar.initial = trainer.global_step
        self.train_progress_bar.n = trainer.global_step
        self.train_progress_bar.set_description("train")
