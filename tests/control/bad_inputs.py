"""Mistakes that users make with policies, and what they must be told."""

from dataclasses import replace

import numpy as np
import torch

from leworld.control import (
    ActorPolicy,
    GoalConditionedInverseModel,
    InversePolicy,
    MPCPolicy,
    PolicyProposals,
    RandomPolicy,
    RecordedSubgoals,
    Situation,
    StateGoal,
    check_choices,
    former_plan,
    goal_cost,
    limit_arrays,
)
from leworld.costs import GoalCost
from leworld.data import Episodes, Observation
from leworld.errors import ConfigError, DataError, NonFiniteError, ShapeError
from leworld.heads import GaussianPolicy
from leworld.planners import CEMPlanner
from tests.bad_input import BadInput
from tests.control.fakes import paint, point_model
from tests.evaluation import kinds
from tests.evaluation.kinds import Recurrent


def _mpc(case, mentions, *, change=None, **options):
    def call():
        model = point_model()
        if change is not None:
            model.processor = change(model.processor)
        return MPCPolicy(model, CEMPlanner(3), **options)

    return BadInput("leworld.control.MPCPolicy", case, call, ConfigError, mentions)


def _random(case, mentions, action_dim=2, **options):
    return BadInput(
        "leworld.control.RandomPolicy",
        case,
        lambda: RandomPolicy(action_dim, **options),
        ConfigError,
        mentions,
    )


def _ready():
    policy = MPCPolicy(point_model(), CEMPlanner(3))
    policy.reset(paint(np.zeros((2, 2))))
    return policy


_FRAMES = np.zeros((2, 4, 4, 3), np.uint8)


def _subgoals(**options):
    actions = np.array([[0.0, 0.0]] * 5 + [[np.nan, np.nan]], np.float32)
    still = Episodes(np.zeros((6, 4, 4, 3), np.uint8), actions, lengths=np.array([6]))
    return RecordedSubgoals(point_model(), still, **options)


def _limits(case, mentions, limits, action_dim=2):
    return BadInput(
        "leworld.control.limit_arrays",
        case,
        lambda: limit_arrays(limits, action_dim, owner="it"),
        ConfigError,
        mentions,
    )


def _choices(case, mentions, count, action_dim=3):
    return BadInput(
        "leworld.control.check_choices",
        case,
        lambda: check_choices(count, action_dim, owner="it"),
        ConfigError,
        mentions,
    )


ROWS = [
    _limits("one number", ("lowest and the highest", "it"), 1.0),
    _limits("reversed", ("at most", "[1.0, 1.0]"), (1.0, -1.0)),
    _limits("three numbers for two", ("2 of them",), ([1.0, 2.0, 3.0], 9.0)),
    _limits("infinite", ("finite",), (-1.0, float("inf"))),
    _choices("one choice", ("action_choices",), 1),
    _choices("other components", ("action_choices=2", "action_dim=3"), 2),
    _random("other components than choices", ("action_choices=3",), action_choices=3),
    _mpc("no processor", ("processor", "fit_processor"), change=lambda p: None),
    _mpc(
        "no action statistics",
        ("statistics", "with_action_stats"),
        change=lambda p: replace(p, action_mean=None, action_std=None),
    ),
    _mpc(
        "blocks of another size",
        ("action_dim=4", "3 x 2"),
        change=lambda p: replace(p, frameskip=3),
    ),
    _mpc("receding horizon 0", ("receding_horizon=0", "between 1 and all 3"), receding_horizon=0),
    _mpc("receding horizon > horizon", ("receding_horizon=4", "at most 3"), receding_horizon=4),
    _mpc("reversed limits", ("action_limits", "Swap"), action_limits=(1.0, -1.0)),
    _mpc("limits of another size", ("highest", "2 of them"), action_limits=(-1.0, [1.0, 1.0, 1.0])),
    _mpc("infinite limits", ("finite", "lowest"), action_limits=(-np.inf, 1.0)),
    _mpc("NaN limits without bounds", ("lowest",), action_limits=(np.nan, 1.0), bounded=False),
    _mpc("one limit", ("lowest and the highest",), action_limits=1.0),
    _mpc("a cost that is no function", ("`cost`", "Situation"), cost=1.0),
    _mpc("a proposal that is no function", ("`propose`", "Situation"), propose=True),
    _mpc("no candidates", ("max_candidates=0",), max_candidates=0),
    _mpc("no time", ("time_budget=0",), time_budget=0),
    _mpc("negative seed", ("seed=-1",), seed=-1),
    BadInput(
        "leworld.control.MPCPolicy.act",
        "another number of environments",
        lambda: _ready().act(paint(np.zeros((3, 2)))),
        ShapeError,
        ("2 environments", "env=3", "reset"),
    ),
    BadInput(
        "leworld.control.MPCPolicy.act",
        "before reset",
        lambda: MPCPolicy(point_model(), CEMPlanner(3)).act(paint(np.zeros((1, 2)))),
        ConfigError,
        ("reset(goal)", "cost="),
    ),
    BadInput(
        "leworld.control.MPCPolicy.act",
        "an array",
        lambda: _ready().act(_FRAMES),  # pyright: ignore -- the mistake
        ConfigError,
        ("Observation", "uint8 array"),
    ),
    BadInput(
        "leworld.control.MPCPolicy.act",
        "no environment",
        lambda: MPCPolicy(point_model(), CEMPlanner(3)).act(paint(np.zeros((0, 2)))),
        ShapeError,
        ("at least one environment", "env=0"),
    ),
    BadInput(
        "leworld.control.MPCPolicy.reset",
        "an environment named twice",
        lambda: _ready().reset(paint(np.zeros((2, 2))), environments=[1, 1]),
        ConfigError,
        ("named once", "[1, 1]"),
    ),
    BadInput(
        "leworld.control.MPCPolicy.reset",
        "more environments than goals",
        lambda: _ready().reset(paint(np.zeros((1, 2))), environments=[0, 1]),
        ConfigError,
        ("one goal for each", "env=1"),
    ),
    BadInput(
        "leworld.control.MPCPolicy.reset",
        "an environment that does not exist",
        lambda: _ready().reset(paint(np.zeros((1, 2))), environments=[2]),
        ConfigError,
        ("below 2", "[2]"),
    ),
    BadInput(
        "leworld.control.MPCPolicy.reset",
        "no goal",
        lambda: _ready().reset(Observation(np.zeros((0, 4, 4, 3), np.uint8))),
        ShapeError,
        ("at least one",),
    ),
    _random("no action components", ("action_dim=0",), action_dim=0),
    _random("reversed limits", ("action_limits", "Swap"), action_limits=(2.0, 1.0)),
    _random("limits of another size", ("lowest", "2 of them"), action_limits=([0.0] * 3, 1.0)),
    _random("negative seed", ("seed=-3",), seed=-3),
    BadInput(
        "leworld.control.RandomPolicy.act",
        "before reset",
        lambda: RandomPolicy(2).act(paint(np.zeros((1, 2)))),
        ConfigError,
        ("reset(goal)",),
    ),
]


def _goal(case, error, mentions, make):
    ROWS.append(
        BadInput(
            "leworld.control.MPCPolicy.reset",
            case,
            lambda: MPCPolicy(point_model(), CEMPlanner(3)).reset(make()),
            error,
            mentions,
        )
    )


_goal("embeddings with a time axis", ShapeError, ("(env, *latent)", "[:, -1]"), lambda: torch.zeros(2, 1, 2))
_goal("embeddings of another size", ShapeError, ("latent_shape=(2,)", "(2, 5)"), lambda: torch.zeros(2, 5))
_goal("integer embeddings", ShapeError, ("int64",), lambda: torch.zeros(2, 2, dtype=torch.long))
_goal("no embedding", ShapeError, ("at least one goal",), lambda: torch.zeros(0, 2))
_goal("NaN embeddings", NonFiniteError, ("goal",), lambda: torch.full((2, 2), torch.nan))
_goal(
    "a conversion that loses a goal",
    ShapeError,
    ("2 frames or latents", "(1, 2)"),
    lambda: StateGoal(np.zeros((2, 2)), lambda states: torch.zeros(1, 2)),
)
_goal(
    "a conversion to floating-point frames",
    ShapeError,
    ("uint8",),
    lambda: StateGoal(np.zeros((2, 2)), lambda states: np.zeros((2, 4, 4, 3))),
)
for _case, _state, _convert, _error, _mentions in (
    ("one state without axis", np.zeros(2), len, ShapeError, ("state[None]", "(2,)")),
    ("integer states", np.zeros((2, 2), np.int64), len, ShapeError, ("floating-point", "int64")),
    ("no conversion", np.zeros((2, 2)), None, ConfigError, ("convert", "renderer")),
):
    ROWS.append(
        BadInput(
            "leworld.control.StateGoal",
            _case,
            lambda state=_state, convert=_convert: StateGoal(state, convert),
            _error,
            _mentions,
        )
    )


for _name, _function in (("goal_cost", goal_cost), ("former_plan", former_plan)):
    ROWS.append(
        BadInput(
            f"leworld.control.{_name}",
            "no situation",
            lambda function=_function: function({"goal": None}),
            ConfigError,
            ("Situation",),
        )
    )


def _row(entry, case, error, mentions, call):
    ROWS.append(BadInput(f"leworld.control.{entry}", case, call, error, mentions))


def _inverse(**options):
    return GoalConditionedInverseModel(2, 4, hidden_dim=8, **options)


_Z, _ONE = torch.zeros(3, 2), torch.ones(3, dtype=torch.long)
_row("GoalConditionedInverseModel", "no depth", ConfigError, ("depth=0",), lambda: _inverse(depth=0))
_row("GoalConditionedInverseModel", "no steps", ConfigError, ("max_steps=0",), lambda: _inverse(max_steps=0))
for _case, _arguments, _error, _mentions in (
    ("other embeddings", (torch.zeros(3, 5), torch.zeros(3, 5), _ONE), ShapeError, ("dim", "5")),
    ("other goals", (_Z, torch.zeros(3, 5), _ONE), ShapeError, ("goals",)),
    ("a time axis", (_Z[:, None], _Z[:, None], _ONE), ShapeError, ("embeddings",)),
    ("fractional steps", (_Z, _Z, _ONE.float()), ShapeError, ("remaining",)),
):
    _row(
        "GoalConditionedInverseModel.forward",
        _case,
        _error,
        _mentions,
        lambda arguments=_arguments: _inverse()(*arguments),
    )
_row(
    "GoalConditionedInverseModel.loss",
    "single frames",
    ShapeError,
    ("at least 2", "time=1"),
    lambda: _inverse().loss(torch.zeros(3, 1, 2), torch.zeros(3, 1, 4)),
)
_row(
    "GoalConditionedInverseModel.loss",
    "other blocks",
    ShapeError,
    ("action", "4"),
    lambda: _inverse().loss(torch.zeros(3, 2, 2), torch.zeros(3, 2, 5)),
)
_row(
    "GoalConditionedInverseModel.propose",
    "a goal in a readout's space",
    ShapeError,
    ("readout",),
    lambda: _inverse().propose(
        GoalCost(point_model(), torch.zeros(1, 2), context=torch.zeros(1, 1, 2), readout=lambda z: z), 3
    ),
)
_row(
    "InversePolicy",
    "for another model",
    ConfigError,
    ("embedding_dim=2", "7"),
    lambda: InversePolicy(point_model(), GoalConditionedInverseModel(7, 4, hidden_dim=8)),
)
_row(
    "InversePolicy",
    "no time",
    ConfigError,
    ("horizon=0",),
    lambda: InversePolicy(point_model(), _inverse(), horizon=0),
)
_row(
    "InversePolicy.act",
    "before reset",
    ShapeError,
    ("reset(goal)",),
    lambda: InversePolicy(point_model(), _inverse()).act(paint(np.zeros((1, 2)))),
)
for _case, _mentions, _options in (
    ("no head", ("`leworld.heads`",), {}),
    ("a class", ("GaussianPolicy",), {"policy": GaussianPolicy}),
    ("draws of a function", ("sample",), {"policy": torch.zeros_like, "explore": True}),
    ("a number to explore by", ("`explore`",), {"policy": torch.zeros_like, "explore": 0}),
    ("a negative seed", ("seed=-1",), {"policy": torch.zeros_like, "seed": -1}),
):
    _row("ActorPolicy", _case, ConfigError, _mentions, lambda o=_options: ActorPolicy(point_model(), **o))
_row(
    "ActorPolicy.act",
    "a head of another size",
    ShapeError,
    ("(1, 4)", "(1, 2)"),
    lambda: ActorPolicy(point_model(), torch.zeros_like).act(paint(np.zeros((1, 2)))),
)
_row(
    "MPCPolicy",
    "an inverse model for another model",
    ConfigError,
    ("action_dim=4",),
    lambda: MPCPolicy(point_model(), CEMPlanner(3), propose=GoalConditionedInverseModel(2, 3, hidden_dim=8)),
)
_row(
    "RecordedSubgoals",
    "no episodes",
    ConfigError,
    ("Episodes",),
    lambda: RecordedSubgoals(point_model(), _FRAMES),  # type: ignore[arg-type]
)
_row("RecordedSubgoals", "no neighbours", ConfigError, ("neighbours=0",), lambda: _subgoals(neighbours=0))
_row("RecordedSubgoals", "no reach", ConfigError, ("reach=0.5",), lambda: _subgoals(reach=0.5))
_row("RecordedSubgoals", "one frame", ConfigError, ("max_frames=1",), lambda: _subgoals(max_frames=1))
_row("RecordedSubgoals", "no cost", ConfigError, ("Situation",), lambda: _subgoals(cost=3))
_row("RecordedSubgoals", "too few frames", DataError, ("neighbours=10",), lambda: _subgoals())
_row("RecordedSubgoals", "a standstill", DataError, ("latent moves",), lambda: _subgoals(neighbours=1))
_row(
    "RecordedSubgoals",
    "a model with a state",
    ConfigError,
    ("carries a state",),
    lambda: RecordedSubgoals(kinds.model(Recurrent), kinds.episodes(2)),
)


def _situation() -> Situation:
    model = point_model()
    latents = torch.zeros(2, *model.latent_shape)
    return Situation(model, None, latents, goal=None, horizon=2, former=None, environments=(0, 1))


ROWS += [
    BadInput(f"leworld.control.PolicyProposals{method}", case, call, ConfigError, mentions)
    for method, case, call, mentions in (
        ("", "none", lambda: PolicyProposals(0), ("num_proposals=0",)),
        ("", "a negative seed", lambda: PolicyProposals(seed=-1), ("seed=-1",)),
        ("", "a function", lambda: PolicyProposals(policy=torch.tanh), ("sample", "tanh")),
        (".__call__", "a model without a policy", lambda: PolicyProposals()(_situation()), ("`policy`",)),
    )
]
