"""What every result of an evaluation can do: print as a table, become JSON, be saved, be drawn."""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .._checks import require
from .._files import write_atomically
from ..errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Result(ABC):
    """What an evaluation found. `print(result)` shows `table()`, `save` writes `to_json()`, `plot` a picture.

    Files are written whole or not at all. Pictures need the extra `viz`.

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
    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw the result, write the picture (png, pdf or svg) and return its path."""

    def __str__(self) -> str:
        return self.table()

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values, with its kind and version."""
        return {"schema_version": self.version, "kind": self.kind} | self._content()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write `to_json` to a file and return its path."""
        text = json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n"
        return write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))

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


def blank_figure(width: float, height: float) -> "Figure":
    """Make a matplotlib figure that needs no display and leaves pyplot alone."""
    require("matplotlib", extra="viz", purpose="Plotting a result")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
