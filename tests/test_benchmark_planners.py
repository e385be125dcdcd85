"""What the table of planners rests on: the count of evaluations and the interval of a paired difference."""

import numpy as np
import pytest
import torch

import leworld
from benchmarks.tworoom.planners import PLANNERS, REFERENCE, Meter, compare, paired_difference
from leworld.costs import GoalCost
from leworld.planners import CEMPlanner, GradientPlanner, GRASPPlanner


def outcomes(both: int, first: int, second: int, none: int) -> tuple[str, str]:
    return (
        "1" * both + "1" * first + "0" * second + "0" * none,
        "1" * both + "0" * first + "1" * second + "0" * none,
    )


def test_the_interval_of_a_paired_difference_is_newcombes():
    """His example of 50 pairs: 0.2 (0.0569 to 0.3404)."""
    assert paired_difference(*outcomes(36, 12, 2, 0)) == pytest.approx((0.2, 0.0569, 0.3404), abs=5e-5)
    difference, low, high = paired_difference(*outcomes(36, 2, 12, 0))
    assert (difference, low, high) == pytest.approx((-0.2, -0.3404, -0.0569), abs=5e-5)


def test_the_interval_covers_the_truth_and_excludes_what_is_far():
    rng = np.random.default_rng(0)
    covered = excluded = 0
    for _ in range(400):
        easy = rng.random(100)  # the same pairs are hard for both
        first, second = (easy < 0.9, (easy < 0.9) & (rng.random(100) < 0.85))
        bits = ["".join("01"[int(hit)] for hit in hits) for hits in (first, second)]
        _, low, high = paired_difference(*bits)
        covered += low <= 0.9 * 0.15 <= high
        excluded += not low <= 0.0 <= high
    assert covered >= 362  # 95 % of 400 is 380; fewer than 362 happen once in 10^4 at that rate
    assert excluded >= 362


def test_equal_success_is_judged_on_the_same_pairs():
    rows = [
        {"planner": name, "protocol": "p", "reached": reached, "evaluations_a_decision": cost}
        | {"decisions_an_episode": 2}
        for name, reached, cost in (
            (REFERENCE, "1" * 100, 1000.0),
            ("as good", "1" * 99 + "0", 100.0),
            ("worse", "1" * 85 + "0" * 15, 10.0),
        )
    ]
    judged = {row["planner"]: row for row in compare(rows)}
    assert [judged[name]["equal_success"] for name in (REFERENCE, "as good", "worse")] == [True, True, False]
    assert judged["worse"]["difference"] == pytest.approx(-0.15)
    assert judged["as good"]["share_of_evaluations"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("planner", "evaluations"),
    [
        (CEMPlanner(5, 20, num_elites=5, num_iterations=3), 3 * 20 + 1),
        (GradientPlanner(5, 2, num_iterations=4), 3 * 4 * 2 + 1),
        (GRASPPlanner(5, 2, num_iterations=1, sync_every=1, sync_steps=1), None),
    ],
)
def test_the_meter_counts_rollouts_and_gradients(planner, evaluations):
    model = leworld.load("lewm-tworoom-tiny")
    meter = Meter(model)
    rows = 3
    wide = torch.zeros(rows, 1, 32, dtype=torch.float32)
    cost = GoalCost(model, wide[:, 0] + 1, context=wide)
    plan = planner.plan(cost, batch=rows, action_dim=10)
    counted = meter.steps / 5 / rows
    if evaluations is None:
        assert counted > plan.trace.num_evaluations  # some of them were differentiated
    else:
        assert counted == evaluations


def test_every_entry_builds_what_it_says():
    for name, entry in PLANNERS.items():
        if entry.make is not None:
            assert entry.make().horizon == 5, name
    assert PLANNERS["inverse model alone"].make is None
