"""Between the world's units and the model's: images, action blocks, and the statistics for both."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, fields
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from .._checks import check_equal_size, check_number, describe, nearest
from .._typing import shapechecked
from ..errors import ConfigError, ShapeError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@final
@dataclass(frozen=True)
class Processor:
    """Turns pixels and raw actions into what a world model reads, and action blocks back into actions.

    It holds every number that this needs, is plain data, and travels with the checkpoint as JSON, so a saved
    model acts without its training set. `fit_processor` builds one from training episodes.

        observation = (resize(pixels / 255) - image_mean) / image_std
        block       = concat over `frameskip` consecutive actions of (action - action_mean) / action_std

    An action component that never varied in training has `action_std` 0. It is held there: normalised it is
    always 0, and `raw_actions` always returns its mean, so that a planner cannot command a value that the
    model has never seen.

    Args:
        image_size: Side of the square images that the model reads, in pixels.
        frameskip: Raw actions in a block, i.e. environment steps between two frames of the model.
        action_dim: Components of a raw action.
        image_mean: Mean of red, green and blue on the scale 0 to 1; ImageNet's unless given.
        image_std: Their standard deviations, above 0.
        action_mean: Mean of every action component, or None while unknown.
        action_std: Standard deviation of every action component (0 for a constant one), or None while
            unknown.
        environment_id: The environment that the model was trained for.
        statistics_source: Where the action statistics come from, in words.

    Raises:
        ConfigError: A field is out of range, or the two action statistics do not belong together. Methods
            that need action statistics raise it while these are None, as for published weights that come
            without.

    Numerics:
        Statistics are applied in the dtype of the actions; images become float32. Resizing is
        `torch.nn.functional.interpolate` with mode "bilinear" and antialiasing, to a square whatever the
        shape.

    Source:
        Preprocessing of the released LeWM models (arXiv 2603.19312 and the configuration of
        lucas-maes/le-wm): ImageNet statistics, z-scored actions, NaN actions set to 0 afterwards, `frameskip`
        actions concatenated.

    Example:
        ```python
        import torch
        from leworld.data import Processor

        processor = Processor(64, frameskip=2, action_dim=1, action_mean=(1.0,), action_std=(2.0,))
        actions = torch.tensor([[1.0], [5.0], [3.0], [float("nan")]])
        blocks = processor.action_blocks(actions)
        assert blocks.tolist() == [[0.0, 2.0], [1.0, 0.0]]
        assert processor.raw_actions(blocks[0]).tolist() == [[1.0], [5.0]]
        ```
    """

    image_size: int
    _: KW_ONLY
    frameskip: int
    action_dim: int
    image_mean: tuple[float, float, float] = IMAGENET_MEAN
    image_std: tuple[float, float, float] = IMAGENET_STD
    action_mean: tuple[float, ...] | None = None
    action_std: tuple[float, ...] | None = None
    environment_id: str | None = None
    statistics_source: str | None = None

    def __post_init__(self) -> None:
        for name in ("image_size", "frameskip", "action_dim"):
            check_number("Processor", name, getattr(self, name), low=1, integer=True)
        self._keep_numbers("image_mean", 3)
        self._keep_numbers("image_std", 3, above_zero=True)
        if (self.action_mean is None) != (self.action_std is None):
            raise ConfigError(
                "Processor needs `action_mean` and `action_std` together or neither",
                f"`action_mean={self.action_mean}` and `action_std={self.action_std}`",
                "Pass both",
            )
        if self.action_mean is not None:
            self._keep_numbers("action_mean", self.action_dim)
            self._keep_numbers("action_std", self.action_dim, low=0.0)
        for name in ("environment_id", "statistics_source"):
            if not isinstance(getattr(self, name), str | None):
                raise ConfigError(
                    f"Processor needs `{name}` to be a string or None",
                    f"`{name}` is {describe(getattr(self, name))}",
                    "Pass a short text",
                )

    def _keep_numbers(self, name: str, count: int, *, low: float = -np.inf, above_zero: bool = False) -> None:
        values = getattr(self, name)
        if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != count:
            raise ConfigError(
                f"Processor needs `{name}` to hold {count} numbers",
                f"`{name}` is {describe(values)}",
                "Give one number a component",
            )
        for value in values:
            check_number("Processor", name, value, low=0.0 if above_zero else low, open_low=above_zero)
        object.__setattr__(self, name, tuple(float(value) for value in values))

    @property
    def block_dim(self) -> int:
        """Size of an action block: `frameskip * action_dim`."""
        return self.frameskip * self.action_dim

    @shapechecked
    def observations(
        self, pixels: UInt8[Tensor, "*batch height width 3"]
    ) -> Float[Tensor, "*batch 3 {self.image_size} {self.image_size}"]:
        """Turn uint8 frames, channel last, into normalised float32 images, channel first, on one device."""
        frames = pixels.flatten(0, -4) if pixels.ndim > 4 else pixels.reshape(-1, *pixels.shape[-3:])
        images = frames.permute(0, 3, 1, 2).contiguous().float()
        size = (self.image_size, self.image_size)
        if images.shape[-2:] != size:
            images = F.interpolate(images, size=size, mode="bilinear", antialias=True)
        mean = images.new_tensor(self.image_mean)[:, None, None]
        std = images.new_tensor(self.image_std)[:, None, None]
        images.mul_(1 / (255 * std)).sub_(mean / std)
        return images.reshape(*pixels.shape[:-3], 3, *size)

    @shapechecked
    def action_blocks(
        self, actions: Float[Tensor, "*batch step action"]
    ) -> Float[Tensor, "*batch time block"]:
        """Normalise raw actions and join every `frameskip` consecutive ones into a block, earliest first.

        NaN actions become 0 after normalisation, which is the mean action. Entry k * action_dim + j of a
        block is component j of its action number k.
        """
        mean, std = self._statistics(actions)
        self._check_components("action_blocks", "actions", actions)
        if actions.shape[-2] % self.frameskip:
            raise ShapeError(
                f"Processor.action_blocks needs a multiple of frameskip={self.frameskip} along `step`",
                f"`actions` is {describe(actions)}, i.e. step={actions.shape[-2]}",
                "Cut or pad (with NaN) the actions to whole blocks",
            )
        normalised = self._normalise(actions, mean, std)
        normalised = torch.where(actions.isnan(), torch.zeros_like(normalised), normalised)
        return normalised.unflatten(-2, (-1, self.frameskip)).flatten(-2)

    @shapechecked
    def raw_actions(self, blocks: Float[Tensor, "*batch block"]) -> Float[Tensor, "*batch frameskip action"]:
        """Turn normalised blocks into `frameskip` raw actions each, in the environment's units, unclipped."""
        mean, std = self._statistics(blocks)
        check_equal_size(
            "Processor.raw_actions",
            "the last axis of `blocks`",
            blocks.shape[-1],
            self.block_dim,
            expected_by=f"frameskip {self.frameskip} x action_dim {self.action_dim}",
            fix="Pass whole blocks, as `action_blocks` makes them",
        )
        return blocks.unflatten(-1, (self.frameskip, self.action_dim)) * std + mean

    def block_bounds(
        self,
        low: float | Sequence[float] | Float[np.ndarray, "..."] | Float[Tensor, "..."],
        high: float | Sequence[float] | Float[np.ndarray, "..."] | Float[Tensor, "..."],
    ) -> tuple[Float[Tensor, " block"], Float[Tensor, " block"]]:
        """Turn an environment's action bounds into the bounds of a normalised block, for a planner.

        Args:
            low: Lowest raw action, one number for all components or one a component; may be -inf.
            high: Highest raw action, likewise.

        Returns:
            Lower and upper bounds, each float32 of shape (block,). A component held constant is bounded by 0.

        Raises:
            ConfigError: The bounds have the wrong size, hold NaN or are reversed.
        """
        mean, std = self._statistics(torch.zeros((), dtype=torch.float64))
        bounds = []
        for name, value in (("low", low), ("high", high)):
            try:
                bound = torch.as_tensor(value, dtype=torch.float64, device="cpu")
            except (TypeError, ValueError):
                bound = torch.tensor(torch.nan)
            if bound.shape not in ((), (self.action_dim,)) or bool(bound.isnan().any()):
                raise ConfigError(
                    f"Processor.block_bounds needs `{name}` to be one number or {self.action_dim} of them",
                    f"`{name}` is {describe(value)}",
                    "Pass `env.action_space.low` and `.high` of a single environment",
                )
            bounds.append(bound.expand(self.action_dim))
        if bool((bounds[0] > bounds[1]).any()):
            raise ConfigError(
                "Processor.block_bounds needs `low` to be at most `high`",
                f"`low={bounds[0].tolist()}` and `high={bounds[1].tolist()}`",
                "Swap them",
            )
        lower, upper = (self._normalise(bound, mean, std).float().repeat(self.frameskip) for bound in bounds)
        return lower, upper

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Processor":
        """Read what `to_json` wrote; an unknown, missing or ill-typed field raises ConfigError."""
        known = [field.name for field in fields(Processor)]
        if not isinstance(data, Mapping):
            raise ConfigError(
                "Processor.from_json needs a mapping of fields",
                f"it was given {describe(data)}",
                "Pass the object that `to_json` returned",
            )
        for key in data:
            if key not in known:
                raise ConfigError(
                    "Processor.from_json needs known fields only",
                    f"`{key}` is unknown",
                    nearest(str(key), known),
                )
        missing = [name for name in known if name not in data]
        if missing:
            raise ConfigError(
                "Processor.from_json needs every field",
                f"`{missing[0]}` is missing",
                f"Write the file with `to_json`, which stores {', '.join(f'`{name}`' for name in known)}",
            )
        return Processor(**data)

    def _normalise(self, actions: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        constant = std == 0
        return torch.where(
            constant, torch.zeros_like(actions), (actions - mean) / torch.where(constant, 1.0, std)
        )

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        if self.action_mean is None or self.action_std is None:
            raise ConfigError(
                "A Processor needs action statistics to convert actions",
                "its `action_mean` and `action_std` are None (these weights were published without them)",
                "Compute them from the dataset of the training, with `leworld stats DATASET.h5` "
                "or `leworld.data.action_statistics`, and set them with `model.with_action_stats(...)`",
            )
        return like.new_tensor(self.action_mean), like.new_tensor(self.action_std)

    def _check_components(self, method: str, name: str, actions: Tensor) -> None:
        check_equal_size(
            f"Processor.{method}",
            f"the last axis of `{name}`",
            actions.shape[-1],
            self.action_dim,
            expected_by="the processor's action_dim",
            fix="Pass raw actions of the environment that the processor was fitted on",
        )
