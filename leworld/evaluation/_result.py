"""What every result of an evaluation can do: print as a table, become JSON, be saved, be drawn."""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .._checks import require
from .._files import local_path, write_atomically
from ..errors import CheckpointError, ConfigError, DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Result(ABC):
    """What an evaluation found. `print(result)` shows `table()`, `save` writes `to_json()`, `plot` a picture.

    Files are written whole or not at all, missing folders are made, and a file that is there is kept unless
    `overwrite` says otherwise. What cannot be written is a ConfigError. Pictures need the extra `viz`.

    Attributes:
        kind: Name of the kind of result, in every JSON file.
        version: Version of the JSON's fields; it grows when they change.

    Example:
        ```python
        import numpy as np
        from leworld.evaluation import LatentMap, Result

        result = LatentMap(np.zeros((10, 2)), "pca", explained_variance=(0.9, 0.1))
        assert isinstance(result, Result)
        assert result.to_json()["kind"] == result.kind == "latent_map"
        ```
    """

    kind: ClassVar[str]
    version: ClassVar[int] = 1

    @abstractmethod
    def table(self) -> str:
        """Return the result as text, with a reason for everything that is missing."""

    @abstractmethod
    def _content(self) -> dict[str, Any]:
        """Return the fields of the JSON below kind and version."""

    @abstractmethod
    def plot(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Draw the result, write the picture (png, pdf or svg) and return its path."""

    def __str__(self) -> str:
        return self.table()

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values, with its kind and version."""
        return {"schema_version": self.version, "kind": self.kind} | self._content()

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write `to_json` to a file and return its path."""
        text = json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n"
        return write_result(
            f"{type(self).__name__}.save",
            path,
            lambda temporary: temporary.write_text(text, encoding="utf-8"),
            overwrite=overwrite,
        )

    @classmethod
    def _check_kind(cls, data: object) -> None:
        """Raise unless `data` says that it is a result of this kind and version."""
        known = (data.get("kind"), data.get("schema_version")) if isinstance(data, Mapping) else None
        if known != (cls.kind, cls.version):
            raise DataError(
                f"{cls.__name__}.from_json needs what `to_json` wrote: the kind `{cls.kind}`, "
                f"schema version {cls.version}",
                f"kind and version are {known}" if known else "it is no mapping with a kind",
                "Pass the parsed JSON of a file that `save` wrote, or evaluate again",
            )


def write_result(
    owner: str, path: str | os.PathLike[str], write: Callable[[Path], object], *, overwrite: bool
) -> Path:
    """Let `write` fill a file, whole or not at all, and return its path.

    Args:
        owner: Who writes, for messages.
        path: Where to; `~` is the user's home.
        write: Gets a temporary path with the same suffix.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        ConfigError: Something is there that may not be replaced, or the disk refuses.
    """
    target = result_path(owner, path, overwrite=overwrite)
    return write_atomically(target, write, error=ConfigError)


def result_path(owner: str, path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """Return `path` after checking that a file may be written there, which costs less than the file."""
    try:
        local_path(path)
    except CheckpointError as error:
        raise ConfigError(error.rule, error.got, error.fix) from error
    target = Path(path).expanduser()  # as it was given: relative paths stay short in what a command tells
    if target.is_dir():
        raise ConfigError(
            f"{owner} needs `path` to be a file's", f"{target} is a folder", "Add the name of a file"
        )
    if os.path.lexists(target) and not overwrite:
        raise ConfigError(
            f"{owner} needs a new `path`, unless it is told to overwrite",
            f"{target} exists",
            "Choose another name, or pass `overwrite=True`",
        )
    return target


def draw(
    owner: str,
    path: str | os.PathLike[str],
    paint: Callable[["Figure"], object],
    *,
    overwrite: bool,
    size: tuple[float, float],
    dpi: int = 150,
    tight: bool = False,
) -> Path:
    """Let `paint` draw on a matplotlib figure and write it, whole or not at all.

    Needs no display, leaves pyplot alone, and writes names as they are, whatever the user's own settings make
    of text (TeX, mathematics).

    Args:
        owner: Who draws, for messages.
        path: Where to write; the suffix is the format.
        paint: Draws on an empty figure.
        overwrite: Whether a file that is there may be replaced.
        size: Width and height in inches.
        dpi: Pixels an inch.
        tight: Whether to cut off what is empty around the drawing.

    Raises:
        ConfigError: The suffix is no format of pictures, or the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    target = result_path(owner, path, overwrite=overwrite)
    require("matplotlib", extra="viz", purpose="Plotting a result")
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    formats = FigureCanvasAgg.get_supported_filetypes()
    suffix = target.suffix.lower().removeprefix(".")
    if suffix not in formats:
        raise ConfigError(
            f"{owner} needs a `path` whose suffix is a format of pictures",
            f"it is `{path}`",
            f"Use one of {', '.join(f'.{name}' for name in sorted(formats))}",
        )

    def write(temporary: Path) -> None:
        with rc_context({"text.usetex": False, "text.parse_math": False}):
            figure = Figure(figsize=size, layout="constrained")
            FigureCanvasAgg(figure)
            paint(figure)
            _plain_ticks(figure)
            figure.savefig(temporary, dpi=dpi, format=suffix, bbox_inches="tight" if tight else None)

    return write_result(owner, path, write, overwrite=overwrite)


def _plain_ticks(figure: "Figure") -> None:
    """Write the numbers of logarithmic axes as such, as their own formatters write mathematics."""
    from matplotlib.ticker import LogFormatter, StrMethodFormatter

    for panel in figure.axes:
        for axis in (panel.xaxis, panel.yaxis):
            if isinstance(axis.get_major_formatter(), LogFormatter):
                axis.set_major_formatter(StrMethodFormatter("{x:g}"))
                axis.set_minor_formatter(LogFormatter())
