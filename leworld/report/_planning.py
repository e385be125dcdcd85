"""Planned episodes as films."""

import numpy as np

from ..evaluation import GoalReachingResult, Recording
from ._html import check_result, figure, grid, paragraph, picture, table
from ._plot import Plot
from ._png import film, still
from ._section import Section

TITLE = "Planning"
_MOST_FILMS = 4
_MOST_FRAMES = 200
_DIFFERENT = 40  # of 255: more than what compression and shading change
_LARGEST_GOAL = 0.35  # share of the picture
_GOAL_COLOUR = (150, 80, 230)


def planning_section(result: GoalReachingResult) -> Section:
    """Show what policies reached: the table, the paths, and films of the first pairs.

    Args:
        result: What `leworld.evaluation.goal_reaching` returned, or read from JSON (then the table only).

    Raises:
        ConfigError: Another kind of result.

    Example:
        ```python
        import numpy as np
        from leworld.evaluation import GoalReachingResult, PolicyOutcome
        from leworld.report import planning_section

        outcome = PolicyOutcome(
            reached=(True,), reached_at_last=(True,), steps_to_reach=(9,), final_distance=(3.0,)
        )
        result = GoalReachingResult(
            protocol="by-hand",
            budget=50,
            success_radius=16.0,
            num_presolved=0,
            seed=0,
            start=np.zeros((1, 2), np.float32),
            goal=np.ones((1, 2), np.float32),
            policies={"LeWM": outcome},
        )
        assert "100.0 %" in planning_section(result).body
        ```
    """
    check_result("planning_section", "result", result, GoalReachingResult, "`goal_reaching`")
    rows = []
    for name, outcome in result.policies.items():
        interval = outcome.success_interval
        rows.append(
            (
                name,
                f"{100 * outcome.success_rate:.1f} %",
                f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %",
                f"{100 * outcome.last_step_rate:.1f} %",
                "" if outcome.median_steps is None else f"{outcome.median_steps:g}",
                f"{outcome.mean_final_distance:.{result.distance_digits}f}",
            )
        )
    lead = (
        f"Protocol {result.protocol}: {result.num_pairs} pairs of start and goal, {result.budget} steps "
        f"each, reached {result.words}. Pairs that were solved at the start ({result.num_presolved}) are "
        "left out."
    )
    last = "final distance" + (f" ({result.distance_unit})" if result.distance_unit else "")
    header = ("policy", "reached", "95 % interval", "at the last step", "median steps", last)
    body = paragraph(lead) + table(header, rows, label="Goals reached")
    if not result.recordings:
        return Section(
            TITLE, body + paragraph("No recordings: this result was read from JSON.", style="missing")
        )
    if result.goal.shape[1] >= 2:
        body += grid(*(_paths(result, name) for name in result.recordings))
    return Section(TITLE, body + _films(result))


def _paths(result: GoalReachingResult, name: str) -> str:
    states, reached = result.recordings[name].states, result.policies[name].reached
    goal = result.goal
    everything = np.concatenate([r.states[..., :2].reshape(-1, 2) for r in result.recordings.values()])
    everything = np.concatenate([everything, goal[:, :2]])
    if result.backdrop is not None:  # show the whole world
        borders = np.array([result.backdrop.x, result.backdrop.y], dtype=np.float64).T
        everything = np.concatenate([everything, borders])
    low, high = everything.min(axis=0), everything.max(axis=0)
    room = 0.0 if result.backdrop is not None else 0.06 * float((high - low).max()) or 1.0
    size = high - low + 2 * room
    height = float(np.clip(282 * size[1] / size[0], 120, 420)) + 48  # one unit as long on both axes
    (left, top), (right, bottom) = (low - room).tolist(), (high + room).tolist()
    chart = Plot((left, right), (bottom, top), height=round(height))  # like pictures, y points down
    if result.backdrop is not None:
        chart.picture(still(result.backdrop.picture), result.backdrop.x, result.backdrop.y)
    for index, hit in enumerate(reached):
        chart.line(states[index, :, 0], states[index, :, 1], series=3 if hit else 2)
    chart.points(states[:, 0, 0], states[:, 0, 1], series=1, large=True)
    chart.points(goal[:, 0], goal[:, 1], series=4, large=True)
    share = f"{sum(reached)} of {len(reached)}"
    alt = f"Paths of {name}, the first two components of the state: {share} goals reached."
    legend = {"start": 1, "goal": 4, "reached": 3, "missed": 2}
    return figure(chart.svg(alt), f"{name}: {share} reached.", legend=legend)


def _films(result: GoalReachingResult) -> str:
    first = next(iter(result.recordings.values()))
    parts = []
    floors = {name: _floor(recording) for name, recording in result.recordings.items()}
    for pair in range(min(_MOST_FILMS, len(first.frames))):
        goal = still(first.goal_frames[pair])
        cells = [
            figure(picture(goal, f"Picture of goal {pair + 1}.", width=128), "goal, outlined in the films")
        ]
        for name, recording in result.recordings.items():
            steps = result.policies[name].steps_to_reach[pair]
            end = "missed" if steps is None else f"reached after {steps} steps"
            frames = with_goal(recording.frames[pair], recording.goal_frames[pair], floors[name])
            alt = f"Film of {name} on pair {pair + 1}, the goal outlined: goal {end}."
            image = picture(film(frames), alt, width=128, still=still(frames[-1]))
            cells.append(figure(image, f"{name}: {end}"))
        parts.append(f'<div><h3>Pair {pair + 1}</h3><div class="films">{"".join(cells)}</div></div>')
    return f'<div class="pairs">{"".join(parts)}</div>'


def _floor(recording: Recording) -> np.ndarray:
    """Return what stays when everything that moves is gone: the median of all frames, "height width 3"."""
    frames = recording.frames.reshape(-1, *recording.frames.shape[2:])
    every = -(-len(frames) // _MOST_FRAMES)
    return np.median(np.concatenate([frames[::every], recording.goal_frames]), axis=0).astype(np.uint8)


def with_goal(frames: np.ndarray, goal: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Outline in every frame what the goal's picture holds beside the floor.

    Nothing is drawn where that is nothing, or so much that the camera or the light must have moved.
    """
    if not len(frames):
        return frames
    apart = np.abs(goal.astype(np.int16) - floor).max(axis=-1) > _DIFFERENT
    if not 0 < apart.mean() <= _LARGEST_GOAL:
        return frames
    wide = np.pad(apart, 1)
    around = np.zeros_like(apart)
    for down in range(3):
        for right in range(3):
            around |= wide[down : down + apart.shape[0], right : right + apart.shape[1]]
    drawn = frames.copy()
    drawn[:, around & ~apart] = _GOAL_COLOUR
    return drawn
