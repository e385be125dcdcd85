"""What an agent senses at some moments: named pictures and vectors."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias, final

import numpy as np
import torch
from torch import Tensor

from .._checks import describe, nearest
from ..errors import ConfigError, LeWorldError, ShapeError
from ._arguments import UNFIT, is_array, named_columns, names_of

Part: TypeAlias = np.ndarray | Tensor


@final
class Observation:
    """Named parts that were sensed together: pictures and vectors, each with the same leading axes.

    The same type serves environments, data, models and goals. Raw parts, as an environment or a file gives
    them, are uint8 pictures with the channel last and vectors in the units of the world; `Processor` turns
    them into the normalised tensors that a model reads, with the channel first, and back. The usual names are
    `pixels` for the first camera, `proprio` for what the agent feels of itself, and `state` for the true
    state, which oracles read and models do not.

    No array is copied: it is a way to hand parts on, not to keep them.

    Shapes:
        Numpy parts have one leading axis: pictures (env, height, width, channel) of uint8, vectors
        (env, dim) of numbers. Tensors have the leading axes (batch, time), or (sample).

    Args:
        pixels: The picture called `pixels`; None where there is none.
        parts: Parts by name, `pixels` and `state` included if they are not given by themselves.
        state: The vector called `state`.

    Attributes:
        parts: All parts by name, in the order given.

    Raises:
        ShapeError: If a part has the wrong rank or dtype, or the parts differ along their first axis.
        ConfigError: If there is no part, a name is no word, or numpy arrays and tensors are mixed.

    Example:
        ```python
        import numpy as np
        from leworld.data import Observation

        frames, joints = np.zeros((4, 64, 64, 3), np.uint8), np.zeros((4, 7), np.float32)
        seen = Observation(frames, {"proprio": joints, "wrist": frames})
        assert len(seen) == 4 and list(seen.parts) == ["pixels", "proprio", "wrist"]
        assert seen.at([0, 2])["proprio"].shape == (2, 7)
        ```
    """

    __slots__ = ("parts",)

    parts: Mapping[str, Any]

    def __init__(
        self,
        pixels: Part | None = None,
        parts: Mapping[str, Part] | None = None,
        *,
        state: Part | None = None,
    ) -> None:
        named = {name: part for name, part in (("pixels", pixels), ("state", state)) if part is not None}
        parts = {} if parts is None else named_columns("Observation", "parts", parts)
        both = sorted(named.keys() & parts.keys())
        if both:
            raise ConfigError(
                "Observation needs every part once",
                f"`{both[0]}` is an argument of its own and one of `parts`",
                "Give it in one place",
            )
        first = {"pixels": named["pixels"]} if "pixels" in named else {}
        self.parts = MappingProxyType(first | dict(parts) | named)
        _check(self.parts)

    def __len__(self) -> int:
        return len(next(iter(self.parts.values())))

    def __contains__(self, name: object) -> bool:
        return name in self.parts

    def __getitem__(self, name: str) -> Any:
        if not isinstance(name, str) or name not in self.parts:
            text = name if isinstance(name, str) else describe(name)
            raise ConfigError(
                "Observation needs a part of that name", f"there is no `{text}`", nearest(text, self.parts)
            )
        return self.parts[name]

    def __repr__(self) -> str:
        listing = ", ".join(f"{name} {tuple(part.shape)}" for name, part in self.parts.items())
        return f"Observation({listing})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Observation, (None, dict(self.parts))

    @property
    def pixels(self) -> Any:
        """The picture `pixels`; an error if there is none."""
        return self["pixels"]

    @property
    def state(self) -> Any | None:
        """The true state, or None."""
        return self.parts.get("state")

    def select(self, names: Sequence[str]) -> "Observation":
        """Return the named parts only, in that order.

        Args:
            names: Parts to keep.

        Raises:
            ConfigError: If one of them is missing.
        """
        return Observation(
            parts={name: self[name] for name in names_of("Observation.select", "names", names)}
        )

    def at(self, index: Any) -> "Observation":
        """Return the same parts with `index` applied to their leading axes, which has to keep one.

        Args:
            index: A slice, a list or array of numbers, or a tuple of these.

        Raises:
            ConfigError: If it is nothing that chooses among the entries.
        """
        try:
            return self.map(lambda part: part[index])
        except UNFIT as error:
            if isinstance(error, LeWorldError):
                raise
            raise ConfigError(
                f"Observation.at needs `index` to choose among {len(self)} entries",
                f"it is {describe(index)}",
                "Pass a slice or numbers of entries",
            ) from error

    def map(self, function: Callable[[Any], Any]) -> "Observation":
        """Return the same parts, each changed by `function`.

        Args:
            function: Part -> part.
        """
        return Observation(parts={name: function(part) for name, part in self.parts.items()})

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "Observation":
        """Return the parts as tensors on `device`; numpy arrays are converted.

        Args:
            device: Where they shall live.
            non_blocking: Whether to return before copies from page-locked memory have ended.

        Raises:
            ConfigError: If there is no such device, or a part is on torch's `meta` device and has no data.
        """
        try:
            device = torch.device(device)
        except UNFIT as error:
            raise ConfigError(
                "Observation.to needs the name of a device",
                f"it is {describe(device)}",
                'Pass for example "cpu"',
            ) from error
        empty = [name for name, part in self.parts.items() if isinstance(part, Tensor) and part.is_meta]
        if empty and device.type != "meta":
            raise ConfigError(
                "Observation.to needs parts that have data",
                f"`{empty[0]}` is on torch's `meta` device",
                "Make it on a device that holds data",
            )
        return self.map(lambda part: as_tensor(part).to(device, non_blocking=non_blocking))


def as_tensor(part: Part) -> Tensor:
    """Return a part as a tensor of the nearest type that torch has; a copy where it must be one."""
    if isinstance(part, Tensor):
        return part
    kind, size = part.dtype.kind, part.dtype.itemsize
    if kind == "u" and size > 1:
        part = part.astype(np.int64)
    elif kind == "f" and size > 8:
        part = part.astype(np.float64)
    elif not part.dtype.isnative:
        part = part.astype(part.dtype.newbyteorder("="))
    array = np.ascontiguousarray(part)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _check(parts: Mapping[str, Any]) -> None:
    if not parts:
        raise ConfigError(
            "Observation needs at least one part", "it was given none", "Pass `pixels`, or `parts` by name"
        )
    for name in parts:
        if not isinstance(name, str) or not name.isidentifier():
            raise ConfigError(
                "Observation needs part names that are words", f"one is {name!r}", "Use letters and _"
            )
    kinds = {"array" if isinstance(part, np.ndarray) else "tensor" for part in parts.values()}
    for name, part in parts.items():
        if not (isinstance(part, Tensor) or is_array(part)) or part.ndim == 0:
            raise _refused(name, part)
        if isinstance(part, np.ndarray):
            picture = part.ndim == 4 and part.dtype == np.uint8
            vector = part.ndim == 2 and part.dtype.kind in "biuf"
            if not (picture if name == "pixels" else picture or vector):
                raise _refused(name, part)
    if len(kinds) > 1:
        raise ConfigError(
            "Observation needs parts of one kind",
            "some are numpy arrays and some tensors",
            "Convert with `Observation.to(device)`",
        )
    sizes = {name: len(part) for name, part in parts.items()}
    if len(set(sizes.values())) > 1:
        raise ShapeError(
            "Observation needs as many entries in every part", f"they have {sizes}", "Pass one each"
        )


def _refused(name: str, part: object) -> ShapeError:
    due = "a uint8 array (env, height, width, channel)"
    if name != "pixels":
        due += ", or numbers (env, dim)"
    return ShapeError(
        f"Observation needs `{name}` as {due}, or as a tensor",
        f"`{name}` is {describe(part)}",
        "Pass frames as rendered and vectors in their own units, a single one as `part[None]`",
    )
