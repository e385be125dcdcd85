"""Training a decoder on a frozen model, resumable at any step."""

import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from .._checks import describe, require
from .._digests import tensor_digest
from .._random import fold_seed, seeded_globals, usual_defaults
from ..data import Episodes
from ..decoders import CrossAttentionDecoder
from ..errors import ConfigError, DataError
from ..models import WorldModel, embed_rows, processor_of
from ..serialise import check_saveable
from ._devices import Devices
from ._identity import data_identity
from ._loading import StepLoader
from ._log import RunLog
from ._modes import modes_on_failure
from ._settings import OptimizerSettings, TrainSettings
from ._threads import cpu_threads

require("lightning.pytorch", extra="train", purpose="leworld.training")
from lightning.pytorch.utilities.types import OptimizerLRScheduler  # noqa: E402 -- after the check

from ._fit import ResumableModule, check_trainable, fit  # noqa: E402
from ._optimizer import scheduled_adamw  # noqa: E402
from ._reserve import reserve_folder  # noqa: E402

_ORDER, _WEIGHTS = 1, 3
_MEAN_OF = 2000


@torch.inference_mode(False)
def train_decoder(
    model: WorldModel,
    episodes: Episodes,
    *,
    folder: str | Path,
    decoder: CrossAttentionDecoder | None = None,
    settings: TrainSettings | None = None,
    resume: bool = True,
    progress: bool = True,
    accelerator: str = "auto",
) -> CrossAttentionDecoder:
    """Train a decoder to draw the frames of recorded episodes from the model's embeddings of them.

    The model is frozen: every frame is embedded once, in evaluation mode, and only the decoder learns. The
    loss is the mean squared error of pixels divided by 255, without any perceptual or adversarial term, which
    could draw what the embedding does not hold. Like `train` it is resumable: called again with the same
    arguments after an interruption, it ends with the weights that it would have had; a call with any other
    embeddings, pictures, decoder or settings is refused. Progress is logged for TensorBoard in
    `folder/tensorboard`.

    Args:
        model: A trained world model with its processor. It is left as it was.
        episodes: Recorded episodes, of which every frame is used. Keep those out on which the decoder is to
            be judged. Their pictures must be squares, of the decoder's size.
        folder: Where log and state go; made if missing.
        decoder: What to train, in place. None builds one for the model and the pictures: patches of an eighth
            of the side, two layers of width 64, starting from the mean frame; enough for one agent in a still
            scene. For more, pass your own `CrossAttentionDecoder`.
        settings: Steps, frames a step (`batch_size`), optimizer, seed and intervals;
            `batchnorm_windows` plays no part. None takes 4000 steps of 64 frames at a learning rate of 5e-3.
        resume: Go on from a state in `folder`; False deletes it and starts over.
        progress: Show a progress bar.
        accelerator: Lightning's name of the device: "auto", "cpu", "gpu", "mps", ...

    Returns:
        The decoder, in evaluation mode, on the device where Lightning left it.

    Raises:
        ConfigError: Model, decoder, episodes and settings do not fit together, `folder` holds the state of
            another run, or another run is using it.
        DataError: Pictures that are not square, or of a size without a patch size.
        NonFiniteError: The model's embeddings are NaN or infinite.
        CheckpointError: The decoder cannot be saved, or a file cannot be read or written.
        MissingExtraError: Lightning or TensorBoard is not installed.

    Randomness:
        Everything follows from `settings.seed` and, of a decoder passed in, its initial weights.

    Source:
        Maes et al., LeWorldModel, 2026 (arXiv 2603.19312), appendix D: trained for looking only, on a frozen
        model. Their loss and settings are not given.

    Example:
        ```python
        import tempfile
        import leworld
        from leworld.tasks import task_of
        from leworld.training import TrainSettings, train_decoder

        model = leworld.load("lewm-tworoom-tiny")
        episodes = task_of(model).held_out(2, seed=1)
        settings = TrainSettings(num_steps=2, batch_size=8)
        with tempfile.TemporaryDirectory() as folder:
            decoder = train_decoder(model, episodes, folder=folder, settings=settings, progress=False)
        assert decoder.image_size == 64 and not decoder.training
        ```
    """
    settings = _default_settings() if settings is None else settings
    _check(model, episodes, decoder, settings)
    if decoder is not None:
        check_saveable(decoder)
        check_trainable(decoder, owner="train_decoder")
    with (
        reserve_folder(folder, owner="train_decoder") as place,
        cpu_threads(settings.num_threads),
        nullcontext() if decoder is None else modes_on_failure(decoder),
    ):
        embeddings = embed_rows(model, episodes, owner="train_decoder").flatten(1)
        if decoder is None:
            decoder = _build(embeddings, episodes.pixels, settings.seed)
        frames = _Frames(embeddings, episodes.pixels, settings)
        data = data_identity(episodes, {"pixels": episodes.pixels})[0]
        fit(
            _DecoderModule(decoder, frames, settings),
            place,
            identity={"data": {**data, "embeddings": tensor_digest(embeddings)}},
            log=RunLog(place, table=False),
            owner="train_decoder",
            resume=resume,
            progress=progress,
            devices=Devices(accelerator=accelerator),
        )
    return decoder.eval()


def _default_settings() -> TrainSettings:
    return TrainSettings(
        num_steps=4000, batch_size=64, optimizer=OptimizerSettings(learning_rate=5e-3), save_every=500
    )


def _check(model: object, episodes: object, decoder: object, settings: object) -> None:
    owner = "train_decoder"
    wanted = [
        ("model", model, WorldModel),
        ("episodes", episodes, Episodes),
        ("settings", settings, TrainSettings),
    ]
    if decoder is not None:
        wanted.append(("decoder", decoder, CrossAttentionDecoder))
    for name, value, kind in wanted:
        if not isinstance(value, kind):
            raise ConfigError(
                f"{owner} needs `{name}` to be a {kind.__name__}",
                f"it is {describe(value)}",
                f"Pass a {kind.__name__}",
            )
    if not isinstance(model, WorldModel) or not isinstance(episodes, Episodes):
        raise RuntimeError("unreachable: checked above")
    processor_of(model, owner=owner)
    if episodes.pixels is None:
        raise DataError(
            f"{owner} needs episodes with pictures", "`episodes.pixels` is None", "Record what it shall draw"
        )
    side, width, channels = episodes.pixels.shape[1:]
    if side != width or (decoder is None and side % 8):
        raise DataError(
            f"{owner} needs square pictures, with a side that is a multiple of 8 unless a decoder is given",
            f"they are {side} high and {width} wide",
            "Crop or resize them, or pass a decoder of that size",
        )
    if isinstance(decoder, CrossAttentionDecoder):
        due = (math.prod(model.latent_shape), side, channels)
        if (decoder.embedding_dim, decoder.image_size, decoder.channels) != due:
            raise ConfigError(
                f"{owner} needs a decoder with (embedding_dim, image_size, channels) = {due}",
                f"they are {(decoder.embedding_dim, decoder.image_size, decoder.channels)}",
                "Build it for this model and these pictures",
            )


def _build(embeddings: Tensor, pixels: Any, seed: int) -> CrossAttentionDecoder:
    side, channels = pixels.shape[1], pixels.shape[3]
    with usual_defaults(), seeded_globals(fold_seed(seed, _WEIGHTS)):
        decoder = CrossAttentionDecoder(
            embeddings.shape[1], side, patch_size=side // 8, hidden_dim=64, depth=2, channels=channels
        )
    some = pixels[:: max(1, len(pixels) // _MEAN_OF)]
    mean = torch.from_numpy(some.mean(axis=0, dtype=np.float64) / 255).permute(2, 0, 1)
    decoder.background.data.copy_(mean)
    return decoder


class _Frames(Dataset[tuple[Tensor, Tensor]]):
    """Batches of embeddings and pictures, numbered by step: a pure function of seed and step."""

    def __init__(self, embeddings: Tensor, pixels: Any, settings: TrainSettings) -> None:
        self.embeddings = embeddings
        self.pixels = pixels
        self.settings = settings

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng(fold_seed(self.settings.seed, _ORDER, step))
        rows = np.sort(rng.integers(len(self.pixels), size=self.settings.batch_size))
        return self.embeddings[rows], torch.from_numpy(self.pixels[rows])


class _DecoderModule(ResumableModule):
    """The training step: mean squared error of pictures."""

    def __init__(self, decoder: CrossAttentionDecoder, frames: _Frames, settings: TrainSettings) -> None:
        super().__init__()
        self.decoder = decoder
        self.frames = frames
        self.settings = settings

    @property
    def trained(self) -> CrossAttentionDecoder:
        """The decoder."""
        return self.decoder

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        embeddings, pixels = batch
        drawn = self.decoder(embeddings)
        loss = F.mse_loss(drawn, pixels.permute(0, 3, 1, 2).to(drawn) / 255)
        self.log("loss", loss.detach(), prog_bar=True, batch_size=len(pixels))
        due = (self.global_step + 1) % self.settings.log_every == 0
        self.row = {"loss": float(loss.detach())} if due else None
        return loss

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return AdamW and its schedule, counted in steps."""
        return scheduled_adamw(self.parameters(), self.settings)

    def train_dataloader(self) -> StepLoader[tuple[Tensor, Tensor]]:
        """Return the loader of the frames, from `first_step` on."""
        return self.loader(self.frames)
