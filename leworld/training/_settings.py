"""What a training run is set to, as plain data."""

import math
from dataclasses import asdict, dataclass, field
from typing import Literal, final

from .._checks import check_choice, check_number, describe, plain_numbers
from ..errors import ConfigError

_MOST_WORKERS = 1024
DECIDING_NOTHING = ("num_workers", "must_save")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


@final
@plain_numbers
@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """AdamW with a linear warm-up, a half cosine down to zero, and clipped gradients.

    The learning rate of step s out of S, with W = warmup_fraction * S, is

        learning_rate * min((s + 1) / W, 1) * (1 + cos(pi * max(0, s - W) / (S - W))) / 2

    Args:
        learning_rate: Largest learning rate. 5e-5 in the released configuration of the 18 million parameter
            model; small models take ten times that and more.
        weight_decay: Decoupled weight decay, 1e-3 as released.
        warmup_fraction: Share of the steps over which the learning rate rises.
        gradient_clip: Largest norm of the gradient over all parameters, 1 as released.

    Raises:
        ConfigError: A value is out of range.

    Source:
        Configuration of lucas-maes/le-wm (Maes et al., 2026, arXiv 2603.19312); it counts the schedule in
        epochs, here it is counted in steps.

    Example:
        ```python
        from leworld.training import OptimizerSettings

        settings = OptimizerSettings(learning_rate=1.0, warmup_fraction=0.1)
        assert settings.learning_rate_at(9, num_steps=100) == 1.0
        assert settings.learning_rate_at(99, num_steps=100) < 1e-3
        ```
    """

    learning_rate: float = 5e-4
    weight_decay: float = 1e-3
    warmup_fraction: float = 0.05
    gradient_clip: float = 1.0

    def __post_init__(self) -> None:
        owner = "OptimizerSettings"
        check_number(owner, "learning_rate", self.learning_rate, low=0.0, open_low=True)
        check_number(owner, "weight_decay", self.weight_decay, low=0.0)
        check_number(owner, "warmup_fraction", self.warmup_fraction, low=0.0, high=0.9)
        check_number(owner, "gradient_clip", self.gradient_clip, low=0.0, open_low=True)

    @plain_numbers
    def learning_rate_at(self, step: int, *, num_steps: int) -> float:
        """Return the learning rate of step `step`, counted from 0, of `num_steps`."""
        warmup = max(1, round(self.warmup_fraction * num_steps))
        rising = min((step + 1) / warmup, 1.0)
        past = max(0, step - warmup) / max(1, num_steps - warmup)
        return self.learning_rate * rising * 0.5 * (1.0 + math.cos(math.pi * past))


@final
@plain_numbers
@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Everything about a training run that decides its result, besides the model and the data.

    Two runs with equal settings, model and data on the same machine end with equal weights, bit for bit.
    `num_workers` and `must_save` are the exceptions, and may differ when a run goes on.

    Args:
        num_steps: Optimizer steps.
        batch_size: Windows a step and device. SIGReg's weight is tied to it: doubling the batch doubles the
            pull of the regularizer, so halve `regularizer_weight` along with it.
        seed: Decides which windows each step sees, SIGReg's directions and dropout, each a function of seed
            and step alone. It does not touch the model's initial weights, which the caller has already made.
        optimizer: Learning rate, weight decay, warm-up and clipping.
        precision: "32-true", "bf16-mixed" (worth it on GPUs, and on CPUs with bfloat16 instructions) or
            "16-mixed", as Lightning names them.
        save_every: Steps between two resumable checkpoints.
        log_every: Steps between two rows of the log.
        batchnorm_windows: How many training windows the final BatchNorm statistics are measured on.
        num_threads: CPU threads of the run. With one, a resumed run equals an uninterrupted one bit for bit;
            with more, matrix products on a CPU may round differently after a resume. None keeps torch's
            setting, which is right when the work is done by an accelerator or the last bit does not matter.
        num_workers: Processes a device that read batches ahead, in the order of the steps; with 0 they are
            read when they are due. Worth it where reading or resizing takes long beside a step: data on disk,
            an accelerator. Data in memory are copied into each where Python spawns processes.
        must_save: Whether `train` refuses, before the first step, a model that `leworld.save` could not
            write. False trains it all the same.

    Raises:
        ConfigError: A value is out of range or unknown.

    Example:
        ```python
        from leworld.training import OptimizerSettings, TrainSettings

        settings = TrainSettings(num_steps=500, optimizer=OptimizerSettings(learning_rate=1e-3), seed=4)
        assert settings.batch_size == 128 and settings.to_json()["optimizer"]["learning_rate"] == 1e-3
        ```
    """

    num_steps: int = 2000
    batch_size: int = 128
    seed: int = 0
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    save_every: int = 100
    log_every: int = 10
    batchnorm_windows: int = 4096
    num_threads: int | None = 1
    num_workers: int = 0
    must_save: bool = True

    def __post_init__(self) -> None:
        owner = "TrainSettings"
        for name in ("num_steps", "save_every", "log_every"):
            check_number(owner, name, getattr(self, name), low=1, integer=True)
        for name in ("batch_size", "batchnorm_windows"):
            fix = "The regularizer and BatchNorm compare windows with each other, so take at least 2"
            check_number(owner, name, getattr(self, name), low=2, integer=True, fix=fix)
        check_number(owner, "seed", self.seed, low=0, integer=True)
        check_number(owner, "num_workers", self.num_workers, low=0, high=_MOST_WORKERS, integer=True)
        if self.num_threads is not None:
            check_number(owner, "num_threads", self.num_threads, low=1, integer=True)
        if not isinstance(self.must_save, bool):
            raise ConfigError(
                "TrainSettings needs `must_save` to be True or False",
                f"it is {describe(self.must_save)}",
                "Pass False to train a model that no checkpoint can hold",
            )
        check_choice(owner, "precision", self.precision, PRECISIONS)
        if not isinstance(self.optimizer, OptimizerSettings):
            raise ConfigError(
                "TrainSettings needs `optimizer` to be OptimizerSettings",
                f"it is a {type(self.optimizer).__name__}",
                "Pass for example OptimizerSettings(learning_rate=1e-3)",
            )

    def to_json(self) -> dict[str, object]:
        """Return nested dicts of JSON values: all that decides the result."""
        return {name: value for name, value in asdict(self).items() if name not in DECIDING_NOTHING}
