"""What a processor knows of one part of an observation: its size and its statistics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
import torch
from torch import Tensor

from .._checks import check_finite, check_number, describe, described_name, nearest, plain_numbers, quoted
from .._typing import checking
from ..errors import ConfigError, ShapeError
from ._resize import resized

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

MOST_PIXELS = 16_384  # on a side
MOST_COMPONENTS = 65_536  # of a vector
MOST_PARTS = 1_000
MOST_LETTERS = 1_000  # of a name or a remark
LARGEST = 1e30  # of a mean or a standard deviation: float32 holds what comes of it
SMALLEST = 1 / LARGEST  # of a standard deviation other than 0
SMALLEST_OF_PICTURES = 1e-6  # of a standard deviation on the scale 0 to 1


@final
@plain_numbers
@dataclass(frozen=True)
class PicturePart:
    """A camera as a model reads it: square pictures of one size, normalised colour by colour.

    Args:
        image_size: Side of the square pictures, in pixels, at most 16,384.
        mean: Mean of red, green and blue on the scale 0 to 1; ImageNet's unless given.
        std: Their standard deviations, at least 1e-6.

    Raises:
        ConfigError: A field is out of range.

    Example:
        ```python
        from leworld.data import PicturePart, Processor

        processor = Processor(64, frameskip=1, action_dim=2, parts={"wrist": PicturePart(32)})
        assert processor.observation_parts == ("pixels", "wrist")
        ```
    """

    image_size: int
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        check_number("PicturePart", "image_size", self.image_size, low=1, high=MOST_PIXELS, integer=True)
        object.__setattr__(self, "image_size", int(self.image_size))
        object.__setattr__(self, "mean", numbers("PicturePart", "mean", self.mean, 3))
        object.__setattr__(self, "std", numbers("PicturePart", "std", self.std, 3, low=SMALLEST_OF_PICTURES))


@final
@plain_numbers
@dataclass(frozen=True)
class VectorPart:
    """A vector as a model reads it: every component with mean 0 and standard deviation 1.

    Args:
        mean: Mean of every component.
        std: Standard deviation of every component. 0 says that it never varied: a model always sees it as 0,
            and in raw units it always is the mean.

    Raises:
        ConfigError: A field is out of range, or the two differ in length.

    Example:
        ```python
        from leworld.data import VectorPart

        assert VectorPart(mean=(0.5, 0.0), std=(0.1, 1.0)).dim == 2
        ```
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        mean = numbers("VectorPart", "mean", self.mean, None)
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "std", deviations("VectorPart", "std", self.std, len(mean)))

    @property
    def dim(self) -> int:
        """Number of components."""
        return len(self.mean)


Part: TypeAlias = PicturePart | VectorPart


def numbers(
    owner: str,
    name: str,
    values: Any,
    count: int | None,
    *,
    low: float = -LARGEST,
) -> Any:
    """Return `count` finite numbers (any number above 0 if None) as a tuple of floats."""
    if isinstance(values, np.ndarray | Tensor):
        values = values.tolist()
    sized = isinstance(values, Sequence) and not isinstance(values, str)
    if not sized or (len(values) != count if count is not None else len(values) == 0):
        raise ConfigError(
            f"{owner} needs `{name}` to hold {'one or more' if count is None else count} numbers",
            f"`{name}` is {describe(values)}",
            "Give one number a component",
        )
    if len(values) > MOST_COMPONENTS:
        raise ConfigError(
            f"{owner} needs `{name}` to hold at most {MOST_COMPONENTS} numbers",
            f"it holds {len(values)}",
            "Encode long vectors before they become a part of an observation",
        )
    for value in values:
        check_number(owner, name, value, low=low, high=LARGEST)
    return tuple(float(value) for value in values)


def deviations(owner: str, name: str, values: Any, count: int) -> Any:
    """Return `count` standard deviations as a tuple of floats, each 0 or one that can be divided by."""
    found = numbers(owner, name, values, count, low=0.0)
    tiny = [value for value in found if 0 < value < SMALLEST]
    if tiny:
        raise ConfigError(
            f"{owner} needs every number of `{name}` to be 0 or at least {SMALLEST:g}",
            f"one is {tiny[0]:g}",
            "Write 0 for a component that never varied",
        )
    return found


def checked_parts(parts: object) -> dict[str, Part]:
    """Return a copy of the further parts of a processor after checking names and kinds."""
    if not isinstance(parts, Mapping):
        raise ConfigError(
            "Processor needs `parts` to be a mapping from names to parts",
            f"it is {describe(parts)}",
            'Pass for example {"proprio": VectorPart(mean, std)}',
        )
    if len(parts) > MOST_PARTS:
        raise ConfigError(
            f"Processor needs at most {MOST_PARTS} `parts`", f"it has {len(parts)}", "Join vectors into one"
        )
    for name, part in parts.items():
        word = isinstance(name, str) and name.isidentifier() and len(name) <= MOST_LETTERS
        if not word or name == "pixels":
            raise ConfigError(
                "Processor needs words as names of further `parts`, other than `pixels`",
                f"one is {describe(name)}",
                "Use letters and _; `image_size`, `image_mean` and `image_std` describe `pixels`",
            )
        if not isinstance(part, PicturePart | VectorPart):
            raise ConfigError(
                "Processor needs every part to be a PicturePart or a VectorPart",
                f"`{name}` is {describe(part)}",
                "Measure it with `fit_processor(train, parts=[...])`, or write down its statistics",
            )
    return dict(parts)


def parts_to_json(parts: Mapping[str, Part]) -> list[dict[str, Any]]:
    """Return the parts as a JSON list, which keeps their order."""
    rows = []
    for name, part in parts.items():
        size = {"image_size": part.image_size} if isinstance(part, PicturePart) else {}
        kind = "picture" if isinstance(part, PicturePart) else "vector"
        rows.append({"name": name, "kind": kind, **size, "mean": list(part.mean), "std": list(part.std)})
    return rows


def parts_from_json(rows: object) -> dict[str, Part]:
    """Read what `parts_to_json` wrote; anything else is an error."""
    kinds = {"picture": ("image_size", "mean", "std"), "vector": ("mean", "std")}
    if not isinstance(rows, list) or len(rows) > MOST_PARTS:
        raise ConfigError(
            f"Processor.from_json needs `parts` to be a list of at most {MOST_PARTS}",
            f"it is {describe(rows)}",
            "Save it again",
        )
    parts: dict[str, Part] = {}
    for row in rows:
        fields = kinds.get(str(row.get("kind")) if isinstance(row, Mapping) else "")
        if fields is None or not isinstance(row.get("name"), str) or row["name"] in parts:
            raise ConfigError(
                'Processor.from_json needs `kind` "picture" or "vector" and a new `name` in every part',
                f"one is {describe(row)}",
                "Write the file with `to_json`",
            )
        strays = [key for key in row if key not in ("name", "kind", *fields)]
        missing = [key for key in fields if key not in row]
        if strays or missing:
            got = f"{described_name(strays[0])} is unknown" if strays else f"`{missing[0]}` is missing"
            raise ConfigError(
                f"Processor.from_json needs {quoted(fields)} of {described_name(row['name'])}",
                got,
                nearest(str((strays or missing)[0]), fields),
            )
        values = {key: row[key] for key in fields}
        parts[row["name"]] = PicturePart(**values) if row["kind"] == "picture" else VectorPart(**values)
    return parts


def normalised_part(name: str, part: Part, raw: Tensor) -> Tensor:
    """Turn one raw part into what a model reads."""
    if isinstance(part, PicturePart):
        if raw.dtype != torch.uint8 or raw.ndim < 3 or raw.shape[-1] != 3:
            raise ShapeError(
                f"Processor.observations needs `{name}` as uint8 pictures (..., height, width, 3)",
                f"`{name}` is {describe(raw)}",
                "Pass frames as rendered, with values from 0 to 255 and the channel last",
            )
        return normalised_pictures(part, raw)
    if raw.ndim < 1 or raw.shape[-1] != part.dim or raw.dtype.is_complex:
        raise ShapeError(
            f"Processor.observations needs `{name}` with {part.dim} numbers on the last axis",
            f"`{name}` is {describe(raw)}",
            "Pass it as in the data that the processor was fitted on",
        )
    vectors = _wide(raw)
    if raw.device.type == "cpu" and checking():
        check_finite("Processor.observations", name, vectors)
    mean, std = vectors.new_tensor(part.mean), vectors.new_tensor(part.std)
    return normalise(vectors, mean, std).float()


def raw_part(name: str, part: Part, normalised: Tensor) -> Tensor:
    """Turn one normalised part back into raw units."""
    if isinstance(part, PicturePart):
        if not normalised.is_floating_point() or normalised.ndim < 3 or normalised.shape[-3] != 3:
            raise ShapeError(
                f"Processor.raw_observations needs `{name}` as normalised pictures (..., 3, height, width)",
                f"`{name}` is {describe(normalised)}",
                "Pass what `observations` returned",
            )
        normalised = normalised if normalised.dtype == torch.float64 else normalised.float()
        mean, std = (normalised.new_tensor(x)[:, None, None] for x in (part.mean, part.std))
        levels = ((normalised * std + mean) * 255).round().clamp(0, 255)
        return levels.to(torch.uint8).movedim(-3, -1).contiguous()
    if not normalised.is_floating_point() or normalised.ndim < 1 or normalised.shape[-1] != part.dim:
        raise ShapeError(
            f"Processor.raw_observations needs `{name}` with {part.dim} normalised numbers on the last axis",
            f"`{name}` is {describe(normalised)}",
            "Pass what `observations` returned",
        )
    return normalised * normalised.new_tensor(part.std) + normalised.new_tensor(part.mean)


def normalised_pictures(part: PicturePart, pixels: Tensor) -> Tensor:
    """Turn uint8 pictures, channel last, into normalised float32 ones, channel first.

    In memory the channel stays last, which convolutions on a CPU like best: nothing is moved about.
    """
    frames = pixels.flatten(0, -4) if pixels.ndim > 4 else pixels.reshape(-1, *pixels.shape[-3:])
    size = (part.image_size, part.image_size)
    if frames.shape[1:3] == size:
        images = frames.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
    else:
        images = resized(frames, part.image_size)
    mean, std = images.new_tensor(part.mean), images.new_tensor(part.std)
    # By whole rows, since an axis of three entries is too short to compute along.
    rows = images.flatten(-2)
    rows.mul_((1 / (255 * std)).repeat(size[1])).sub_((mean / std).repeat(size[1]))
    return images.permute(0, 3, 1, 2).reshape(*pixels.shape[:-3], 3, *size)


def normalise(values: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Subtract the mean and divide by the standard deviation; a constant component becomes 0."""
    constant = std == 0
    return torch.where(constant, torch.zeros_like(values), (values - mean) / torch.where(constant, 1.0, std))


def _wide(raw: Tensor) -> Tensor:
    """Return numbers in a type that holds them: float32 and float64 stay as they are."""
    if raw.dtype in (torch.float32, torch.float64):
        return raw
    exact = not raw.is_floating_point() and raw.device.type != "mps"  # MPS has no float64
    return raw.double() if exact else raw.float()
