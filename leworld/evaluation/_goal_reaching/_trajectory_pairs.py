"""Starts and goals drawn from recorded episodes."""

import numpy as np

from ..._checks import check_number, plain_numbers
from ...data import Episodes
from ...errors import DataError
from .._columns import state_column
from ._pairs import GoalPairs, check_success, judge_reached
from ._success import Success


@plain_numbers
def trajectory_pairs(
    episodes: Episodes,
    num_pairs: int,
    *,
    goal_offset: int = 25,
    budget: int = 50,
    success_radius: float = 16.0,
    success: Success | None = None,
    column: str = "state",
    seed: int = 0,
) -> GoalPairs:
    """Draw starts from recorded episodes, and as goals what the same episodes reached some steps later.

    This is LeWM's protocol: the goal is known to be reachable within `goal_offset` steps. Pass held-out
    episodes, never those that the model was trained on.

    Every episode gives one pair, from a start drawn uniformly among its rows with enough rows after them,
    before any episode gives a second one. A pair that is solved at the start is left out, counted, and
    replaced by the next, until there are `num_pairs`.

    Args:
        episodes: Held-out episodes with a column of states.
        num_pairs: Pairs to draw, not counting those solved at the start.
        goal_offset: Number of actions between start and goal in the episode.
        budget: Number of environment steps that a policy may take; the published protocol uses 50.
        success_radius: Distance that counts as reached, in the units of the states; unused with a rule.
        success: Rule for reached and distance in place of the radius, for example a task.
        column: Name of the column that holds the states.
        seed: Which starts are drawn.

    Raises:
        DataError: No such column of numbers, or too few episodes that are long enough.
        ConfigError: An option out of its range, or something else than `Episodes`.
        NonFiniteError: NaN or infinite states.

    Randomness:
        From `seed` only.

    Source:
        Maes et al., LeWorldModel, version 3, 2026, arXiv 2603.19312: offset 25, budget 50. Differences: pairs
        solved at the start are left out (there they count as successes), episodes are held out (there they
        come from the training file), and one pair an episode is drawn where there are enough.

    Example:
        ```python
        import numpy as np
        from leworld.data import Episodes
        from leworld.evaluation import trajectory_pairs

        line = np.stack([np.arange(30.0), np.zeros(30)], axis=1).astype(np.float32) * 5
        episodes = Episodes(
            np.zeros((30, 8, 8, 3), dtype=np.uint8),
            np.zeros((30, 2), dtype=np.float32),
            lengths=np.array([30]),
            columns={"state": line},
        )
        pairs = trajectory_pairs(episodes, 2, goal_offset=25)
        assert np.allclose(pairs.goal - pairs.start, [125.0, 0.0])
        ```
    """
    check_number("trajectory_pairs", "num_pairs", num_pairs, low=1, integer=True)
    check_number("trajectory_pairs", "goal_offset", goal_offset, low=1, integer=True)
    check_number("trajectory_pairs", "seed", seed, low=0, integer=True)
    radius = success_radius if success is None else None
    check_success("trajectory_pairs", radius, success)
    states = state_column("trajectory_pairs", episodes, column)
    generator = np.random.default_rng(seed)
    lengths, offsets = episodes.lengths, episodes.offsets
    starts = [generator.permutation(max(0, int(length) - goal_offset)) for length in lengths]
    found: list[tuple[int, int]] = []
    num_presolved = 0
    for turn in range(max((len(rows) for rows in starts), default=0)):
        for episode in generator.permutation(len(starts)):
            if turn >= len(starts[episode]) or len(found) == num_pairs:
                continue
            row = int(offsets[episode] + starts[episode][turn])
            if judge_reached(radius, success, states[row], states[row + goal_offset]):
                num_presolved += 1
            else:
                found.append((row, row + goal_offset))
    if len(found) < num_pairs:
        raise DataError(
            f"trajectory_pairs needs {num_pairs} pairs that are {goal_offset} steps apart and not solved at "
            "the start",
            f"the {len(lengths)} episodes hold {len(found)} of them, and {num_presolved} solved ones",
            "Pass more or longer episodes, or ask for fewer pairs",
        )
    rows = np.array(found)
    return GoalPairs(
        start=states[rows[:, 0]],
        goal=states[rows[:, 1]],
        protocol=f"trajectory-{goal_offset}",
        budget=budget,
        success_radius=radius,
        success=success,
        num_presolved=num_presolved,
    )
