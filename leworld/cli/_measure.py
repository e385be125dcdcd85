"""Measuring a model on TwoRoom's protocols: what `demo` and `plan` share."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from ..evaluation import GoalPairs, GoalReachingResult
    from ..models import WorldModel
    from ..planners import Planner

ENVIRONMENT = "leworld/TwoRoom-v0"
PROTOCOLS = ("trajectory-25", "same-room", "cross-door")
_SIDE_BY_SIDE = 25


def draw_pairs(protocol: str, num_pairs: int, *, seed: int) -> "GoalPairs":
    """Draw the pairs of one of TwoRoom's protocols, from fresh expert episodes where it needs any."""
    from ..evaluation import two_room_pairs

    if protocol != "trajectory-25":
        return two_room_pairs(protocol, num_pairs, seed=seed)
    from ..evaluation import two_room_held_out

    return two_room_pairs(protocol, num_pairs, episodes=two_room_held_out(num_pairs, seed=seed), seed=seed)


def measure(
    model: "WorldModel", pairs: "GoalPairs", planner: "Planner", *, seed: int, baselines: bool = True
) -> "GoalReachingResult":
    """Play the pairs with the model, and with random actions and the true dynamics beside it."""
    from ..control import MPCPolicy, Policy, RandomPolicy
    from ..envs import TwoRoomArena, TwoRoomVector
    from ..evaluation import OraclePolicy, goal_reaching

    processor = model.processor
    known = None if processor is None else processor.environment_id
    if processor is None or known != ENVIRONMENT:
        raise ConfigError(
            f"these protocols need a model of `{ENVIRONMENT}`",
            f"this model is of `{known}`",
            "Measure models of other environments in Python with `leworld.evaluation.goal_reaching`",
        )
    policies: dict[str, Policy] = {type(model).__name__: MPCPolicy(model, planner, seed=seed)}
    if baselines:
        frameskip, action_dim = processor.frameskip, processor.action_dim
        policies["random"] = RandomPolicy(action_dim, seed=seed)
        policies["oracle"] = OraclePolicy(TwoRoomArena(), planner, frameskip=frameskip, seed=seed)
    side_by_side = min(len(pairs), _SIDE_BY_SIDE)
    env = TwoRoomVector(
        side_by_side, image_size=processor.image_size, max_episode_steps=None, autoreset_mode="Disabled"
    )
    return goal_reaching(pairs, policies, env=env, seed=seed)


def write_result(result: "GoalReachingResult", folder: Path, name: str) -> None:
    """Write the result as JSON, picture and film into `folder` and say where they are."""
    from ..evaluation import GoalReachingResult

    folder.mkdir(parents=True, exist_ok=True)
    click.echo(f"numbers  {result.save(folder / f'{name}.json')}")
    for label, write, file in (
        ("picture", GoalReachingResult.plot, f"{name}.png"),
        ("film", GoalReachingResult.write_gif, f"{name}.gif"),
    ):
        try:
            click.echo(f"{label:8} {write(result, folder / file)}")
        except MissingExtraError as error:
            click.echo(f"{label:8} not written: {error}")
