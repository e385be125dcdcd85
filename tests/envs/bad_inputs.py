"""Mistakes with environments, and the errors that they must earn."""

from functools import partial

import numpy as np

from leworld.envs import (
    PushT,
    PushTArena,
    PushTDrawing,
    PushTSuccess,
    PushTVector,
    TwoLinkArm,
    TwoRoom,
    TwoRoomArena,
    TwoRoomVector,
)
from leworld.errors import ConfigError, NonFiniteError, ShapeError
from tests.bad_input import BadInput

HERE, RIGHT = np.array([60.0, 60.0]), np.array([1.0, 0.0])


def _started(make, **options):
    env = make(**options)
    env.reset(seed=0)
    return env


def _arena(case, call, error, *mentions, method=""):
    return BadInput(f"leworld.envs.TwoRoomArena{method}", case, call, error, mentions)


def _arm(case, call, error, *mentions, method):
    return BadInput(f"leworld.envs.TwoLinkArm{method}", case, call, error, mentions)


def _env(case, call, error, *mentions, method=""):
    return BadInput(f"leworld.envs.TwoRoom{method}", case, call, error, mentions)


def _envs(case, call, error, *mentions, method=""):
    return BadInput(f"leworld.envs.TwoRoomVector{method}", case, call, error, mentions)


ROWS = [
    _arm("wrong axis", lambda: TwoLinkArm().step(np.ones(3), RIGHT), ShapeError, "(3,)", method=".step"),
    _arm("NaN", lambda: TwoLinkArm().step(HERE, HERE * np.nan), NonFiniteError, "actions", method=".step"),
    _arm(
        "other rows",
        lambda: TwoLinkArm().step(np.ones((3, 2)), np.ones((4, 2))),
        ShapeError,
        "broadcast",
        method=".step",
    ),
    _arm(
        "wrong axis", lambda: TwoLinkArm().distance(HERE, np.ones(3)), ShapeError, "goals", method=".distance"
    ),
    _arm("size 0", lambda: TwoLinkArm().render(HERE, 0), ConfigError, "image_size=0", method=".render"),
    _arm("infinite", lambda: TwoLinkArm().render(HERE * np.inf), NonFiniteError, "states", method=".render"),
    _arena("narrow door", lambda: TwoRoomArena([(49, 6)]), ConfigError, "wider than the agent", "6"),
    _arena("door as wide as the agent", lambda: TwoRoomArena([(49, 7)]), ConfigError, "above 7"),
    _arena("door in the border", lambda: TwoRoomArena([(20, 10)]), ConfigError, "14", "210", "10 to 30"),
    _arena("door outside", lambda: TwoRoomArena([(300, 10)]), ConfigError, "290 to 310"),
    _arena("one flat pair", lambda: TwoRoomArena((49, 14)), ShapeError, "(centre, half-width)"),  # type: ignore[arg-type]
    _arena("no door", lambda: TwoRoomArena([]), ShapeError, "doors"),
    _arena("triples", lambda: TwoRoomArena([(1, 2, 3)]), ShapeError, "(centre, half-width)"),  # type: ignore[list-item]
    _arena("ragged doors", lambda: TwoRoomArena([(1, 2), (3,)]), ShapeError, "doors"),  # type: ignore[list-item]
    _arena("text as doors", lambda: TwoRoomArena("left"), ShapeError, "'left'"),  # type: ignore[arg-type]
    _arena("NaN door", lambda: TwoRoomArena([(np.nan, 14)]), NonFiniteError, "doors"),
    _arena(
        "wrong last axis", lambda: TwoRoomArena().step(np.ones(3), RIGHT), ShapeError, "(3,)", method=".step"
    ),
    _arena(
        "scalar", lambda: TwoRoomArena().step(np.float64(60.0), RIGHT), ShapeError, "..., 2", method=".step"
    ),
    _arena(
        "wrong action axis",
        lambda: TwoRoomArena().step(HERE, np.ones((4, 3))),
        ShapeError,
        "`actions`",
        "(4, 3)",
        method=".step",
    ),
    _arena(
        "axes that do not broadcast",
        lambda: TwoRoomArena().step(np.tile(HERE, (3, 1)), np.ones((4, 2))),
        ShapeError,
        "broadcast",
        method=".step",
    ),
    _arena(
        "NaN action",
        lambda: TwoRoomArena().step(HERE, HERE * np.nan),
        NonFiniteError,
        "actions",
        method=".step",
    ),
    _arena("complex", lambda: TwoRoomArena().step(HERE * 1j, RIGHT), ShapeError, "complex", method=".step"),
    _arena(
        "start inside the wall",
        lambda: TwoRoomArena().step(np.array([112.0, 100.0]), RIGHT),
        ConfigError,
        "outside the walls",
        "(112.0, 100.0)",
        "42..56",
        method=".step",
    ),
    _arena(
        "infinite", lambda: TwoRoomArena().is_free(np.array([np.inf, 1])), NonFiniteError, method=".is_free"
    ),
    _arena(
        "wrong axis", lambda: TwoRoomArena().reached(HERE, np.ones(3)), ShapeError, "goals", method=".reached"
    ),
    _arena("size 0", lambda: TwoRoomArena().render(HERE, 0), ConfigError, "image_size=0", method=".render"),
    _arena(
        "size 64.0", lambda: TwoRoomArena().render(HERE, 64.0), ConfigError, "an integer", method=".render"
    ),  # type: ignore[arg-type]
    _arena(
        "in the border",
        lambda: TwoRoomArena().render(np.zeros(2)),
        ConfigError,
        "(0.0, 0.0)",
        method=".render",
    ),
    _arena(
        "another number of goals",
        lambda: TwoRoomArena().render(HERE, goals=np.tile(HERE, (2, 1))),
        ShapeError,
        "one goal for each",
        method=".render",
    ),
    _env("size -1", lambda: TwoRoom(image_size=-1), ConfigError, "image_size=-1"),
    _env("door outside", lambda: TwoRoom([(0, 10)]), ConfigError, "-10 to 10"),
    _env("unknown render mode", lambda: TwoRoom(render_mode="human"), ConfigError, "rgb_array", "'human'"),
    _env(
        "misspelt option",
        lambda: TwoRoom().reset(options={"stat": HERE}),
        ConfigError,
        "'stat'",
        "Did you mean `state`",
        method=".reset",
    ),
    _env(
        "state in the wall",
        lambda: TwoRoom().reset(options={"state": [112, 120]}),
        ConfigError,
        "options['state']",
        "outside the walls",
        method=".reset",
    ),
    _env(
        "goal of three numbers",
        lambda: TwoRoom().reset(options={"goal": [60, 60, 60]}),
        ShapeError,
        "options['goal']",
        method=".reset",
    ),
    _env(
        "NaN goal",
        lambda: TwoRoom().reset(options={"goal": [60, np.nan]}),
        NonFiniteError,
        "options['goal']",
        method=".reset",
    ),
    _env(
        "state with a batch axis",
        lambda: TwoRoom().reset(options={"state": [[60, 60]]}),
        ShapeError,
        "(1, 2)",
        method=".reset",
    ),
    _env(
        "batched action", lambda: _started(TwoRoom).step(np.ones((1, 2))), ShapeError, "(2,)", method=".step"
    ),
    _env(
        "NaN action", lambda: _started(TwoRoom).step(HERE * np.nan), NonFiniteError, "action", method=".step"
    ),
    _env("step before reset", lambda: TwoRoom().step(RIGHT), ConfigError, "reset", method=".step"),
    _env(
        "render before reset",
        lambda: TwoRoom(render_mode="rgb_array").render(),
        ConfigError,
        "reset",
        method=".render",
    ),
    _envs("no environments", lambda: TwoRoomVector(0), ConfigError, "num_envs=0"),
    _envs("size 0", lambda: TwoRoomVector(2, image_size=0), ConfigError, "image_size=0"),
    _envs("no steps", lambda: TwoRoomVector(2, max_episode_steps=0), ConfigError, "max_episode_steps=0"),
    _envs(
        "unknown mode",
        lambda: TwoRoomVector(2, autoreset_mode="disable"),
        ConfigError,
        "Did you mean `Disabled`",
    ),
    _envs("unknown render mode", lambda: TwoRoomVector(2, render_mode="human"), ConfigError, "rgb_array"),
    _envs(
        "one state for two",
        lambda: TwoRoomVector(2).reset(options={"state": HERE}),
        ShapeError,
        "(2, 2)",
        method=".reset",
    ),
    _envs(
        "one state in the wall",
        lambda: TwoRoomVector(2).reset(options={"state": [[60, 60], [112, 150]]}),
        ConfigError,
        "1 of 2",
        "(112.0, 150.0)",
        method=".reset",
    ),
    _envs(
        "unknown option",
        lambda: TwoRoomVector(2).reset(options={"goals": HERE}),
        ConfigError,
        "Did you mean `goal`",
        method=".reset",
    ),
    _envs(
        "mask of numbers",
        lambda: _started(TwoRoomVector, num_envs=2).reset(options={"reset_mask": np.array([0, 1])}),
        ConfigError,
        "2 booleans",
        method=".reset",
    ),
    _envs(
        "mask before the first reset",
        lambda: TwoRoomVector(2).reset(options={"reset_mask": np.array([True, False])}),
        ConfigError,
        "first",
        method=".reset",
    ),
    _envs(
        "too few seeds", lambda: TwoRoomVector(2).reset(seed=[1]), ConfigError, "one seed", method=".reset"
    ),
    _envs(
        "action of one environment",
        lambda: _started(TwoRoomVector, num_envs=2).step(RIGHT),
        ShapeError,
        "(2, 2)",
        method=".step",
    ),
    _envs(
        "step before reset", lambda: TwoRoomVector(1).step(RIGHT[None]), ConfigError, "reset", method=".step"
    ),
]

STATE = np.array([256, 400, 100, 120, 0.3, 0, 0.0])
CHOICES = [(1, 0), (0, 1)]


def _pusht(name, case, call, error, *mentions, method=""):
    return BadInput(f"leworld.envs.{name}{method}", case, call, error, mentions)


_arena = partial(_pusht, "PushTArena")
_drawing, _success = partial(_pusht, "PushTDrawing"), partial(_pusht, "PushTSuccess")
_single, _vector = partial(_pusht, "PushT"), partial(_pusht, "PushTVector")

ROWS += [
    _arena("state of 5", lambda: PushTArena().step(STATE[:5], RIGHT), ShapeError, "states", method=".step"),
    _arena(
        "NaN", lambda: PushTArena().step(STATE, RIGHT * np.nan), NonFiniteError, "actions", method=".step"
    ),
    _arena(
        "a huge action",
        lambda: PushTArena().step(STATE, RIGHT * 1e308),
        ConfigError,
        "actions",
        "1e+06",
        "1e+308",
        method=".rollout",
    ),
    _arena(
        "a huge state",
        lambda: PushTArena().step(STATE * 1e300, RIGHT),
        ConfigError,
        "states",
        "1e+12",
        method=".rollout",
    ),
    _arena("no time", lambda: PushTArena().rollout(STATE, RIGHT), ShapeError, "time", method=".rollout"),
    _arena("size 0", lambda: PushTArena().render(STATE, 0), ConfigError, "image_size=0", method=".render"),
    _drawing("size 0", lambda: PushTDrawing(0), ConfigError, "image_size=0"),
    _drawing(
        "unknown style",
        lambda: PushTDrawing(style="smoth"),  # type: ignore[arg-type]
        ConfigError,
        "Did you mean `smooth`",
    ),
    _drawing("goal without angle", lambda: PushTDrawing(goal_pose=(1, 2)), ShapeError, "goal_pose"),  # type: ignore[arg-type]
    _drawing("NaN goal", lambda: PushTDrawing(goal_pose=(1, 2, np.nan)), NonFiniteError, "goal_pose"),
    _drawing(
        "pose for a state", lambda: PushTDrawing().render(STATE[:5]), ShapeError, "(5,)", method=".render"
    ),
    _drawing(
        "NaN state", lambda: PushTDrawing().render(STATE * np.nan), NonFiniteError, "states", method=".render"
    ),
    _success("no place", lambda: PushTSuccess(0), ConfigError, "place=0"),
    _success("negative angle", lambda: PushTSuccess(angle=-0.1), ConfigError, "angle=-0.1"),
    _success(
        "positions only",
        lambda: PushTSuccess().reached(STATE[:4], STATE),
        ShapeError,
        "`states`",
        method=".reached",
    ),
    _success(
        "axes that do not broadcast",
        lambda: PushTSuccess().reached(np.tile(STATE, (3, 1)), np.tile(STATE, (2, 1))),
        ShapeError,
        "broadcast",
        method=".reached",
    ),
    _single("size -1", lambda: PushT(-1), ConfigError, "image_size=-1"),
    _single("unknown render mode", lambda: PushT(render_mode="human"), ConfigError, "rgb_array", "'human'"),
    _single("a name as criterion", lambda: PushT(success="block"), ConfigError, "PushTSuccess"),  # type: ignore[arg-type]
    _single("one flat pair", lambda: PushT(action_choices=(1, 0)), ShapeError, "action_choices"),  # type: ignore[arg-type]
    _single("no choice", lambda: PushT(action_choices=[]), ShapeError, "action_choices"),
    _single("NaN choice", lambda: PushT(action_choices=[(0, np.nan)]), NonFiniteError, "action_choices"),
    _single(
        "misspelt option",
        lambda: PushT().reset(options={"stat": STATE}),
        ConfigError,
        "Did you mean `state`",
        method=".reset",
    ),
    _single(
        "state without velocity",
        lambda: PushT().reset(options={"state": STATE[:5]}),
        ShapeError,
        "options['state']",
        method=".reset",
    ),
    _single("step before reset", lambda: PushT().step(RIGHT), ConfigError, "reset", method=".step"),
    _single(
        "NaN action", lambda: _started(PushT).step(RIGHT * np.nan), NonFiniteError, "action", method=".step"
    ),
    _single(
        "huge action",
        lambda: _started(PushT).step(RIGHT * -1.7e308),
        ConfigError,
        "action",
        "1.7e+308",
        method=".step",
    ),
    _single("huge choice", lambda: PushT(action_choices=[(0, 1e308)]), ConfigError, "action_choices"),
    _single(
        "huge start",
        lambda: PushT().reset(options={"state": STATE * 1e300}),
        ConfigError,
        "options['state']",
        method=".reset",
    ),
    _single("three axes", lambda: _started(PushT).step(np.ones(3)), ShapeError, "(3,)", method=".step"),
    _single(
        "a pair where numbers are asked for",
        lambda: _started(PushT, action_choices=CHOICES).step(RIGHT),
        ShapeError,
        "an integer",
        "0 to 1",
        method=".step",
    ),
    _single(
        "a choice too many",
        lambda: _started(PushT, action_choices=CHOICES).step(2),
        ConfigError,
        "0 to 1",
        "2",
        method=".step",
    ),
    _single(
        "render before reset",
        lambda: PushT(render_mode="rgb_array").render(),
        ConfigError,
        "reset",
        method=".render",
    ),
    _vector("no environments", lambda: PushTVector(0), ConfigError, "num_envs=0"),
    _vector(
        "huge actions",
        lambda: _started(PushTVector).step(RIGHT[None] * 1e308),
        ConfigError,
        "actions",
        method=".step",
    ),
    _vector("no steps", lambda: PushTVector(2, max_episode_steps=0), ConfigError, "max_episode_steps=0"),
    _vector("unknown mode", lambda: PushTVector(2, autoreset_mode="disable"), ConfigError, "`Disabled`"),
    _vector("unknown render mode", lambda: PushTVector(2, render_mode="human"), ConfigError, "rgb_array"),
    _vector(
        "one state for two",
        lambda: PushTVector(2).reset(options={"state": STATE}),
        ShapeError,
        "(2, 7)",
        method=".reset",
    ),
    _vector(
        "mask of numbers",
        lambda: _started(PushTVector, num_envs=2).reset(options={"reset_mask": np.array([0, 1])}),
        ConfigError,
        "2 booleans",
        method=".reset",
    ),
    _vector(
        "too few seeds", lambda: PushTVector(2).reset(seed=[1]), ConfigError, "one seed", method=".reset"
    ),
    _vector(
        "action of one environment",
        lambda: _started(PushTVector, num_envs=2).step(RIGHT),
        ShapeError,
        "(2, 2)",
        method=".step",
    ),
    _vector(
        "a negative choice",
        lambda: _started(PushTVector, num_envs=2, action_choices=CHOICES).step(np.array([0, -1])),
        ConfigError,
        "-1",
        method=".step",
    ),
    _vector(
        "step before reset", lambda: PushTVector(1).step(RIGHT[None]), ConfigError, "reset", method=".step"
    ),
]
