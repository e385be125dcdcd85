"""Fit a probe on some episodes, tune it on others, and score it on the rest."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_finite, describe
from .._precision import back
from .._targets import Kind, class_hits, degrees_off, encode_targets
from .._typing import shapechecked
from ..errors import ConfigError, ShapeError
from ._probe import Probe
from ._score import ProbeScore
from ._split import EpisodeSplit


@shapechecked
def fit_probe(
    probe: Probe,
    embeddings: Float[Tensor, "sample *_ dim"],
    *,
    targets: Float[Tensor, "sample target"],
    split: EpisodeSplit,
    kind: Kind = "number",
    generator: torch.Generator | None = None,
) -> ProbeScore:
    """Fit a probe on the training episodes, tune it on the validation episodes, score it on the test ones.

    Angles and rotations need an encoding that has no jump. With `kind="angle"` each angle (radians) is fitted
    as its sine and cosine, so construct the probe with twice as many targets as angles. With
    `kind="quaternion"` a unit quaternion q is fitted as the 10 different entries of q q^T, the same for q and
    -q: construct the probe with 10 targets. With `kind="class"` class numbers 0, 1, ... are fitted as one-hot
    rows: construct a `LogisticProbe`, or any other probe, with as many targets as classes. Scores are of
    these encoded targets; `degrees` of the score is the mean error of the decoded angle or rotation, and
    `accuracy` the share of samples whose greatest prediction is the true class.

    Args:
        probe: Any probe; it is fitted in place.
        embeddings: One sample a row; tokens for an `AttentiveProbe`.
        targets: One sample a row: numbers in any unit, angles in radians, unit quaternions, or class
            numbers (as floats, one column).
        split: Which samples fit, tune and test, from `split_by_episode`.
        kind: What the targets are.
        generator: Source of randomness of probes trained by gradient descent.

    Returns:
        The score on the test samples.

    Raises:
        ConfigError: Constant training targets, or an unknown kind.
        ShapeError: Embeddings and targets of different lengths, a split of other samples, or a probe of other
            sizes.
        NonFiniteError: NaN or infinite embeddings or targets.

    Randomness:
        From `generator` only.

    Example:
        ```python
        import torch
        from leworld.probes import RidgeProbe, fit_probe, split_by_episode

        episode = torch.arange(20).repeat_interleave(10)
        heading = torch.rand(200, 1, generator=torch.Generator().manual_seed(0)) * 6.28
        embeddings = torch.cat([heading.cos(), heading.sin()], dim=1) * 3.0
        score = fit_probe(
            RidgeProbe(2, 2),
            embeddings,
            targets=heading,
            split=split_by_episode(episode),
            kind="angle",
        )
        assert score.degrees < 0.1
        ```
    """
    check_finite("fit_probe", "embeddings", embeddings)
    check_finite("fit_probe", "targets", targets)
    for name in ("train", "validation", "test"):
        rows = getattr(split, name)
        if len(rows) == 0 or int(rows.min()) < 0 or int(rows.max()) >= len(embeddings):
            raise ShapeError(
                f"fit_probe needs `split.{name}` to number some of the {len(embeddings)} samples",
                f"it is {describe(rows)} with other numbers, or empty",
                "Make the split with `split_by_episode` from the episode of every sample",
            )
    if set(split.train.tolist()) & set(split.test.tolist()):
        raise ConfigError(
            "fit_probe needs test samples that it does not train on",
            "`split.train` and `split.test` share samples",
            "Make the split with `split_by_episode`",
        )
    answers = back(encode_targets("fit_probe", targets, kind), targets.device)
    probe.fit(
        embeddings[split.train],
        answers[split.train],
        validation_embeddings=embeddings[split.validation],
        validation_targets=answers[split.validation],
        generator=generator,
    )
    score = probe.score(embeddings[split.test], answers[split.test])
    if kind == "number":
        return score
    if kind == "class":
        hits = class_hits(probe(embeddings[split.test]), answers[split.test])
        return replace(score, accuracy=float(hits.mean()))
    off = degrees_off("fit_probe", probe(embeddings[split.test]), targets[split.test], kind)
    return score if off is None else replace(score, degrees=float(off.mean()))
