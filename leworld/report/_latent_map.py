"""The embedding on a plane, coloured by what the world was like."""

from collections.abc import Mapping

import numpy as np

from .._checks import describe
from ..errors import ShapeError
from ..evaluation import LatentMap
from ._html import check_result, figure, grid, paragraph
from ._plot import Plot, span
from ._section import Section

TITLE = "Latent map"
_MOST_POINTS = 1500


def latent_map_section(found: LatentMap, values: Mapping[str, np.ndarray] | None = None) -> Section:
    """Show a map of embeddings, once for each quantity that colours it.

    Args:
        found: What `leworld.evaluation.latent_map` returned, with two components or more; the first two are
            drawn.
        values: Name -> one number a point, which chooses the colour; None draws one plain map.

    Raises:
        ConfigError: Another kind of result.
        ShapeError: A map of one component, or values of another length.

    Example:
        ```python
        import torch
        from leworld.evaluation import latent_map
        from leworld.report import latent_map_section

        embeddings = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
        section = latent_map_section(latent_map(embeddings), {"first": embeddings[:, 0].numpy()})
        assert "coloured by first" in section.body
        ```
    """
    check_result("latent_map_section", "found", found, LatentMap, "`latent_map`")
    places = np.asarray(found.coordinates).reshape(-1, np.asarray(found.coordinates).shape[-1])
    if places.shape[1] < 2:
        raise ShapeError(
            "latent_map_section needs a map with at least 2 components",
            f"it has {places.shape[1]}",
            "Call `latent_map` with num_components=2",
        )
    coloured = {
        name: np.asarray(column, dtype=np.float64).reshape(-1) for name, column in (values or {}).items()
    }
    for name, column in coloured.items():
        if len(column) != len(places) or not np.isfinite(column).all():
            raise ShapeError(
                f"latent_map_section needs one finite value for each of {len(places)} points",
                f"`values[{name!r}]` is {describe(column)}",
                "Take the column at the rows that were embedded",
            )
    every = -(-len(places) // _MOST_POINTS)
    places = places[::every]
    method = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}.get(found.method, found.method)
    lead = f"{len(places)} embeddings on a plane, by {method}."
    if found.explained_variance is not None:
        shares = ", ".join(f"{100 * share:.0f} %" for share in found.explained_variance[:2])
        lead += f" The axes hold {shares} of the variance."
    lead += " Where colour changes smoothly, neighbours in the embedding are neighbours in the world."
    figures = [_chart(places, name, column[::every]) for name, column in coloured.items()]
    return Section(TITLE, paragraph(lead) + grid(*(figures or [_chart(places, None, None)])))


def _chart(places: np.ndarray, name: str | None, column: np.ndarray | None) -> str:
    chart = Plot(
        span(places[:, 0]), span(places[:, 1]), x_label="first axis", y_label="second axis", height=300
    )
    if column is None or name is None:
        chart.points(places[:, 0], places[:, 1])
        return figure(chart.svg(f"Map of {len(places)} embeddings."), "All points.")
    chart.shaded(places[:, 0], places[:, 1], column)
    ends = f"{column.min():.4g}", f"{column.max():.4g}"
    alt = f"Map of {len(places)} embeddings, coloured by {name} from {ends[0]} to {ends[1]}."
    ramp = f'<span class="keys"><span>{ends[0]} <span class="ramp"></span> {ends[1]}</span></span>'
    drawn = figure(chart.svg(alt), f"coloured by {name}")
    return drawn.replace("</figcaption>", ramp + "</figcaption>")
