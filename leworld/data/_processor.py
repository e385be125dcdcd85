"""Between the world's units and the model's: observations, action blocks, and the statistics for both."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any, final, overload

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from .._checks import check_equal_size, check_finite, check_number, describe, nearest, plain_numbers, quoted
from .._transforms import readable
from .._typing import checking, shapechecked
from ..errors import ConfigError, ShapeError
from ._observation import Observation, as_tensor
from ._parts import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    SMALLEST_OF_PICTURES,
    PicturePart,
    VectorPart,
    checked_parts,
    deviations,
    normalise,
    normalised_part,
    normalised_pictures,
    numbers,
    parts_from_json,
    parts_to_json,
    raw_part,
)
from ._processor_checks import MOST, check_components, check_fields, check_remark, checked_bounds

# Written only where they say something, so that a model of one picture has the file that it always had.
_OPTIONAL = ("parts", "fps", "action_choices")


@final
@plain_numbers
@dataclass(frozen=True)
class Processor:
    """Turns what was sensed and done into what a world model reads, and action blocks back into actions.

    It holds every number that this needs, is plain data, and travels with the checkpoint as JSON, so a saved
    model acts without its training set. `fit_processor` builds one from training episodes.

        picture = (resize(pixels / 255) - image_mean) / image_std
        vector  = (vector - mean) / std
        block   = concat over `frameskip` consecutive actions of (action - action_mean) / action_std

    An observation is the picture `pixels` and further `parts` by name. A component that never varied in
    training, of an action or of a vector, has deviation 0. It is held there: normalised it is always 0, and
    in raw units it always is its mean, so that a planner cannot command a value that the model has never
    seen.

    Args:
        image_size: Side of the square images that the model reads, in pixels, or None if its observations
            have no part `pixels`.
        frameskip: Raw actions in a block, i.e. environment steps between two frames; at most 10,000.
        action_dim: Components of a raw action.
        image_mean: Mean of red, green and blue on the scale 0 to 1; ImageNet's unless given.
        image_std: Their standard deviations, at least 1e-6.
        action_mean: Mean of every action component, or None while unknown.
        action_std: Standard deviation of every action component, at least 1e-30 (0 for a constant one), or
            None while unknown.
        environment_id: The environment that the model was trained for.
        statistics_source: Where the action statistics come from, in words.
        parts: Further parts of an observation beside `pixels`, in order.
        fps: Frames (environment steps) a second of the data, or None if unknown.
        action_choices: Number of choices where the action is a choice and not a vector of amounts. Actions
            are then one-hot, `action_dim` is this number, and their statistics are mean 0 and deviation 1.

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

    image_size: int | None
    _: KW_ONLY
    frameskip: int
    action_dim: int
    image_mean: tuple[float, float, float] = IMAGENET_MEAN
    image_std: tuple[float, float, float] = IMAGENET_STD
    action_mean: tuple[float, ...] | None = None
    action_std: tuple[float, ...] | None = None
    environment_id: str | None = None
    statistics_source: str | None = None
    parts: Mapping[str, PicturePart | VectorPart] = field(default_factory=dict, hash=False)
    fps: float | None = None
    action_choices: int | None = None

    def __post_init__(self) -> None:
        self._keep("parts", checked_parts(self.parts))
        if self.image_size is None and not self.parts:
            raise ConfigError(
                "Processor needs at least one part of an observation",
                "`image_size` is None and `parts` is empty",
                "Pass the side of the pictures called `pixels`, or name other `parts`",
            )
        for name in ("image_size", "frameskip", "action_dim", "action_choices"):
            if name in ("frameskip", "action_dim") or getattr(self, name) is not None:
                low = 2 if name == "action_choices" else 1
                check_number("Processor", name, getattr(self, name), low=low, high=MOST[name], integer=True)
                self._keep(name, int(getattr(self, name)))
        if self.fps is not None:
            check_number("Processor", "fps", self.fps, low=0.0, open_low=True)
            self._keep("fps", float(self.fps))
        self._keep("image_mean", numbers("Processor", "image_mean", self.image_mean, 3))
        low = SMALLEST_OF_PICTURES
        self._keep("image_std", numbers("Processor", "image_std", self.image_std, 3, low=low))
        if (self.action_mean is None) != (self.action_std is None):
            raise ConfigError(
                "Processor needs `action_mean` and `action_std` together or neither",
                f"`action_mean={self.action_mean}` and `action_std={self.action_std}`",
                "Pass both",
            )
        if self.action_mean is not None:
            self._keep("action_mean", numbers("Processor", "action_mean", self.action_mean, self.action_dim))
            std = deviations("Processor", "action_std", self.action_std, self.action_dim)
            self._keep("action_std", std)
        self._keep_choices()
        for name in ("environment_id", "statistics_source"):
            check_remark(name, getattr(self, name))

    def _keep(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _keep_choices(self) -> None:
        count = self.action_choices
        if count is None:
            return
        mean, std = (0.0,) * count, (1.0,) * count
        if self.action_dim != count or (self.action_mean or mean, self.action_std or std) != (mean, std):
            raise ConfigError(
                "Processor needs `action_dim` = `action_choices` and statistics 0 and 1, for one-hot actions",
                f"`action_choices={count}`, `action_dim={self.action_dim}`, `action_mean={self.action_mean}` "
                f"and `action_std={self.action_std}`",
                f"Pass `action_dim={count}` and leave the statistics out",
            )
        self._keep("action_mean", mean)
        self._keep("action_std", std)

    @property
    def block_dim(self) -> int:
        """Size of an action block: `frameskip * action_dim`."""
        return self.frameskip * self.action_dim

    @property
    def observation_parts(self) -> tuple[str, ...]:
        """Names of the parts of an observation: `pixels`, if there is one, then `parts` in their order."""
        return (*(() if self.image_size is None else ("pixels",)), *self.parts)

    @overload
    def observations(self, raw: Tensor) -> Tensor: ...
    @overload
    def observations(self, raw: Observation) -> Observation: ...
    @shapechecked
    def observations(
        self, raw: UInt8[Tensor, "*batch height width 3"] | Observation
    ) -> Float[Tensor, "*batch 3 {self.image_size} {self.image_size}"] | Observation:
        """Turn raw observations into normalised ones, on the device they are on.

        Args:
            raw: An `Observation` with at least the parts that the processor knows, as arrays or tensors;
                others are left out. A bare tensor of uint8 frames, channel last, stands for `pixels` alone.

        Returns:
            An `Observation` of float32 tensors, exactly `observation_parts`: pictures of `image_size` with
            the channel first, vectors with mean 0 and deviation 1. A bare tensor for a bare tensor.

        Raises:
            ConfigError: A part that the processor knows is missing.
            ShapeError: A part has another kind or size.
            NonFiniteError: A vector holds NaN or infinity. Tested on the CPU only, where it costs no wait.
        """
        if isinstance(raw, Tensor):
            return normalised_pictures(self._pixels("observations"), raw)
        missing = [name for name in self.observation_parts if name not in raw]
        if missing:
            known = quoted(self.observation_parts)
            raise ConfigError(
                f"Processor.observations needs the parts {known}",
                f"`{missing[0]}` is missing among {quoted(raw.parts)}",
                "Sense it, or take it along with `windows.with_columns(processor.observation_parts)`",
            )
        parts = {name: self._part("observations", name) for name in self.observation_parts}
        return Observation(
            parts={name: normalised_part(name, part, as_tensor(raw[name])) for name, part in parts.items()}
        )

    @overload
    def raw_observations(self, observation: Tensor) -> Tensor: ...
    @overload
    def raw_observations(self, observation: Observation) -> Observation: ...
    @shapechecked
    def raw_observations(
        self, observation: Float[Tensor, "*batch 3 height width"] | Observation
    ) -> UInt8[Tensor, "*batch height width 3"] | Observation:
        """Turn normalised observations back: pictures to uint8, channel last, vectors to their own units.

        Pictures keep the size they have; values are rounded, and clipped to 0..255.

        Args:
            observation: An `Observation` of some or all parts that the processor knows; or a bare tensor of
                pictures called `pixels`.

        Raises:
            ConfigError: A part is unknown to the processor.
            ShapeError: A part has another kind or size.
        """
        if isinstance(observation, Tensor):
            return raw_part("pixels", self._pixels("raw_observations"), observation)
        return Observation(
            parts={
                name: raw_part(name, self._part("raw_observations", name), as_tensor(value))
                for name, value in observation.parts.items()
            }
        )

    @shapechecked
    def action_blocks(
        self, actions: Float[Tensor, "*batch step action"]
    ) -> Float[Tensor, "*batch time block"]:
        """Normalise raw actions and join every `frameskip` consecutive ones into a block, earliest first.

        NaN actions become 0 after normalisation, which is the mean action. Entry k * action_dim + j of a
        block is component j of its action number k.
        """
        mean, std = self._statistics(actions)
        check_components("action_blocks", actions, self.action_dim)
        if actions.shape[-2] % self.frameskip:
            raise ShapeError(
                f"Processor.action_blocks needs a multiple of frameskip={self.frameskip} along `step`",
                f"`actions` is {describe(actions)}, i.e. step={actions.shape[-2]}",
                "Cut or pad (with NaN) the actions to whole blocks",
            )
        normalised = normalise(actions, mean, std)
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

    @plain_numbers
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
        mean, std = self._statistics(torch.zeros((), dtype=torch.float64, device="cpu"))
        bounds = checked_bounds(low, high, self.action_dim)
        lower, upper = (normalise(bound, mean, std).float().repeat(self.frameskip) for bound in bounds)
        return lower, upper

    @shapechecked
    def choices(self, actions: Float[Tensor, "*batch action"]) -> Int[Tensor, "*batch"]:
        """Turn raw actions into the numbers of the choices they stand for, 0 to `action_choices` - 1.

        Args:
            actions: One-hot or nearly so; the largest component is the choice.

        Raises:
            ConfigError: The processor has no `action_choices`.
            NonFiniteError: An action is NaN or infinite. Tested on the CPU only.
        """
        self._num_choices("choices")
        check_components("choices", actions, self.action_dim)
        if actions.device.type == "cpu" and checking():
            check_finite("Processor.choices", "actions", actions)
        return actions.argmax(-1)

    @shapechecked
    def one_hot(self, index: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch action"]:
        """Turn numbers of choices into raw one-hot actions, the inverse of `choices`.

        Args:
            index: From 0 to `action_choices` - 1.

        Raises:
            ConfigError: The processor has no `action_choices`, or a number is no choice.
        """
        count = self._num_choices("one_hot")
        if readable(index) and checking() and bool(((index < 0) | (index >= count)).any()):
            raise ConfigError(
                f"Processor.one_hot needs numbers from 0 to {count - 1}",
                f"`index` lies between {int(index.min())} and {int(index.max())}",
                "Subtract the `start` of the environment's action space, if it has one",
            )
        return torch.nn.functional.one_hot(index.long(), count).float()

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values; `parts`, `fps` and `action_choices` where they are set."""
        data = {item.name: getattr(self, item.name) for item in fields(self)}
        data["parts"] = parts_to_json(self.parts)
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in data.items()
            if key not in _OPTIONAL or value not in (None, [])
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Processor":
        """Read what `to_json` wrote; an unknown, missing or ill-typed field raises ConfigError."""
        known = [item.name for item in fields(Processor)]
        check_fields(data, known, [name for name in known if name not in _OPTIONAL])
        return Processor(**{**data, "parts": parts_from_json(data.get("parts", []))})

    def _pixels(self, method: str) -> PicturePart:
        if self.image_size is None:
            raise ConfigError(
                f"Processor.{method} needs an Observation, since it knows no part `pixels`",
                "it was given a bare tensor",
                f"Name the parts: {quoted(self.parts)}",
            )
        return PicturePart(self.image_size, self.image_mean, self.image_std)

    def _part(self, method: str, name: str) -> PicturePart | VectorPart:
        if name not in self.observation_parts:
            raise ConfigError(
                f"Processor.{method} needs parts that the processor knows",
                f"`{name}` is unknown",
                nearest(name, self.observation_parts),
            )
        return self._pixels(method) if name == "pixels" else self.parts[name]

    def _num_choices(self, method: str) -> int:
        if self.action_choices is None:
            raise ConfigError(
                f"Processor.{method} needs actions that are choices",
                "its `action_choices` is None",
                "Record `action_choices` with the episodes, or set it on the processor",
            )
        return self.action_choices

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        if self.action_mean is None or self.action_std is None:
            raise ConfigError(
                "A Processor needs action statistics to convert actions",
                "its `action_mean` and `action_std` are None (these weights were published without them)",
                "Compute them from the dataset of the training, with `leworld stats DATASET.h5` "
                "or `leworld.data.action_statistics`, and set them with `model.with_action_stats(...)`",
            )
        return like.new_tensor(self.action_mean), like.new_tensor(self.action_std)
