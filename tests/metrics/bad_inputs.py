"""Mistakes that users make with metrics, and what they must be told."""

import torch

from leworld.errors import ConfigError, NonFiniteError, ShapeError
from leworld.metrics import (
    GoalMonotonicity,
    Interval,
    auroc,
    conformal_p_values,
    effective_rank,
    goal_monotonicity,
    horizon_error,
    latent_distance,
    lidar,
    paired_t_test,
    participation_ratio,
    plan_rank,
    psnr,
    sliced_normality,
    ssim,
    temporal_straightness,
    wilson_interval,
    within_episode_share,
)
from leworld.normality import AndersonDarling
from tests.bad_input import BadInput

_NAN = float("nan")


def _rank(case, error, mentions, embeddings):
    return BadInput(
        "leworld.metrics.effective_rank", case, lambda: effective_rank(embeddings), error, mentions
    )


def _straight(case, error, mentions, embeddings):
    entry = "leworld.metrics.temporal_straightness"
    return BadInput(entry, case, lambda: temporal_straightness(embeddings), error, mentions)


def _monotone(case, error, mentions, **changes):
    arguments = {
        "before": torch.ones(3, 2),
        "after": torch.ones(3, 2),
        "goal": torch.zeros(3, 2),
        "distance": torch.ones(3),
        "edges": (0, 2),
    } | changes
    entry = "leworld.metrics.goal_monotonicity"
    return BadInput(entry, case, lambda: goal_monotonicity(**arguments), error, mentions)


def _wilson(case, mentions, *arguments, **options):
    entry = "leworld.metrics.wilson_interval"
    return BadInput(entry, case, lambda: wilson_interval(*arguments, **options), ConfigError, mentions)


def _call(function, case, error, mentions, *arguments, **options):
    entry = f"leworld.metrics.{function.__name__}"
    return BadInput(entry, case, lambda: function(*arguments, **options), error, mentions)


_BAD, _TEN = torch.full((10,), _NAN), torch.ones(10)
_PICTURE, _SMALL = torch.ones(2, 3, 16, 16), torch.ones(2, 3, 10, 16)


def _distance(case, error, mentions, one=None, **options):
    one = torch.ones(2, 3) if one is None else one
    call = lambda: latent_distance(one, torch.zeros(2, 3), **options)  # noqa: E731
    return BadInput("leworld.metrics.latent_distance", case, call, error, mentions)


ROWS = [
    *(
        row
        for function in (psnr, ssim)
        for row in (
            _call(function, "another size", ShapeError, ("truth",), _PICTURE, _PICTURE[..., 1:]),
            _call(function, "one picture for all", ShapeError, ("truth",), _PICTURE, _PICTURE[0]),
            _call(function, "no channels", ShapeError, ("axes",), _PICTURE[0, 0], _PICTURE[0, 0]),
            _call(function, "no pixels", ShapeError, ("height=0",), _PICTURE[:, :, :0], _PICTURE[:, :, :0]),
            _call(function, "bytes", ShapeError, ("floating",), _PICTURE.byte(), _PICTURE.byte()),
            _call(function, "NaN", NonFiniteError, ("truth",), _PICTURE, _PICTURE * _NAN),
            _call(function, "no range", ConfigError, ("data_range",), _PICTURE, _PICTURE, data_range=0),
        )
    ),
    _call(ssim, "smaller than the window", ShapeError, ("height=10", "11"), _SMALL, _SMALL),
    _call(ssim, "no window", ConfigError, ("window_size",), _PICTURE, _PICTURE, window_size=0),
    _call(ssim, "half a pixel", ConfigError, ("window_size",), _PICTURE, _PICTURE, window_size=1.5),
    _call(ssim, "no width", ConfigError, ("sigma",), _PICTURE, _PICTURE, sigma=0.0),
    _call(participation_ratio, "one sample", ShapeError, ("sample=1",), torch.ones(1, 3)),
    _call(participation_ratio, "no components", ShapeError, ("dim=0",), torch.ones(4, 0)),
    _call(participation_ratio, "pixels", ShapeError, ("floating",), torch.ones(4, 4, dtype=torch.uint8)),
    _call(participation_ratio, "NaN", NonFiniteError, ("embeddings",), torch.full((4, 3), _NAN)),
    _call(lidar, "no views", ShapeError, ("embeddings",), torch.ones(4, 3)),
    _call(lidar, "one view", ShapeError, ("view=1",), torch.ones(4, 1, 3)),
    _call(lidar, "one object", ShapeError, ("object=1",), torch.ones(1, 4, 3)),
    _call(lidar, "no ridge", ConfigError, ("ridge",), torch.ones(4, 2, 3), ridge=0.0),
    _call(lidar, "NaN", NonFiniteError, ("embeddings",), torch.full((4, 2, 3), _NAN)),
    _call(sliced_normality, "few samples", ShapeError, ("sample=3",), torch.ones(3, 2), AndersonDarling()),
    _call(
        sliced_normality,
        "more slices than dimensions",
        ConfigError,
        ("num_slices",),
        torch.ones(9, 2),
        AndersonDarling(),
        num_slices=3,
    ),
    _call(sliced_normality, "a class", ConfigError, ("instance",), torch.ones(9, 2), AndersonDarling),
    _call(sliced_normality, "a name", ConfigError, ("statistic",), torch.ones(9, 2), "anderson-darling"),
    _call(
        sliced_normality, "NaN", NonFiniteError, ("embeddings",), torch.full((9, 2), _NAN), AndersonDarling()
    ),
    _call(horizon_error, "another horizon", ShapeError, ("truth",), torch.ones(2, 3, 4), torch.ones(2, 2, 4)),
    _call(horizon_error, "no steps", ShapeError, ("horizon=0",), torch.ones(2, 0, 4), torch.ones(2, 0, 4)),
    _call(horizon_error, "NaN", NonFiniteError, ("truth",), torch.ones(2, 3, 4), torch.full((2, 3, 4), _NAN)),
    _call(auroc, "no usual score", ShapeError, ("usual=0",), _TEN, torch.ones(0)),
    _call(auroc, "integers", ShapeError, ("floating-point",), torch.ones(3).long(), _TEN),
    _call(auroc, "NaN", NonFiniteError, ("unusual",), _BAD, _TEN),
    _call(conformal_p_values, "no calibration", ShapeError, ("calibration=0",), _TEN, torch.ones(0)),
    _call(conformal_p_values, "NaN score", NonFiniteError, ("scores",), _BAD, _TEN),
    _call(conformal_p_values, "two axes", ShapeError, ("scores",), torch.ones(3, 3), _TEN),
    _call(paired_t_test, "one pair", ShapeError, ("pair=1",), torch.ones(1), torch.ones(1)),
    _call(paired_t_test, "unpaired", ShapeError, ("pair=9",), _TEN, torch.ones(9)),
    _call(paired_t_test, "NaN", NonFiniteError, ("second",), _TEN, _BAD),
    _rank("one axis", ShapeError, ("embeddings", "(8,)"), torch.ones(8)),
    _rank("one sample", ShapeError, ("sample=1",), torch.ones(1, 8)),
    _rank("no samples", ShapeError, ("sample=0",), torch.ones(0, 8)),
    _rank("no components", ShapeError, ("dim=0",), torch.ones(8, 0)),
    _rank("integers", ShapeError, ("floating-point",), torch.ones(8, 8, dtype=torch.int64)),
    _rank("NaN", NonFiniteError, ("1 of 16",), torch.tensor([[_NAN] + [0.0] * 7, [1.0] * 8])),
    _rank("infinity", NonFiniteError, ("embeddings",), torch.full((4, 4), float("inf"))),
    _straight("two frames", ShapeError, ("time=2",), torch.ones(4, 2, 8)),
    _straight("one axis", ShapeError, ("embeddings",), torch.ones(8)),
    _straight("no paths", ShapeError, ("batch=0",), torch.ones(0, 5, 8)),
    _straight("no components", ShapeError, ("dim=0",), torch.ones(5, 0)),
    _straight("pixels", ShapeError, ("floating-point",), torch.ones(4, 5, 8, dtype=torch.uint8)),
    _straight("NaN", NonFiniteError, ("embeddings",), torch.full((5, 2), _NAN)),
    _monotone("goal of another size", ShapeError, ("goal",), goal=torch.zeros(3, 5)),
    _monotone("one goal for all", ShapeError, ("goal",), goal=torch.zeros(1, 2)),
    _monotone("distance with two axes", ShapeError, ("distance",), distance=torch.ones(3, 1)),
    _monotone("fewer distances", ShapeError, ("distance",), distance=torch.ones(2)),
    _monotone("integer distance", ShapeError, ("distance",), distance=torch.ones(3, dtype=torch.int64)),
    _monotone("NaN", NonFiniteError, ("after",), after=torch.full((3, 2), _NAN)),
    _monotone("NaN distance", NonFiniteError, ("distance",), distance=torch.full((3,), _NAN)),
    _monotone(
        "no steps",
        ShapeError,
        ("step=0",),
        before=torch.ones(0, 2),
        after=torch.ones(0, 2),
        goal=torch.ones(0, 2),
        distance=torch.ones(0),
    ),
    _monotone("one edge", ConfigError, ("edges",), edges=(1,)),
    _monotone("falling edges", ConfigError, ("increasing",), edges=(2, 1)),
    _monotone("NaN edge", ConfigError, ("edges",), edges=(0, _NAN)),
    _wilson("no trials", ("trials",), 0, 0),
    _wilson("more successes than trials", ("successes",), 5, 4),
    _wilson("negative successes", ("successes",), -1, 4),
    _wilson("a rate for a count", ("successes", "integer"), 0.5, 4),
    _wilson("confidence in percent", ("confidence",), 1, 4, confidence=95),
    _wilson("confidence of 1", ("confidence", "below 1"), 1, 4, confidence=1),
    _wilson("confidence of 0", ("confidence",), 1, 4, confidence=0),
    BadInput(
        "leworld.metrics.Interval", "reversed", lambda: Interval(low=1.0, high=0.0), ConfigError, ("low=1.0",)
    ),
    BadInput(
        "leworld.metrics.Interval", "NaN", lambda: Interval(low=_NAN, high=0.0), ConfigError, ("low=nan",)
    ),
    BadInput(
        "leworld.metrics.GoalMonotonicity",
        "as many edges as bins",
        lambda: GoalMonotonicity(edges=(0.0,), share=(1.0,), count=(1,)),
        ShapeError,
        ("one edge more",),
    ),
    _distance("no latent axis", ConfigError, ("axes=0",), axes=0),
    _distance("more axes than there are", ConfigError, ("axes=3", "at most 2"), axes=3),
    _distance("an unknown kind", ConfigError, ("kind", "squared"), kind="squares"),
    _distance("integers", ShapeError, ("floating-point",), one=torch.ones(2, 3, dtype=torch.long)),
    _call(
        within_episode_share,
        "one sample",
        ShapeError,
        ("sample=1",),
        torch.ones(1, 2),
        torch.zeros(1, dtype=torch.long),
    ),
    _call(
        within_episode_share,
        "episodes of another number",
        ShapeError,
        ("sample=2",),
        torch.ones(3, 2),
        torch.zeros(2, dtype=torch.long),
    ),
    _call(
        within_episode_share,
        "NaN",
        NonFiniteError,
        ("embeddings",),
        torch.full((3, 2), _NAN),
        torch.zeros(3, dtype=torch.long),
    ),
    _call(
        within_episode_share,
        "numbers with fractions",
        ShapeError,
        ("episode",),
        torch.ones(3, 2),
        torch.ones(3),
    ),
    _call(plan_rank, "one other plan", ShapeError, ("plan=1",), torch.ones(2), torch.ones(2, 1)),
    _call(plan_rank, "other problems", ShapeError, ("problem=3",), torch.ones(2), torch.ones(3, 4)),
    _call(plan_rank, "no problem", ShapeError, ("problem=0",), torch.ones(0), torch.ones(0, 4)),
    _call(plan_rank, "NaN", NonFiniteError, ("others",), torch.ones(2), torch.full((2, 4), _NAN)),
]
