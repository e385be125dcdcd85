"""Mistakes that users make with costs, and what they must be told."""

import torch

from leworld.costs import (
    ActionCost,
    ConstrainedCost,
    EnsembleCost,
    GoalCost,
    ReturnCost,
    SurpriseCost,
    WeightedSum,
)
from leworld.errors import ConfigError, NonFiniteError, ShapeError
from tests.bad_input import BadInput
from tests.costs.fakes import LinearLatent


def _make(case, error, mentions, *, model=None, goal=None, **changes):
    arguments = {"context": torch.zeros(2, 3, 4), "past_actions": torch.zeros(2, 2, 2)} | changes
    goal = torch.zeros(2, 4) if goal is None else goal
    return BadInput(
        "leworld.costs.GoalCost",
        case,
        lambda: GoalCost(LinearLatent() if model is None else model, goal, **arguments),
        error,
        mentions,
    )


def _call(case, mentions, actions, **changes):
    arguments = {"context": torch.zeros(2, 3, 2), "past_actions": torch.zeros(2, 2, 2)} | changes

    def call():
        return GoalCost(LinearLatent(), torch.zeros(2, 2), **arguments)(actions)

    return BadInput("leworld.costs.GoalCost.__call__", case, call, ShapeError, mentions)


_NAN = float("nan")
ROWS = [
    BadInput(
        "leworld.costs.GoalCost",
        "neither context nor state",
        lambda: GoalCost(LinearLatent(), torch.zeros(2, 4)),
        ConfigError,
        ("either `context`", "`state`"),
    ),
    _make("context and state", ConfigError, ("either `context`",), state=torch.zeros(2, 4)),
    _make(
        "a state of something else than a WorldModel",
        ConfigError,
        ("WorldModel",),
        context=None,
        past_actions=None,
        state=torch.zeros(2, 4),
    ),
    _make("goal with a time axis", ShapeError, ("(2, 4)", "goal[:, -1]"), goal=torch.zeros(2, 1, 4)),
    _make("goal of another batch", ShapeError, ("goal", "batch=3"), goal=torch.zeros(3, 4)),
    _make("goal of another size", ShapeError, ("(2, 4)", "(2, 5)"), goal=torch.zeros(2, 5)),
    _make("goal without batch", ShapeError, ("`goal`", "batch=4"), goal=torch.zeros(4)),
    _make("integer goal", ShapeError, ("floating-point",), goal=torch.zeros(2, 4, dtype=torch.uint8)),
    _make("NaN goal", NonFiniteError, ("`goal`", "8 of 8"), goal=torch.full((2, 4), _NAN)),
    _make("context without time", ShapeError, ("`goal`", "(2,)"), context=torch.zeros(2, 4)),
    _make(
        "no context frame",
        ShapeError,
        ("at least 1", "time=0"),
        context=torch.zeros(2, 0, 4),
        past_actions=None,
    ),
    _make(
        "empty batch",
        ShapeError,
        ("at least 1", "batch=0"),
        goal=torch.zeros(0, 4),
        context=torch.zeros(0, 1, 4),
        past_actions=None,
    ),
    _make("NaN context", NonFiniteError, ("`context`",), context=torch.full((2, 3, 4), _NAN)),
    _make("past actions left out", ShapeError, ("3 context frames", "time=0"), past_actions=None),
    _make("past actions too many", ShapeError, ("time=3 instead of 2",), past_actions=torch.zeros(2, 3, 2)),
    _make("NaN past actions", NonFiniteError, ("past_actions",), past_actions=torch.full((2, 2, 2), _NAN)),
    _make("unknown distance", ConfigError, ("distance", "squared"), distance="square"),
    _make("unknown steps", ConfigError, ("along", "path"), along="all"),
    _make("a base for one step", ConfigError, ("base=2.0", "path"), base=2.0),
    _make("no base", ConfigError, ("base=0",), base=0, along="path"),
    _make(
        "goal of the latent space with a readout",
        ShapeError,
        ("(2, 1)", "(2, 4)", "read out"),
        readout=lambda embeddings: embeddings[..., :1],
    ),
    _make("no model", ConfigError, ("`model`",), model=torch.nn.Linear(1, 1)),
    _call("actions without samples", ("actions", "(2, 5, 2)"), torch.zeros(2, 5, 2)),
    _call("actions of another batch", ("2 problems", "batch=3"), torch.zeros(3, 4, 5, 2)),
    _call("action blocks of another size", ("size 2", "action=6"), torch.zeros(2, 4, 5, 6)),
    _call(
        "action blocks of another size, one frame",
        ("size 2", "action=3"),
        torch.zeros(2, 4, 5, 3),
        context=torch.zeros(2, 1, 2),
        past_actions=None,
    ),
    _call("horizon 0", ("at least one planned step",), torch.zeros(2, 4, 0, 2)),
    _call("integer actions", ("floating-point",), torch.zeros(2, 4, 5, 2, dtype=torch.long)),
]


def _bad(kind, case, error, mentions, call):
    ROWS.append(BadInput(f"leworld.costs.{kind.__name__}", case, call, error, mentions))


def _effort(actions):
    return actions.square().sum((2, 3))


_ACTIONS = torch.zeros(2, 4, 3, 2)
_bad(ActionCost, "negative weight", ConfigError, ("magnitude=-1",), lambda: ActionCost(-1.0))
_bad(ActionCost, "NaN weight", ConfigError, ("smoothness=nan",), lambda: ActionCost(1.0, _NAN))
_bad(
    ActionCost,
    "previous of another batch",
    ShapeError,
    ("(2, 2)", "(3, 2)"),
    lambda: ActionCost(previous=torch.zeros(3, 2))(_ACTIONS),
)
_bad(ActionCost, "actions without samples", ShapeError, ("actions", "4"), lambda: ActionCost()(_ACTIONS[0]))
_bad(WeightedSum, "no cost", ConfigError, ("at least one",), lambda: WeightedSum({}, {}))
_bad(
    WeightedSum,
    "another name",
    ConfigError,
    ("effort", "efort"),
    lambda: WeightedSum({"effort": _effort}, {"efort": 1.0}),
)
_bad(
    WeightedSum,
    "NaN weight",
    ConfigError,
    ("weights['effort']", "nan"),
    lambda: WeightedSum({"effort": _effort}, {"effort": _NAN}),
)
_bad(EnsembleCost, "no member", ConfigError, ("at least one",), lambda: EnsembleCost([]))
_bad(EnsembleCost, "a tensor", ConfigError, ("functions",), lambda: EnsembleCost([torch.zeros(2)]))
_bad(EnsembleCost, "unknown", ConfigError, ("`worst`",), lambda: EnsembleCost([_effort], reduce="max"))
_bad(ConstrainedCost, "a tensor", ConfigError, ("`constraint`",), lambda: ConstrainedCost(_effort, _ACTIONS))
_bad(
    ConstrainedCost,
    "a constraint without axis",
    ShapeError,
    ("(2, 4, 'n')", "[..., None]"),
    lambda: ConstrainedCost(_effort, _effort)(_ACTIONS),
)
_bad(
    ConstrainedCost,
    "negative tolerance",
    ConfigError,
    ("tolerance=-1",),
    lambda: ConstrainedCost(_effort, _effort, tolerance=-1),
)


def _surprise(case, error, mentions, **changes):
    arguments = {"context": torch.zeros(2, 1, 4)} | changes
    ROWS.append(
        BadInput(
            "leworld.costs.SurpriseCost",
            case,
            lambda: SurpriseCost(LinearLatent(), **arguments),
            error,
            mentions,
        )
    )


_surprise("context without time", ShapeError, ("context",), context=torch.zeros(2))
_surprise("empty batch", ShapeError, ("batch", "at least 1"), context=torch.zeros(0, 1, 4))
_surprise(
    "past blocks are missing", ShapeError, ("past action block", "time=0"), context=torch.zeros(2, 3, 4)
)
_surprise("NaN context", NonFiniteError, ("context",), context=torch.full((2, 1, 4), _NAN))
_surprise("negative margin", ConfigError, ("margin=-1",), margin=-1)
_surprise("one reference", ShapeError, ("reference", "at least 2"), reference=torch.zeros(1, 4))
_surprise("reference of another size", ShapeError, ("dim=4", "(9, 5)"), reference=torch.randn(9, 5))
_surprise("NaN reference", NonFiniteError, ("reference",), reference=torch.full((9, 4), _NAN))
_surprise("equal references", ShapeError, ("differ", "collapsed"), reference=torch.ones(9, 4))
ROWS.append(
    BadInput(
        "leworld.costs.SurpriseCost.__call__",
        "another batch",
        lambda: SurpriseCost(LinearLatent(), context=torch.zeros(2, 1, 2))(torch.zeros(3, 1, 5, 2)),
        ShapeError,
        ("2 problems", "batch=3"),
    )
)


def _sums(latents):
    return latents.sum(-1)


def _return(case, error, mentions, reward=_sums, *, call=False, **changes):
    arguments = {"context": torch.zeros(2, 1, 2)} | changes

    def make():
        cost = ReturnCost(LinearLatent(), reward, **arguments)
        return cost(torch.zeros(2, 3, 4, 2)) if call else cost

    entry = "leworld.costs.ReturnCost" + (".__call__" if call else "")
    ROWS.append(BadInput(entry, case, make, error, mentions))


_return("no reward anywhere", ConfigError, ("`reward`", "LinearLatent"), None)
_return("a discount of 0", ConfigError, ("discount=0",), discount=0)
_return("neither context nor state", ConfigError, ("either `context`",), context=None)
_return("past blocks are missing", ShapeError, ("past action block",), context=torch.zeros(2, 3, 2))
_return("NaN context", NonFiniteError, ("context",), context=torch.full((2, 1, 2), _NAN))
_return("a reward of two", ShapeError, ("`reward`", "(2, 3, 4)", "(2, 3, 4, 2)"), lambda z: z, call=True)
_return("a value of all", ShapeError, ("`value`", "(2, 3, 1)"), value=lambda z: z.sum(), call=True)
_return("an end of two", ShapeError, ("`termination`",), termination=lambda z: z, call=True)
