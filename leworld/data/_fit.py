"""The statistics of a training set, measured once and kept with the model."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from .._checks import check_choice, check_number, describe, plain_numbers
from ..errors import ConfigError, DataError
from ._arguments import named_columns, names_of
from ._columns import part_column
from ._episode_checks import one_hot_rows
from ._episodes import Episodes, check_episodes
from ._lazy import Column
from ._parts import IMAGENET_MEAN, IMAGENET_STD, PicturePart, VectorPart
from ._processor import Processor

_MAX_FITTED_FRAMES = 4096


@plain_numbers
def fit_processor(
    train: Episodes,
    *,
    frameskip: int,
    image_size: int | None = None,
    image_statistics: Literal["imagenet", "fit"] = "imagenet",
    source: str | None = None,
    parts: Sequence[str] | Mapping[str, int | None] = (),
) -> Processor:
    """Build a `Processor` with the statistics of the training episodes.

    Pass the training side of `Episodes.split` only: statistics of held-out data are a leak. The mean and the
    population standard deviation are taken in float64 over all rows with a finite action. A component whose
    deviation is at most 1e-6 of its largest magnitude is constant up to rounding and gets deviation 0, see
    `Processor`. Vectors among `parts` are measured likewise, over all rows.

    Actions that are one-hot in every row, as those of an environment with discrete actions are, stay as they
    are: mean 0 and deviation 1, whether or not the episodes say `action_choices`. Otherwise a planner would
    have to search among numbers that are no choices.

    Args:
        train: The training episodes.
        frameskip: Raw actions in a block, as for `Windows`.
        image_size: Side of the model's images; the frames' own side unless given.
        image_statistics: "imagenet", as in the published models, or "fit" to measure mean and standard
            deviation of each colour over up to 4096 evenly spaced training frames.
        source: Words for `Processor.statistics_source`; by default the environment and the number of
            episodes.
        parts: Columns that the model senses beside `pixels`, in order; as a mapping, with the side of the
            model's images for each camera (None for its own side, and for vectors).

    Raises:
        ConfigError: An option is out of range or unknown, a column is missing, or frames are not square and
            no size is given.
        ShapeError: A column of `parts` is neither pictures nor numbers (row, dim).
        DataError: No action is finite, a vector is not, or fitted images do not vary.

    Example:
        ```python
        import numpy as np
        from leworld.data import Episodes, fit_processor

        films = [np.zeros((3, 8, 8, 3), np.uint8)]
        train = Episodes.from_trajectories(films, [np.array([[1.0, 7.0], [3.0, 7.0]])])
        processor = fit_processor(train, frameskip=1)
        assert processor.action_mean == (2.0, 7.0) and processor.action_std == (1.0, 0.0)
        ```
    """
    check_episodes("fit_processor", "train", train)
    check_choice("fit_processor", "image_statistics", image_statistics, ("imagenet", "fit"))
    check_number("fit_processor", "frameskip", frameskip, low=1, integer=True)
    if not isinstance(source, str | None):
        raise ConfigError(
            "fit_processor needs `source` to be words", f"it is {describe(source)}", "Say which data it was"
        )
    if isinstance(parts, Mapping):
        sides = dict(named_columns("fit_processor", "parts", parts))
    else:
        sides = dict.fromkeys(_names(parts))
    if train.pixels is not None:
        given = sides.pop("pixels", None)
        image_size = _side("image_size", train.pixels, given if image_size is None else image_size)
    elif image_size is not None:
        raise ConfigError(
            "fit_processor needs frames called `pixels` for `image_size`",
            f"`image_size={image_size}` was given and the episodes have none",
            "Leave `image_size` out and name the model's `parts`",
        )
    fit_images = image_statistics == "fit"
    measured = {
        name: _measured(name, part_column("fit_processor", name, train.columns), side, fit_images)
        for name, side in sides.items()
    }
    mean, std = _action_statistics(train)
    image_mean, image_std = IMAGENET_MEAN, IMAGENET_STD
    if fit_images and train.pixels is not None:
        image_mean, image_std = _image_statistics(train.pixels)
    origin = train.environment_id or "unnamed data"
    return Processor(
        image_size=image_size,
        frameskip=frameskip,
        action_dim=train.action_dim,
        image_mean=image_mean,
        image_std=image_std,
        action_mean=mean,
        action_std=std,
        environment_id=train.environment_id,
        statistics_source=source or f"{train.num_episodes} training episodes of {origin}",
        parts=measured,
        fps=train.fps,
        action_choices=train.action_choices,
    )


def _names(parts: object) -> tuple[str, ...]:
    if isinstance(parts, str) or not isinstance(parts, Sequence):
        raise ConfigError(
            "fit_processor needs `parts` to be a list of names, or a mapping from names to sizes",
            f"it is {describe(parts)}",
            'Pass for example ["proprio"] or {"wrist": 64}',
        )
    return names_of("fit_processor", "parts", parts)


def _side(name: str, pictures: Column, size: int | None) -> int:
    """Return the side of the model's images: the given one, or that of square pictures."""
    height, width = pictures.shape[1:3]
    if size is None and height != width:
        raise ConfigError(
            f"fit_processor needs {name} for frames that are not square",
            f"the frames are {height} x {width}",
            "Choose the side of the square images that the model shall read; frames are resized to it",
        )
    return height if size is None else size


def _measured(name: str, column: Column, size: int | None, fit_images: bool) -> PicturePart | VectorPart:
    """Measure one further part of an observation."""
    if column.ndim == 4:
        side = _side(f'`parts={{"{name}": size}}`', column, size)
        return PicturePart(side, *_image_statistics(column)) if fit_images else PicturePart(side)
    if size is not None:
        raise ConfigError(
            "fit_processor needs sizes in `parts` for cameras only",
            f"`{name}` is a vector and has size {size}",
            "Pass None for it",
        )
    values = np.asarray(column).astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise DataError(
            f"fit_processor needs finite numbers in `{name}`, which a model shall read",
            f"{bad.size} of {len(values)} rows are not, the first at row {bad[0]}",
            "Fill them in, or cut these episodes out",
        )
    return VectorPart(*_mean_and_std(values))


def _action_statistics(train: Episodes) -> tuple[tuple[float, ...], tuple[float, ...]]:
    actions = train.actions[np.isfinite(train.actions).all(axis=1)].astype(np.float64)
    if len(actions) == 0:
        raise DataError(
            "fit_processor needs at least one finite action",
            f"all {len(train.actions)} rows of `actions` are NaN",
            "Pass episodes with more than one frame",
        )
    one_hot = one_hot_rows(actions).all() and (actions != actions[0]).any()
    if train.action_choices is not None or one_hot:
        return (0.0,) * train.action_dim, (1.0,) * train.action_dim
    return _mean_and_std(actions)


def _mean_and_std(values: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    mean, std = values.mean(axis=0), values.std(axis=0)
    std = np.where(std <= 1e-6 * np.abs(values).max(axis=0), 0.0, std)
    return tuple(mean.tolist()), tuple(std.tolist())


def _image_statistics(pictures: Column) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    count = min(len(pictures), _MAX_FITTED_FRAMES)
    levels = np.arange(256) / 255
    histogram = np.zeros((3, 256))
    for row in np.linspace(0, len(pictures) - 1, count).round().astype(np.int64):
        picture = pictures[row]
        for channel in range(3):
            histogram[channel] += np.bincount(picture[..., channel].reshape(-1), minlength=256)
    weight = histogram / histogram.sum(axis=1, keepdims=True)
    mean = weight @ levels
    std = np.sqrt((weight * (levels - mean[:, None]) ** 2).sum(axis=1))
    if std.min() == 0:
        raise DataError(
            'fit_processor with image_statistics="fit" needs every colour to vary',
            f"the standard deviations of red, green and blue are {std.tolist()}",
            'Use image_statistics="imagenet", or look at the frames',
        )
    red, green, blue = mean.tolist()
    return (red, green, blue), (float(std[0]), float(std[1]), float(std[2]))
