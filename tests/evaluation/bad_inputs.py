"""Mistakes that users make with evaluations, and what they must be told."""

import dataclasses

import numpy as np

from leworld.control import Policy
from leworld.data import Episodes, Observation
from leworld.envs import TwoRoomArena, TwoRoomVector
from leworld.errors import ConfigError, DataError, NonFiniteError, ShapeError
from leworld.evaluation import (
    Backdrop,
    GoalPairs,
    GoalReachingResult,
    GoalSteps,
    OraclePolicy,
    PolicyOutcome,
    Recording,
    StateRadius,
    goal_reaching,
    metric_monotonicity,
    probe_states,
    recorded_quantities,
    training_overlap,
    trajectory_pairs,
)
from leworld.planners import CEMPlanner
from tests.bad_input import BadInput
from tests.data.fakes import random_episodes
from tests.evaluation.bad_comparison_inputs import ROWS as COMPARISON_ROWS
from tests.evaluation.bad_latent_inputs import ROWS as LATENT_ROWS
from tests.evaluation.bad_picture_inputs import ROWS as PICTURE_ROWS
from tests.evaluation.bad_tuning_inputs import ROWS as TUNING_ROWS
from tests.evaluation.checks import scripted, walks
from tests.evaluation.fakes import Plane, Sighted, Still, plain_processor
from tests.training.tiny import tiny_model

_NAN = float("nan")
_ROOM = "leworld.evaluation."


def _row(entry, case, error, mentions, call):
    return BadInput(_ROOM + entry, case, call, error, mentions)


def _pairs(case, error, mentions, **changes):
    fields = {
        "start": np.zeros((2, 2), dtype=np.float32),
        "goal": np.full((2, 2), 9.0, dtype=np.float32),
        "protocol": "by hand",
        "budget": 4,
        "success_radius": 2.0,
    } | changes
    return _row("GoalPairs", case, error, mentions, lambda: GoalPairs(**fields))


class _Acting(Policy):
    def __init__(self, action):
        self.action = action

    def reset(self, goal):
        pass

    def act(self, observation):
        return self.action


class _Stubborn(Plane):
    def reset(self, **arguments):
        pixels, info = super().reset(**arguments)
        return pixels, info | {"state": info["state"] + 1.0}


class _Exploding(Plane):
    def step(self, actions, /):
        pixels, *rest, info = super().step(actions)
        return pixels, *rest, {"state": info["state"] * _NAN}


def _play(case, error, mentions, *, pairs=None, policies=None, env=None, **options):
    def call():
        chosen = scripted()[0] if pairs is None else pairs
        players = {"still": Still()} if policies is None else policies
        world = Plane(3) if env is None else env()
        return goal_reaching(chosen, players, env=world, progress=False, **options)

    return _row("goal_reaching", case, error, mentions, call)


def _trajectory(case, error, mentions, *arguments, **options):
    return _row("trajectory_pairs", case, error, mentions, lambda: trajectory_pairs(*arguments, **options))


def _oracle(case, mentions, *, dynamics=None, planner=None, **options):
    def call():
        return OraclePolicy(
            TwoRoomArena() if dynamics is None else dynamics,
            CEMPlanner() if planner is None else planner,
            **options,
        )

    return _row("OraclePolicy", case, ConfigError, mentions, call)


def _seen(num: int, state=True) -> Observation:
    states = np.full((num, 2), 50.0, dtype=np.float32) if state else None
    return Observation(pixels=np.zeros((num, 8, 8, 3), dtype=np.uint8), state=states)


def _act(goal, observation):
    policy = OraclePolicy(TwoRoomArena(), CEMPlanner())
    if goal is not None:
        policy.reset(goal)
    return policy.act(observation)


def _probe(case, error, mentions, *, model=None, episodes=None, **options):
    def call():
        chosen = Sighted(plain_processor(8)) if model is None else model
        return probe_states(chosen, walks() if episodes is None else episodes, **options)

    return _row("probe_states", case, error, mentions, call)


def _monotone(case, error, mentions, *, model=None, **options):
    def call():
        chosen = Sighted(plain_processor(8)) if model is None else model
        given = {"steps": _steps(), "world": TwoRoomArena()} | options
        return metric_monotonicity(chosen, given["steps"], world=given["world"])

    return _row("metric_monotonicity", case, error, mentions, call)


_TABLES = ("start", "after", "goal")


def _steps(**changes):
    fields = {name: np.full((2, 2), 50.0) for name in _TABLES}
    fields |= {"distance": np.ones(2), "edges": (0.0, 2.0)} | changes
    return GoalSteps(**fields)


def _goal_steps(case, error, mentions, **changes):
    return _row("GoalSteps", case, error, mentions, lambda: _steps(**changes))


def _backdrop(case, error, mentions, **changes):
    fields = {"picture": np.zeros((4, 4, 3), np.uint8), "x": (0.0, 1.0), "y": (0.0, 1.0)} | changes
    return _row("Backdrop", case, error, mentions, lambda: Backdrop(**fields))


class _Rule:
    """A success rule with faulty answers."""

    success_words, distance_unit = "never", ""

    def __init__(self, *, distance=lambda state: np.zeros(len(state)), reached=lambda state: len(state) > 0):
        self._distance, self._reached = distance, reached

    def distance(self, state, goal):
        return self._distance(state)

    def reached(self, state, goal):
        return self._reached(state)


def _unprocessed() -> Sighted:
    model = Sighted(plain_processor())
    model.processor = None
    return model


def _with_column(name: str, values) -> Episodes:
    episodes = walks()
    return dataclasses.replace(episodes, columns={name: np.asarray(values(len(episodes.pixels)))})


_OUTCOME = {"reached": (True,), "reached_at_last": (True,), "steps_to_reach": (1,), "final_distance": (0.0,)}


def _result(**changes) -> GoalReachingResult:
    fields = {
        "protocol": "by hand",
        "budget": 4,
        "success_radius": 2.0,
        "num_presolved": 0,
        "seed": 0,
        "start": np.zeros((1, 2), dtype=np.float32),
        "goal": np.ones((1, 2), dtype=np.float32),
        "policies": {"still": PolicyOutcome(**_OUTCOME)},
    } | changes
    return GoalReachingResult(**fields)


def _read(case, mentions, change):
    def call():
        data = _result().to_json()
        change(data)
        return GoalReachingResult.from_json(data)

    return _row("GoalReachingResult.from_json", case, DataError, mentions, call)


def _recording(**changes):
    fields = {
        "states": np.zeros((3, 5, 2), dtype=np.float32),
        "frames": np.zeros((1, 5, 4, 4, 3), dtype=np.uint8),
        "goal_frames": np.zeros((1, 4, 4, 3), dtype=np.uint8),
    } | changes
    return Recording(**fields)


def _filmed(**options):
    pairs, script = scripted()
    result = goal_reaching(pairs, {"script": script}, env=Plane(2), progress=False)
    return result.write_gif("never-written.gif", **options)


def judged(rule) -> GoalPairs:
    states = np.zeros((3, 2), np.float32)
    return GoalPairs(start=states, goal=states + 1, protocol="by hand", budget=1, success=rule)


def _radius(case, *mentions, **fields):
    return _row("StateRadius", case, ConfigError, mentions, lambda: StateRadius(**({"radius": 1.0} | fields)))


_SOLVED = dataclasses.replace(scripted()[0], goal=np.zeros((6, 2), dtype=np.float32))
_ONE = walks(1)
ROWS = [
    BadInput(
        "leworld.evaluation.training_overlap",
        "a name for a model",
        lambda: training_overlap("lewm-tworoom-tiny", random_episodes((3,))),  # pyright: ignore[reportArgumentType] -- the point
        ConfigError,
        ("model", "WorldModel"),
    ),
    BadInput(
        "leworld.evaluation.training_overlap",
        "no episodes",
        lambda: training_overlap(tiny_model(), None),  # pyright: ignore[reportArgumentType] -- the point
        ConfigError,
        ("episodes", "Episodes"),
    ),
    BadInput(
        "leworld.evaluation.recorded_quantities",
        "a path",
        lambda: recorded_quantities("my.h5"),  # pyright: ignore[reportArgumentType] -- the point
        ConfigError,
        ("my.h5", "Episodes"),
    ),
    _pairs("integer start", ShapeError, ("start", "floating-point"), start=np.zeros((2, 2), dtype=np.int64)),
    _pairs("one axis", ShapeError, ("goal", "(pair, state)"), goal=np.zeros(2, dtype=np.float32)),
    _pairs("a list", ShapeError, ("start",), start=[[0.0, 0.0]]),
    _pairs("fewer goals", ShapeError, ("one goal",), goal=np.ones((1, 2), dtype=np.float32)),
    _pairs("no pairs", ShapeError, ("at least one",), **dict.fromkeys(("start", "goal"), np.zeros((0, 2)))),
    _pairs("NaN", NonFiniteError, ("goal", "4 of 4"), goal=np.full((2, 2), _NAN)),
    _pairs("budget of 0", ConfigError, ("budget",), budget=0),
    _pairs("radius of 0", ConfigError, ("success_radius",), success_radius=0.0),
    _pairs("no success", ConfigError, ("success_radius", "neither"), success_radius=None),
    _pairs("two kinds of success", ConfigError, ("both",), success=_Rule()),
    _pairs("a word for success", ConfigError, ("success", "near"), success_radius=None, success="near"),
    _row(
        "GoalPairs.reached",
        "one truth for all states",
        ShapeError,
        ("`reached`", "_Rule"),
        lambda: judged(_Rule()).reached(np.zeros((3, 2)), np.ones((3, 2))),
    ),
    _row(
        "GoalPairs.reached",
        "numbers for truths",
        ShapeError,
        ("truth value",),
        lambda: judged(_Rule(reached=lambda s: np.zeros(3))).reached(np.zeros((3, 2)), np.ones((3, 2))),
    ),
    _row(
        "GoalPairs.distance",
        "NaN distances",
        ShapeError,
        ("finite", "`_Rule.distance`"),
        lambda: judged(_Rule(distance=lambda s: np.full(3, _NAN))).distance(
            np.zeros((3, 2)), np.ones((3, 2))
        ),
    ),
    _radius("no radius", "radius", radius=0.0),
    _radius("a list of components", "components", "(0, 1)", components=[0]),
    _radius("no component", "components", components=()),
    _radius("a component twice", "different", components=(1, 1)),
    _radius("a component below 0", "components", components=(-1,)),
    _radius("one angle", "angles", angles=0),
    _radius("another norm", "`largest`", norm="max"),
    _radius("a number for a unit", "distance_unit", distance_unit=1),
    _row(
        "StateRadius.distance",
        "fewer components",
        ShapeError,
        ("component 2", "from 0"),
        lambda: StateRadius(1.0, (2,)).reached(np.zeros((3, 2)), np.zeros((3, 2))),
    ),
    _pairs("negative count", ConfigError, ("num_presolved",), num_presolved=-1),
    _row(
        "GoalPairs.unsolved", "only solved pairs", ConfigError, ("all 6 starts",), lambda: _SOLVED.unsolved()
    ),
    _play("only solved pairs", ConfigError, ("not solved at the start",), pairs=_SOLVED),
    _play("pairs of another kind", ConfigError, ("`pairs`", "GoalPairs"), pairs="trajectory-25"),
    _play("no policies", ConfigError, ("policies",), policies={}),
    _play("a policy without a name", ConfigError, ("policies",), policies=Still()),
    _play("a function for a policy", ConfigError, ("`mine`", "Policy"), policies={"mine": lambda seen: seen}),
    _play("no environment", ConfigError, ("env",), env=lambda: "TwoRoom"),
    _play(
        "an environment that resets itself",
        ConfigError,
        ("NEXT_STEP", "Disabled"),
        env=lambda: TwoRoomVector(3),
    ),
    _play("an environment with starts of its own", ConfigError, ("starts",), env=lambda: _Stubborn(3)),
    _play("an environment that explodes", NonFiniteError, ("still",), env=lambda: _Exploding(3)),
    _play("negative seed", ConfigError, ("seed",), seed=-1),
    _play("negative frames", ConfigError, ("num_recorded",), num_recorded=-1),
    _play("one action for all", ShapeError, ("(env, action)",), policies={"a": _Acting(np.zeros(2))}),
    _play("actions of fewer", ShapeError, ("env=3", "`a`"), policies={"a": _Acting(np.zeros((2, 2)))}),
    _play("a list of actions", ShapeError, ("`a`",), policies={"a": _Acting([[0.0, 0.0]] * 3)}),
    _play("NaN action", NonFiniteError, ("`a`", "6"), policies={"a": _Acting(np.full((3, 2), _NAN))}),
    _trajectory("no episodes", ConfigError, ("Episodes",), None, 3),
    _trajectory("no pairs", ConfigError, ("num_pairs",), walks(), 0),
    _trajectory("offset of 0", ConfigError, ("goal_offset",), walks(), 3, goal_offset=0),
    _trajectory("budget of 0", ConfigError, ("budget",), walks(), 3, budget=0),
    _trajectory("radius of 0", ConfigError, ("success_radius",), walks(), 3, success_radius=0),
    _trajectory("negative seed", ConfigError, ("seed",), walks(), 3, seed=-1),
    _trajectory("unknown column", DataError, ("`stat`", "`state`"), walks(), 3, column="stat"),
    _trajectory("no columns", DataError, ("Record",), dataclasses.replace(walks(), columns={}), 3),
    _trajectory("too many pairs", DataError, ("hold",), walks(), 10_000),
    _trajectory("episodes too short", DataError, ("hold 0",), walks(), 1, goal_offset=200),
    _trajectory("words", DataError, ("numbers",), _with_column("state", lambda n: ["a"] * n), 1),
    _trajectory("NaN states", NonFiniteError, ("row 0",), _with_column("state", lambda n: [[_NAN]] * n), 1),
    _oracle("dynamics without a step", ("dynamics", "step"), dynamics="TwoRoom"),
    _oracle("no planner", ("planner",), planner="cem"),
    _oracle("executing more than planned", ("receding_horizon",), receding_horizon=6),
    _oracle("no frameskip", ("frameskip",), frameskip=0),
    _oracle("no action", ("action_dim",), action_dim=0),
    _oracle("reversed limits", ("action_limits",), action_limits=(1.0, -1.0)),
    _oracle("a number for a distance", ("distance",), distance=3),
    _oracle("negative seed", ("seed",), seed=-1),
    _row(
        "OraclePolicy.reset",
        "goal without state",
        ConfigError,
        ("true state",),
        lambda: OraclePolicy(TwoRoomArena(), CEMPlanner()).reset(_seen(1, state=False)),
    ),
    _row("OraclePolicy.act", "before reset", ConfigError, ("reset",), lambda: _act(None, _seen(1))),
    _row(
        "OraclePolicy.act", "no state", ConfigError, ("state",), lambda: _act(_seen(1), _seen(1, state=False))
    ),
    _row("OraclePolicy.act", "other environments", ConfigError, ("reset",), lambda: _act(_seen(2), _seen(1))),
    _probe("no model", ConfigError, ("WorldModel",), model="lewm-tworoom-tiny"),
    _probe("no processor", ConfigError, ("processor",), model=_unprocessed()),
    _probe("no episodes", ConfigError, ("Episodes",), episodes="tworoom.h5"),
    _probe("unknown column", DataError, ("`state`",), column="stat"),
    _probe("words", DataError, ("numbers",), episodes=_with_column("state", lambda n: ["a"] * n)),
    _probe("NaN states", NonFiniteError, ("row 0",), episodes=_with_column("state", lambda n: [[_NAN]] * n)),
    _probe("stride of 0", ConfigError, ("stride",), stride=0),
    _probe("negative seed", ConfigError, ("seed",), seed=-1),
    _probe("black frames", NonFiniteError, ("encode",)),
    _probe(
        "constant state",
        ConfigError,
        ("constant",),
        model=Sighted(plain_processor(8), distort=lambda p: p.nan_to_num()),
        episodes=_with_column("state", lambda n: [[1.0]] * n),
    ),
    _probe(
        "one episode",
        ShapeError,
        ("3 episodes",),
        model=Sighted(plain_processor(8), distort=lambda p: p.nan_to_num()),
        episodes=_ONE,
    ),
    _monotone("no model", ConfigError, ("WorldModel",), model="lewm-tworoom-tiny"),
    _monotone("no processor", ConfigError, ("processor",), model=_unprocessed()),
    _monotone(
        "a model that gives NaN",
        NonFiniteError,
        ("encode",),
        model=Sighted(plain_processor(8), distort=lambda place: place * _NAN),
    ),
    _monotone("an arena for steps", ConfigError, ("GoalSteps", "goal_steps"), steps=TwoRoomArena()),
    _monotone("a world that draws nothing", ConfigError, ("world",), world="room"),
    _goal_steps("a list", ShapeError, ("`after`",), after=[[0.0, 0.0]]),
    _goal_steps("no steps", ShapeError, ("one shape",), **dict.fromkeys(_TABLES, np.zeros((0, 2)))),
    _goal_steps("fewer distances", ShapeError, ("one row a step",), distance=np.ones(3)),
    _goal_steps("NaN goals", NonFiniteError, ("`goal`",), goal=np.full((2, 2), _NAN)),
    _goal_steps("falling edges", ConfigError, ("edges",), edges=(4.0, 2.0)),
    _goal_steps("one edge", ConfigError, ("edges",), edges=(4.0,)),
    _backdrop("floats", ShapeError, ("picture", "uint8"), picture=np.zeros((4, 4, 3))),
    _backdrop("grey", ShapeError, ("picture",), picture=np.zeros((4, 4), np.uint8)),
    _backdrop("no width", ConfigError, ("`x`", "different"), x=(1.0, 1.0)),
    _backdrop("NaN border", ConfigError, ("`y`",), y=(0.0, _NAN)),
    _row("PolicyOutcome", "no pair", ShapeError, ("[0, 0, 0, 0]",), lambda: PolicyOutcome((), (), (), ())),
    _row(
        "PolicyOutcome",
        "fields of different lengths",
        ShapeError,
        ("[1, 2, 1, 1]",),
        lambda: PolicyOutcome(**_OUTCOME | {"reached_at_last": (True, False)}),
    ),
    _row("PolicyOutcome.from_json", "no pairs", DataError, ("pairs",), lambda: PolicyOutcome.from_json({})),
    _row(
        "PolicyOutcome.from_json",
        "words",
        DataError,
        ("ValueError",),
        lambda: PolicyOutcome.from_json(
            {"seconds": 0, "pairs": {name: ["x"] for name in _OUTCOME}},
        ),
    ),
    _row(
        "Recording", "other moments", ShapeError, ("agree",), lambda: _recording(states=np.zeros((3, 4, 2)))
    ),
    _row(
        "Recording",
        "other goals",
        ShapeError,
        ("agree",),
        lambda: _recording(goal_frames=np.zeros((2, 4, 4, 3))),
    ),
    _row("GoalReachingResult", "no policies", ShapeError, ("one outcome",), lambda: _result(policies={})),
    _row(
        "GoalReachingResult",
        "fewer goals",
        ShapeError,
        ("2 goals",),
        lambda: _result(goal=np.ones((2, 2), dtype=np.float32)),
    ),
    _row(
        "GoalReachingResult.plot", "no recording", ConfigError, ("recorded",), lambda: _result().plot("x.png")
    ),
    _row(
        "GoalReachingResult.write_gif",
        "none",
        ConfigError,
        ("recorded",),
        lambda: _result().write_gif("x.gif"),
    ),
    _row("GoalReachingResult.write_gif", "no scale", ConfigError, ("scale",), lambda: _filmed(scale=0)),
    _row(
        "GoalReachingResult.write_gif",
        "no time",
        ConfigError,
        ("frames_per_second",),
        lambda: _filmed(frames_per_second=0),
    ),
    _read("another kind", ("kind",), lambda data: data.update(kind="probing")),
    _read("another version", ("99", "schema version 1"), lambda data: data.update(schema_version=99)),
    _read("a missing field", ("budget",), lambda data: data.pop("budget")),
    _read("a malformed policy", ("pairs",), lambda data: data["policies"]["still"].pop("pairs")),
    _read("a start of words", ("ValueError",), lambda data: data.update(start="here")),
    _row(
        "GoalReachingResult.from_json",
        "no mapping",
        DataError,
        ("kind",),
        lambda: GoalReachingResult.from_json([]),
    ),
    *COMPARISON_ROWS,
    *TUNING_ROWS,
    *LATENT_ROWS,
    *PICTURE_ROWS,
]
