"""Models of one task beside models of none: the fixed goal, its rewards, and policies of their own."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leworld.control import Policy, RandomPolicy
from leworld.envs import TwoRoomArena
from leworld.errors import ConfigError, DataError
from leworld.evaluation import ComparisonResult, ComparisonRow
from leworld.tasks import (
    ArmTask,
    BuildRequest,
    Contender,
    PolicyRequest,
    TwoRoomRecipe,
    compare,
    get_contender,
    get_task,
    list_contenders,
)
from tests.tasks.test_compare import PLANNER, TASK, run
from tests.training.tiny import tiny_settings

REWARDED = ("tdmpc2", "dreamer", "lewm_reward")


def test_starts_from_anywhere_to_one_goal() -> None:
    pairs = TASK.fixed_goal_pairs(400, seed=3)
    assert (pairs.goal == np.array([164.0, 112.0], np.float32)).all()
    assert not pairs.reached(pairs.start, pairs.goal).any()
    assert TwoRoomArena().is_free(pairs.start).all()
    assert 0.4 < (pairs.start[:, 0] < 112).mean() < 0.65
    assert (pairs.protocol, pairs.budget) == ("fixed-goal", 100)
    assert np.array_equal(TASK.fixed_goal_pairs(400, seed=3).start, pairs.start)
    assert not np.array_equal(TASK.fixed_goal_pairs(400, seed=4).start, pairs.start)


def test_the_budget_suffices_from_the_farthest_corner() -> None:
    arena, state, steps = TwoRoomArena(), np.array([21.0, 203.0]), 0
    for way in (np.array([98.0, 49.0]), np.array([128.0, 49.0]), np.array(TASK.fixed_goal)):
        while np.abs(way - state).max() > 0.1:
            state = arena.step(state, np.clip((way - state) / 5, -1, 1))
            steps += 1
    assert steps < 60


def test_any_task_with_a_fixed_goal_has_pairs() -> None:
    task = ArmTask()
    task.fixed_goal = (0.5, -1.0)
    episodes = task.held_out(3, seed=1)
    pairs = task.fixed_goal_pairs(20, episodes=episodes)
    rows = {tuple(row) for row in np.asarray(episodes.columns["state"], np.float32)}
    assert {tuple(row) for row in pairs.start} <= rows
    assert len({tuple(row) for row in pairs.start}) == 20
    assert not pairs.reached(pairs.start, pairs.goal).any()
    assert pairs.success is task
    with pytest.raises(DataError, match="500 states"):
        task.fixed_goal_pairs(500, episodes=episodes)
    with pytest.raises(ConfigError, match="fixed_goal"):
        ArmTask().fixed_goal_pairs(2)


@pytest.fixture(scope="module")
def zoo() -> ComparisonResult:
    with tempfile.TemporaryDirectory() as folder:
        return run(Path(folder), ["lewm", *REWARDED], protocols=["fixed-goal", "same-room"])


def test_models_of_one_task_stand_beside_the_others(zoo: ComparisonResult) -> None:
    rows = {row.model: row for row in zoo.rows}
    assert rows["lewm"].search == (12, 4)
    for name in REWARDED:
        row = rows[name]
        assert row.search is row.fixed_search is None
        assert row.reached == row.fixed_reached
        assert row.reached["fixed-goal"][1] == row.reached["same-room"][1] == 2
        assert 0 < row.cost.encode_flops < row.cost.flops == row.cost.plain_flops
        assert ComparisonRow.from_json(row.to_json()) == row
    assert rows["tdmpc2"].num_frames == rows["lewm"].num_frames == rows["dreamer"].num_frames == 4 * 4 * 2
    assert rows["dreamer"].cost.flops < rows["tdmpc2"].cost.flops  # it searches nothing
    assert str(zoo).count("its own") == 3


def test_rewards_policy_and_settings_are_as_the_contender_says(tmp_path: Path) -> None:
    built: list[BuildRequest] = []
    asked: list[PolicyRequest] = []

    def build(request: BuildRequest):
        built.append(request)
        return get_contender("lewm").build(request)

    def policy(request: PolicyRequest) -> Policy:
        asked.append(request)
        return RandomPolicy(2, seed=request.seed)

    own = Contender(
        build=build,
        loss_weights=(),
        rewards="dense",
        policy=policy,
        settings=lambda given: replace(given, num_steps=1, batch_size=4),
    )
    plain = replace(own, rewards=None, policy=None, settings=None)
    result = run(tmp_path, {"own": own, "plain": plain}, protocols=None, seeds=[5])
    assert list(result.rows[0].reached) == ["fixed-goal", *TASK.protocols]
    episodes = built[0].episodes
    far = TASK.distance(episodes.columns["state"], np.array(TASK.fixed_goal))
    inner = np.isfinite(episodes.columns["reward"])
    np.testing.assert_allclose(
        episodes.columns["reward"][inner], -far[1:][inner[:-1]] / far.mean(), rtol=1e-4
    )
    assert np.array_equal(asked[0].episodes.columns["reward"], episodes.columns["reward"], equal_nan=True)
    assert not np.array_equal(built[1].episodes.columns["reward"], episodes.columns["reward"], equal_nan=True)
    assert asked[0].seed == 5
    assert asked[0].planner is PLANNER
    assert not asked[0].model.training
    assert result.rows[0].num_frames == 4 * 2
    assert result.rows[1].num_frames == 4 * 4 * 2


def test_without_rewards_nothing_is_added(tmp_path: Path) -> None:
    assert list_contenders()[:3] == ("lewm", "pldm", "dinowm")
    rows = run(tmp_path, None, protocols=None).rows
    assert [row.model for row in rows] == ["lewm", "pldm", "dinowm"]
    assert list(rows[0].reached) == list(TASK.protocols)


def test_a_task_without_a_fixed_goal_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`fixed_goal`"):
        compare(
            get_task("arm"),
            ["tdmpc2"],
            folder=tmp_path,
            seeds=[0],
            num_pairs=1,
            num_probed=3,
            protocols=["trajectory-25"],
            recipe=replace(get_task("arm").recipe(), num_episodes=2, settings=tiny_settings(num_steps=1)),
            progress=False,
        )


@pytest.mark.parametrize("name", REWARDED)
def test_equal_seeds_build_equal_models(name: str, tmp_path: Path) -> None:
    recipe = TwoRoomRecipe(num_episodes=1, embedding_dim=8)
    episodes = recipe.collect(progress=False)
    request = BuildRequest(
        recipe=recipe, processor=recipe.processor(episodes), episodes=episodes, folder=tmp_path
    )
    first, second = (get_contender(name).build(request) for _ in range(2))
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    assert all(bool((a == b).all()) for a, b in pairs)
    if name != "lewm_reward":  # squashed actions end where the limits are
        assert first.processor is not None
        assert first.processor.action_mean == (0.0, 0.0)
        assert first.processor.action_std == (1.0, 1.0)
