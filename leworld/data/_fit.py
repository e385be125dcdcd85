"""The statistics of a training set, measured once and kept with the model."""

from typing import Literal

import numpy as np

from .._checks import check_choice, check_number
from ..errors import ConfigError, DataError
from ._episodes import Episodes, check_episodes
from ._parts import IMAGENET_MEAN, IMAGENET_STD
from ._processor import Processor

_MAX_FITTED_FRAMES = 4096


def fit_processor(
    train: Episodes,
    *,
    frameskip: int,
    image_size: int | None = None,
    image_statistics: Literal["imagenet", "fit"] = "imagenet",
    source: str | None = None,
) -> Processor:
    """Build a `Processor` with the action statistics of the training episodes.

    Pass the training side of `Episodes.split` only: statistics of held-out data are a leak. The mean and the
    population standard deviation are taken in float64 over all rows with a finite action. A component whose
    deviation is at most 1e-6 of its largest magnitude is constant up to rounding and gets deviation 0, see
    `Processor`.

    Args:
        train: The training episodes.
        frameskip: Raw actions in a block, as for `Windows`.
        image_size: Side of the model's images; the frames' own side unless given.
        image_statistics: "imagenet", as in the published models, or "fit" to measure mean and standard
            deviation of each colour over up to 4096 evenly spaced training frames.
        source: Words for `Processor.statistics_source`; by default the environment and the number of
            episodes.

    Raises:
        ConfigError: An option is out of range or unknown, or the frames are not square and no size is given.
        DataError: No action is finite, or fitted images do not vary.

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
    height, width = train.pixels.shape[1:3]
    if image_size is None and height != width:
        raise ConfigError(
            "fit_processor needs `image_size` for frames that are not square",
            f"the frames are {height} x {width}",
            "Choose the side of the square images that the model shall read; frames are resized to it",
        )
    mean, std = _action_statistics(train)
    image_mean, image_std = (
        _image_statistics(train) if image_statistics == "fit" else (IMAGENET_MEAN, IMAGENET_STD)
    )
    origin = train.environment_id or "unnamed data"
    return Processor(
        image_size=height if image_size is None else image_size,
        frameskip=frameskip,
        action_dim=train.action_dim,
        image_mean=image_mean,
        image_std=image_std,
        action_mean=mean,
        action_std=std,
        environment_id=train.environment_id,
        statistics_source=source or f"{train.num_episodes} training episodes of {origin}",
    )


def _action_statistics(train: Episodes) -> tuple[tuple[float, ...], tuple[float, ...]]:
    actions = train.actions[np.isfinite(train.actions).all(axis=1)].astype(np.float64)
    if len(actions) == 0:
        raise DataError(
            "fit_processor needs at least one finite action",
            f"all {len(train.actions)} rows of `actions` are NaN",
            "Pass episodes with more than one frame",
        )
    mean, std = actions.mean(axis=0), actions.std(axis=0)
    std = np.where(std <= 1e-6 * np.abs(actions).max(axis=0), 0.0, std)
    return tuple(mean.tolist()), tuple(std.tolist())


def _image_statistics(train: Episodes) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    count = min(len(train.pixels), _MAX_FITTED_FRAMES)
    levels = np.arange(256) / 255
    histogram = np.zeros((3, 256))
    for row in np.linspace(0, len(train.pixels) - 1, count).round().astype(np.int64):
        for channel in range(3):
            histogram[channel] += np.bincount(train.pixels[row, :, :, channel].reshape(-1), minlength=256)
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
