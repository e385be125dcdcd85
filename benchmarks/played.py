"""Rows of goal-reaching results as the JSONs of shipped models hold them."""

from typing import Any

from leworld.evaluation import GoalReachingResult, PolicyOutcome


def summary(outcome: PolicyOutcome) -> dict[str, float]:
    """What the tables show of one policy."""
    success = outcome.success_interval
    return {
        "success": outcome.success_rate,
        "low": success.low,
        "high": success.high,
        "success_at_last_step": outcome.last_step_rate,
        "mean_final_distance": outcome.mean_final_distance,
    }


def row(result: GoalReachingResult, *, command: str) -> dict[str, Any]:
    """One protocol's line of the JSON."""
    return {
        "protocol": result.protocol,
        "command": command,
        "pairs_played": result.num_pairs,
        "pairs_solved_at_start": result.num_presolved,
        "budget": result.budget,
        **{name: summary(outcome) for name, outcome in result.policies.items()},
    }
