"""Our metrics pass the checks of this room, and each wrong one fails them."""

import pytest

from leworld.metrics import (
    auroc,
    conformal_p_values,
    effective_rank,
    goal_monotonicity,
    horizon_error,
    lidar,
    paired_t_test,
    participation_ratio,
    plan_rank,
    psnr,
    ssim,
    temporal_straightness,
    wilson_interval,
    within_episode_share,
)
from tests.metrics import checks, pictures, wrong

SUITES = {
    "effective_rank": (checks.check_effective_rank, effective_rank, wrong.RANKS),
    "temporal_straightness": (checks.check_straightness, temporal_straightness, wrong.STRAIGHTNESS),
    "goal_monotonicity": (checks.check_goal_monotonicity, goal_monotonicity, wrong.MONOTONICITY),
    "wilson_interval": (checks.check_wilson, wilson_interval, wrong.WILSON),
    "participation_ratio": (checks.check_participation_ratio, participation_ratio, wrong.PARTICIPATION),
    "lidar": (checks.check_lidar, lidar, wrong.LIDARS),
    "auroc": (checks.check_auroc, auroc, wrong.AUROCS),
    "conformal_p_values": (checks.check_conformal, conformal_p_values, wrong.CONFORMALS),
    "paired_t_test": (checks.check_paired_test, paired_t_test, wrong.PAIRED),
    "horizon_error": (checks.check_horizon_error, horizon_error, wrong.HORIZONS),
    "within_episode_share": (checks.check_within_share, within_episode_share, wrong.WITHIN),
    "plan_rank": (checks.check_plan_rank, plan_rank, wrong.PLAN_RANKS),
    "psnr": (pictures.check_psnr, psnr, pictures.WRONG_PSNR),
    "ssim": (pictures.check_ssim, ssim, pictures.WRONG_SSIM),
}


@pytest.mark.parametrize("name", SUITES)
def test_ours_passes(name: str) -> None:
    check, ours, _ = SUITES[name]
    check(ours)


@pytest.mark.parametrize(("name", "mistake"), [(n, m) for n, (_, _, table) in SUITES.items() for m in table])
def test_a_wrong_one_is_rejected(name: str, mistake: str) -> None:
    check, _, table = SUITES[name]
    with pytest.raises(AssertionError):
        check(table[mistake])


def test_a_wrong_ssim_is_wrong_by_its_mistake_alone() -> None:
    pictures.check_ssim(pictures.ssim_with)
