"""A map of embeddings and its picture."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, final

import numpy as np
from jaxtyping import Float

from ..._checks import check_choice, describe, plain_numbers
from ..._typing import MaybeNone
from ...errors import ConfigError, NonFiniteError, ShapeError
from .._result import Result, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = ("pca", "tsne")
_NAMES = {"pca": "PCA", "tsne": "t-SNE"}


@final
@plain_numbers
@dataclass(frozen=True, eq=False)
class LatentMap(Result):
    """Where embeddings lie on a map of few dimensions.

    Attributes:
        coordinates: Places, with the leading axes of the embeddings.
        method: "pca" or "tsne".
        explained_variance: Share of the variance along each axis, for PCA; None for t-SNE.

    Raises:
        ShapeError: Coordinates that are no (*sample, component), or shares of another number.
        ConfigError: An unknown method.
        NonFiniteError: NaN or infinite coordinates.

    Example:
        ```python
        import numpy as np
        from leworld.evaluation import LatentMap

        found = LatentMap(np.zeros((10, 2)), "pca", explained_variance=(0.9, 0.1))
        assert str(found) == "PCA of 10 samples: 2 components hold 100.0 % of the variance"
        ```
    """

    coordinates: Float[np.ndarray, "*sample component"]
    method: Literal["pca", "tsne"]
    explained_variance: tuple[float, ...] | MaybeNone = None

    kind: ClassVar[str] = "latent_map"

    def __post_init__(self) -> None:
        check_choice("LatentMap", "method", self.method, METHODS)
        found, shares = self.coordinates, self.explained_variance
        if (
            not isinstance(found, np.ndarray)
            or found.dtype.kind != "f"
            or found.ndim < 2
            or not found.size
            or (shares is not None and len(shares) != found.shape[-1])
        ):
            raise ShapeError(
                "LatentMap needs coordinates (*sample, component) and, if any, one share a component",
                f"`coordinates` is {describe(found)} and `explained_variance` {describe(shares)}",
                "Take maps from `latent_map`",
            )
        if not np.isfinite(found).all():
            raise NonFiniteError(
                "LatentMap needs finite coordinates",
                f"{int((~np.isfinite(found)).sum())} of {found.size} are NaN or infinite",
                "Check the embeddings, or choose another method",
            )
        object.__setattr__(self, "coordinates", found.copy())

    def table(self) -> str:
        """Return one line: the method, the samples and how much of their variance the map holds."""
        samples, components = int(np.prod(self.coordinates.shape[:-1])), self.coordinates.shape[-1]
        text = f"{_NAMES[self.method]} of {samples} samples: {components} components"
        shares = self.explained_variance
        return text if shares is None else f"{text} hold {100 * sum(shares):.1f} % of the variance"

    def _content(self) -> dict[str, Any]:
        shares = None if self.explained_variance is None else list(self.explained_variance)
        return {
            "method": self.method,
            "explained_variance": shares,
            "coordinates": self.coordinates.tolist(),
        }

    def plot(
        self,
        path: str | os.PathLike[str],
        *,
        values: np.ndarray | None = None,
        label: str | None = None,
        overwrite: bool = False,
    ) -> Path:
        """Draw the first two coordinates, coloured by a quantity, and write the picture (png, pdf or svg).

        Args:
            path: Where to write.
            values: One number a sample, in the shape of the coordinates without their last axis, for example
                a component of the state; None draws all in one colour.
            label: Name of the quantity, for the colour bar.
            overwrite: Whether to replace a file that is there.

        Raises:
            ConfigError: The map has one component only.
            ShapeError: Values that do not fit the samples.
            MissingExtraError: matplotlib is not installed.
        """
        owner = "LatentMap.plot"
        if self.coordinates.shape[-1] < 2:
            raise ConfigError(
                f"{owner} needs a map with at least 2 components", "this one has 1", "Map with 2 components"
            )
        if values is not None:
            values = np.asarray(values)
            if values.shape != self.coordinates.shape[:-1] or values.dtype.kind not in "biuf":
                raise ShapeError(
                    f"{owner} needs one number for each of the samples {self.coordinates.shape[:-1]}",
                    f"`values` is {describe(values)}",
                    "Choose one component of the state: `states[..., 0]`",
                )
        return draw(
            owner,
            path,
            lambda figure: self._paint(figure, values, label),
            overwrite=overwrite,
            size=(4.6, 4.0),
        )

    def _paint(self, figure: "Figure", values: np.ndarray | None, label: str | None) -> None:
        panel = figure.subplots()
        points = self.coordinates.reshape(-1, self.coordinates.shape[-1])
        colours = None if values is None else values.ravel()
        drawn = panel.scatter(points[:, 0], points[:, 1], s=6, c=colours, linewidths=0)
        if colours is not None:
            figure.colorbar(drawn, ax=panel, label=label or "")
        shares = self.explained_variance
        for axis, name in enumerate(("x", "y")):
            share = "" if shares is None else f" ({100 * shares[axis]:.0f} % of the variance)"
            getattr(panel, f"set_{name}label")(f"{_NAMES[self.method]} {axis + 1}{share}")
        if shares is None:  # distances mean nothing, so neither do numbers on the axes
            panel.set_xticks([])
            panel.set_yticks([])
        else:
            panel.set_aspect("equal", adjustable="datalim")
