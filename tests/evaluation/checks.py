"""What any evaluation and any draw of pairs must satisfy; wrong ones must fail here."""

import numpy as np

from leworld.data import Episodes
from leworld.evaluation import GoalPairs
from tests.evaluation.fakes import Plane, Script

FAR = (500.0, 500.0)
# Goal, places after steps 1 to 4, and what a careful reader says about them (radius 2, budget 4).
EPISODES = (
    ((10.0, 0.0), [(10.0, 0.0), FAR, FAR, FAR], "at the first step, then away"),
    ((20.0, 0.0), [FAR, FAR, FAR, (20.0, 0.0)], "at the last step of the budget"),
    ((30.0, 0.0), [(0.0, 0.0), (31.0, 0.0), (30.0, 1.0), (30.0, 1.5)], "at the second step, and stays"),
    ((0.5, 0.0), [(0.5, 0.0), (0.5, 0.0), (0.5, 0.0), (0.5, 0.0)], "solved at the start"),
    ((40.0, 0.0), [FAR, FAR, (40.0, 2.0), FAR], "exactly on the border"),
    ((50.0, 0.0), [(50.0, 2.1), (50.0, 4.0), (50.0, 4.0), (50.0, 4.0)], "just outside"),
)
EXPECTED = {
    "reached": (True, True, True, True, False),
    "reached_at_last": (False, True, True, False, False),
    "steps_to_reach": (1, 4, 2, 3, None),
}
FINAL = (np.hypot(490, 500), 0.0, 1.5, np.hypot(460, 500), 4.0)


def scripted() -> tuple[GoalPairs, Script]:
    goals = [goal for goal, _, _ in EPISODES]
    pairs = GoalPairs(
        start=np.zeros((len(goals), 2), dtype=np.float32),
        goal=np.array(goals, dtype=np.float32),
        protocol="scripted",
        budget=4,
        success_radius=2.0,
        num_presolved=3,
    )
    return pairs, Script({goal: places for goal, places, _ in EPISODES})


def check_evaluation(evaluate) -> None:
    """`evaluate(pairs, policies, env=...)` returns a result."""
    for num_envs in (1, 2, 3, 5, 8):
        pairs, script = scripted()
        result = evaluate(pairs, {"script": script}, env=Plane(num_envs))
        outcome = result.policies["script"]
        assert result.num_presolved == 4
        assert result.num_pairs == 5
        assert outcome.reached == EXPECTED["reached"]
        assert outcome.reached_at_last == EXPECTED["reached_at_last"]
        assert outcome.steps_to_reach == EXPECTED["steps_to_reach"]
        assert np.allclose(outcome.final_distance, FINAL, rtol=1e-6)
        assert outcome.success_rate == 4 / 5
        assert outcome.last_step_rate == 2 / 5
        assert outcome.median_steps == 2.5
        assert np.isclose(outcome.mean_final_distance, np.mean(FINAL))
        assert np.array_equal(result.goal[:, 0], [10.0, 20.0, 30.0, 40.0, 50.0])


def walks(num: int = 8, *, seed: int = 0) -> Episodes:
    """Episodes of different lengths; their states tell episode and step, 3 units a step, with a pause."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(20, 60, size=num)
    lengths[0] = 12  # too short for an offset of 15
    states = []
    for episode, length in enumerate(lengths):
        moved = 3.0 * np.arange(length)
        moved[length // 2 :] = moved[length // 2]  # the second half stands still
        states.append(np.stack([moved, np.full(length, 1000.0 * episode)], axis=1))
    rows = int(lengths.sum())
    return Episodes(
        np.zeros((rows, 4, 4, 3), dtype=np.uint8),
        np.zeros((rows, 2), dtype=np.float32),
        lengths=lengths,
        columns={"state": np.concatenate(states).astype(np.float32)},
    )


def check_trajectory_pairs(draw) -> None:
    """`draw(episodes, num_pairs, goal_offset=..., success_radius=..., seed=...)` returns GoalPairs."""
    episodes = walks()
    offset, radius = 15, 16.0
    lengths, offsets = episodes.lengths, episodes.offsets
    state = episodes.columns["state"]
    allowed = set()
    num_solved = 0
    for first, length in zip(offsets, lengths, strict=True):
        for row in range(first, first + length - offset):
            pair = (*state[row].tolist(), *state[row + offset].tolist())
            far = np.hypot(pair[0] - pair[2], pair[1] - pair[3]) > radius
            num_solved += not far
            if far:
                allowed.add(pair)
    everything = draw(episodes, len(allowed), goal_offset=offset, success_radius=radius, seed=0)
    drawn = {(*s.tolist(), *g.tolist()) for s, g in zip(everything.start, everything.goal, strict=True)}
    # No pair across episodes, none solved, none twice, and the first and last possible starts are among them.
    assert drawn == allowed
    assert 0 < everything.num_presolved <= num_solved
    # Equal seeds give equal pairs, and one pair an episode comes before any second one.
    some = [draw(episodes, 6, goal_offset=offset, success_radius=radius, seed=seed) for seed in (4, 4, 5)]
    assert np.array_equal(some[0].start, some[1].start)
    assert not np.array_equal(some[0].start, some[2].start)
    generous = walks(40, seed=1)
    few = draw(generous, 10, goal_offset=offset, success_radius=0.1, seed=0)
    assert len(set(few.start[:, 1].tolist())) == 10
