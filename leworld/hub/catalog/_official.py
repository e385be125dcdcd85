"""Records of the published LeWM weights, pinned to a commit each."""

from collections.abc import Mapping
from typing import Any

from ...data import Processor
from ._record import CheckpointRecord, Score

_PAPER = "Maes et al., LeWorldModel, 2026, arXiv 2603.19312"
_PUBLISHED = "goal 25 steps ahead, budget 50, success at any step, solved starts included"
_AUDIT = "CLEAR-LeWM's audit of the released weights"
_UNKNOWN = (
    "the repository publishes no action statistics; `leworld stats DATASET.h5` computes them from the dataset"
)


def _architecture(block_dim: int) -> Mapping[str, Any]:
    """Return the one architecture of all four, but for the size of an action block."""
    projector = {"class": "Projector", "in_dim": 192, "out_dim": 192, "hidden_dim": 2048}
    return {
        "class": "LeWM",
        "encoder": {"class": "ViTEncoder", "image_size": 224, "patch_size": 14, "size": "tiny"},
        "predictor": {
            "class": "TransformerPredictor",
            "embedding_dim": 192,
            "history_size": 3,
            "depth": 6,
            "num_heads": 16,
            "head_dim": 64,
            "mlp_dim": 2048,
            "dropout": 0.1,
        },
        "action_encoder": {"class": "ActionEncoder", "action_dim": block_dim, "embedding_dim": 192},
        "projector": projector,
        "prediction_projector": projector,
    }


def _official(
    name: str,
    summary: str,
    *,
    commit: str,
    weights: str,
    config: str | None,
    action_dim: int,
    environment_id: str,
    scores: tuple[Score, ...],
    statistics: tuple[tuple[float, ...], tuple[float, ...], str] | None = None,
    aliases: tuple[str, ...] = (),
) -> CheckpointRecord:
    mean, std, source = statistics or (None, None, _UNKNOWN)
    return CheckpointRecord(
        name=name,
        summary=summary,
        aliases=aliases,
        repository=f"quentinll/{name}",
        commit=commit,
        files={"config.json": config, "weights.pt": weights},
        architecture=_architecture(5 * action_dim),
        processor=Processor(
            224,
            frameskip=5,
            action_dim=action_dim,
            action_mean=mean,
            action_std=std,
            environment_id=environment_id,
            statistics_source=source,
        ),
        history_size=3,
        licence="MIT",
        paper=_PAPER,
        scores=scores,
    )


def _published(success: float) -> Score:
    return Score(_PUBLISHED, success, _PAPER, kind="published", episodes=50)


def _audited(historical: float, strict: float) -> tuple[Score, Score]:
    return (
        Score("historical criterion", historical, _AUDIT, kind="audited"),
        Score("strict criterion", strict, _AUDIT, kind="audited"),
    )


OFFICIAL: tuple[CheckpointRecord, ...] = (
    _official(
        "lewm-pusht",
        "LeWM on Push-T: push a T-shaped block into place",
        commit="22b330c28c27ead4bfd1888615af1340e3fe9052",
        weights="48938400ae3464c9680731287f583a9cb516f55a8ec64ea13a91be47fb15b607",
        config="2564086e961e7b5c7c04dffc451091115b389a590645ff19653c64fd0bc16e09",
        action_dim=2,
        environment_id="swm/PushT-v1",
        statistics=(
            (-0.008, 0.007),
            (0.208, 0.206),
            "LeWM's Push-T training data, rounded to three decimals",
        ),
        scores=(_published(96.0), *_audited(93.0, 79.0)),
    ),
    _official(
        "lewm-cube",
        "LeWM on OGBench-Cube: a robot arm moves one cube (action size 5 inferred from 25 a block)",
        commit="b0747c5002e86d2ce8f3cd8178004b97524c587d",
        weights="2839a907362f403f9136383016e91774373a295d958ae75121791f22a9fddf89",
        config="4d446944fe28922cc2c5763f43d4ef9132a457bd89e9a0ce5dbceac183994999",
        action_dim=5,
        environment_id="swm/OGBCube-v0",
        scores=(_published(74.0), *_audited(43.0, 18.0)),
    ),
    _official(
        "lewm-tworooms",
        "LeWM on TwoRoom, the authors' environment: through a door to a point",
        commit="77adaae0bc31deab21c93740d1f8bb947cd0bdec",
        weights="566f223624ea4bfb39dbfe6ae731198dd6ea73b7b8919fed6b1ecafca810f7dd",
        config=None,
        action_dim=2,
        environment_id="swm/TwoRoom-v1",
        aliases=("lewm-tworoom",),
        scores=(_published(87.0), *_audited(61.0, 24.0)),
    ),
    _official(
        "lewm-reacher",
        "LeWM on Reacher: a two-joint arm to a joint configuration",
        commit="62adae4b71dc474ddf8f794c476ebfe737a743ca",
        weights="eb70b1fd5409f8f81875d62f5ee5a20dd220a3128a477de66b5760f475f0f469",
        config=None,
        action_dim=2,
        environment_id="swm/ReacherDMControl-v0",
        scores=(_published(86.0), *_audited(90.0, 36.0)),
    ),
)
