"""The training step of a world model, ready for use."""

from typing import final

from .._checks import plain_numbers
from ..data import RawBatch
from ..models import Losses
from ._module import TrainingModule


@final
class WorldModelModule(TrainingModule):
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

    @plain_numbers
    def losses(self, raw: RawBatch, *, step: int) -> Losses:
        """Return the losses of a batch of raw windows, with the randomness of step `step`."""
        return super().losses(raw, step=step)
