"""Mistakes that users make with planners, and what they must be told."""

from functools import partial

import torch

from leworld.errors import ConfigError, NonFiniteError, ShapeError
from leworld.planners import (
    BestSoFar,
    CategoricalCEMPlanner,
    CEMPlanner,
    CMAESPlanner,
    Evaluator,
    GradientPlanner,
    GRASPPlanner,
    ICEMPlanner,
    KeepGuesses,
    LagrangianPlanner,
    MPPIPlanner,
    OverRanks,
    Problem,
    RandomShootingPlanner,
    Refine,
    WarmStart,
    plan,
)
from tests.bad_input import BadInput


def good_cost(actions):
    return actions.square().sum((2, 3))


def _plan(cost=good_cost, **changes):
    options = {"batch": 2, "action_dim": 2} | changes
    return plan(cost, CEMPlanner(3, 20, num_elites=2, num_iterations=1), **options)


def _method(cost=good_cost, **changes):
    options = {"batch": 2, "action_dim": 2} | changes
    return CEMPlanner(3, 20, num_elites=2, num_iterations=1).plan(cost, **options)


def _cem(case, mentions, **options):
    return BadInput("leworld.planners.CEMPlanner", case, lambda: CEMPlanner(**options), ConfigError, mentions)


_PLAN_CASES = (
    ("empty batch", {"batch": 0}, ConfigError, ("batch=0", "at least 1")),
    ("fractional batch", {"batch": 1.5}, ConfigError, ("batch",)),
    ("no action components", {"action_dim": 0}, ConfigError, ("action_dim=0",)),
    ("init of another horizon", {"init": torch.zeros(2, 4, 2)}, ShapeError, ("(2, 3, 2)", "(2, 4, 2)")),
    ("init without batch", {"init": torch.zeros(3, 2)}, ShapeError, ("(2, 3, 2)", "(3, 2)")),
    (
        "integer init",
        {"init": torch.zeros(2, 3, 2, dtype=torch.long)},
        ShapeError,
        ("floating-point", "int64"),
    ),
    ("no guess", {"init": torch.zeros(2, 0, 3, 2)}, ShapeError, ("(2, 3, 2)", "(2, 0, 3, 2)")),
    ("NaN in init", {"init": torch.full((2, 3, 2), torch.nan)}, NonFiniteError, ("init", "12 of 12")),
    ("reversed bounds", {"bounds": (1.0, -1.0)}, ConfigError, ("low=1", "high=-1", "Swap")),
    ("infinite bounds", {"bounds": (-torch.inf, 1.0)}, ConfigError, ("finite `low`", "bounds=None")),
    ("NaN bounds", {"bounds": (0.0, float("nan"))}, ConfigError, ("finite `high`",)),
    ("bounds of another size", {"bounds": (-torch.ones(3), 1.0)}, ShapeError, ("(2,)", "(3,)")),
    (
        "generators of another number",
        {"generator": [torch.Generator() for _ in range(3)]},
        ConfigError,
        ("one a row (2)", "holds 3"),
    ),
    ("no candidates", {"max_candidates": 0}, ConfigError, ("max_candidates=0",)),
    ("negative time", {"time_budget": -1.0}, ConfigError, ("time_budget=-1.0",)),
    ("cost that sums too much", {"cost": lambda a: a.sum((1, 2, 3))}, ShapeError, ("(2, 20)", "(2,)")),
    ("cost that sums too little", {"cost": lambda a: a.sum(3)}, ShapeError, ("(2, 20)", "(2, 20, 3)")),
    ("cost that keeps an axis", {"cost": lambda a: good_cost(a)[..., None]}, ShapeError, ("(2, 20, 1)",)),
    ("transposed cost", {"cost": lambda a: good_cost(a).T}, ShapeError, ("(2, 20)", "(20, 2)")),
    ("integer cost", {"cost": lambda a: good_cost(a).long()}, ShapeError, ("floating-point", "int64")),
    ("cost that is no tensor", {"cost": lambda a: 1.0}, ShapeError, ("tensor", "1.0")),
    ("no function", {"cost": torch.zeros(2, 20)}, ShapeError, ("cost",)),
    (
        "NaN costs with throw",
        {"cost": lambda a: good_cost(a) * torch.nan, "throw": True},
        NonFiniteError,
        ("finite cost", "row 0", "throw=False"),
    ),
)


def _problem():
    return Problem(torch.zeros(1, 2, 1), None, None, torch.zeros(1, dtype=torch.long), torch.float32)


ROWS = [
    _cem("horizon 0", ("horizon=0", "at least 1"), horizon=0),
    _cem("fractional horizon", ("horizon", "integer"), horizon=2.5),
    _cem("no samples", ("num_samples=0",), num_samples=0),
    _cem("no elites", ("num_elites=0",), num_elites=0),
    _cem("elites > samples", ("num_elites=30", "num_samples=20"), num_samples=20, num_elites=30),
    _cem("no iterations", ("num_iterations=0",), num_iterations=0),
    _cem("negative std", ("init_std=-1.0",), init_std=-1.0),
    _cem("NaN std", ("init_std=nan",), init_std=float("nan")),
    _cem("negative floor", ("min_std=-0.1",), min_std=-0.1),
    _cem("negative tolerance", ("tolerance=-1",), tolerance=-1),
    _cem("unknown answer", ("returns", "`best`", "`mean`"), returns="elite"),
    BadInput(
        "leworld.planners.Evaluator",
        "cost of wrong shape",
        lambda: Evaluator(
            lambda actions: actions.sum(),
            _problem(),
        )(torch.zeros(1, 4, 2, 1)),
        ShapeError,
        ("(1, 4)", "()"),
    ),
    BadInput(
        "leworld.planners.Evaluator",
        "cost on another device",
        lambda: Evaluator(lambda actions: actions.sum((2, 3)).to("meta"), _problem())(
            torch.zeros(1, 4, 2, 1)
        ),
        ShapeError,
        ("cpu", "meta", "device"),
    ),
    *(
        BadInput(
            "leworld.planners.Evaluator",
            case,
            lambda shape=shape: Evaluator(good_cost, _problem())(torch.zeros(shape)),
            ShapeError,
            ("batch=1", "horizon=2", "action=1", str(shape)),
        )
        for case, shape in (
            ("too many rows", (3, 4, 2, 1)),
            ("another horizon", (1, 4, 3, 1)),
            ("another action", (1, 4, 2, 2)),
            ("no samples axis", (1, 2, 1)),
        )
    ),
    *(
        BadInput(
            "leworld.planners.Problem.sample",
            case,
            lambda mean=mean, std=std, num=num: _problem().sample(mean, std, num, iteration=0),
            ShapeError,
            ("(1, 2, 1)", *mentions),
        )
        for case, mean, std, num, mentions in (
            ("another mean", torch.zeros(1, 3, 1), 1.0, 4, ("(1, 3, 1)",)),
            ("several means", torch.zeros(2, 2, 1), 1.0, 4, ("(2, 2, 1)",)),
            ("broadcast std", torch.zeros(1, 2, 1), torch.ones(1), 4, ("(1,)",)),
            ("nothing to draw", torch.zeros(1, 2, 1), 1.0, 0, ("num=0",)),
        )
    ),
]


def _bad(kind, case, error, mentions, *arguments, **options):
    entry = f"leworld.planners.{kind.__name__}"
    ROWS.append(BadInput(entry, case, lambda: kind(*arguments, **options), error, mentions))


def _bad_plan(planner, case, error, mentions, cost=good_cost, action_dim=2):
    entry = f"leworld.planners.{type(planner).__name__}.plan"
    ROWS.append(
        BadInput(entry, case, lambda: planner.plan(cost, batch=2, action_dim=action_dim), error, mentions)
    )


for _kind in (ICEMPlanner, MPPIPlanner, RandomShootingPlanner, GradientPlanner, GRASPPlanner, CMAESPlanner):
    _bad(_kind, "horizon 0", ConfigError, ("horizon=0",), 0)
    _bad(_kind, "no samples", ConfigError, ("=0`", "at least"), 5, 0)
    _bad(_kind, "no iterations", ConfigError, ("num_iterations=0",), num_iterations=0)
    _bad(_kind, "negative std", ConfigError, ("init_std=-1",), init_std=-1)
_bad(
    ICEMPlanner,
    "elites > samples",
    ConfigError,
    ("num_elites=30", "num_samples=20"),
    5,
    20,
    num_elites=30,
)
_bad(ICEMPlanner, "negative exponent", ConfigError, ("noise_exponent=-1",), noise_exponent=-1)
_bad(ICEMPlanner, "more than all elites", ConfigError, ("kept_elites=2",), kept_elites=2)
_bad(ICEMPlanner, "nothing ever new", ConfigError, ("momentum=1",), momentum=1)
_bad(ICEMPlanner, "growing population", ConfigError, ("shrinkage=0.5",), shrinkage=0.5)
_bad(MPPIPlanner, "temperature 0", ConfigError, ("temperature=0", "above 0"), temperature=0)
_bad(MPPIPlanner, "unknown scale", ConfigError, ("scale", "`relative`"), scale="relativ")
_bad(MPPIPlanner, "growing noise", ConfigError, ("decay=1.1",), decay=1.1)
_bad(MPPIPlanner, "too many elites", ConfigError, ("num_elites=301",), num_elites=301)
_bad(MPPIPlanner, "a floor above the start", ConfigError, ("min_std=2",), min_std=2)
_bad(MPPIPlanner, "unknown plan", ConfigError, ("returns", "`draw`"), returns="best")
_bad(CMAESPlanner, "too few samples", ConfigError, ("num_samples=3", "at least 4"), 5, 3)
_bad(
    CMAESPlanner,
    "unknown covariance",
    ConfigError,
    ("covariance", "`full`", "`diagonal`"),
    covariance="block",
)
_bad(CMAESPlanner, "negative tolerance", ConfigError, ("tolerance=-1",), tolerance=-1)
_bad(RandomShootingPlanner, "growing noise", ConfigError, ("decay=2",), decay=2)
_bad(GradientPlanner, "LBFGS", ConfigError, ("LBFGS", "Adam"), optimizer=torch.optim.LBFGS)
_bad(GradientPlanner, "no optimizer", ConfigError, ("int",), optimizer=lambda parameters: 3)
_bad_plan(
    GradientPlanner(3, 2),
    "a cost without gradient",
    ShapeError,
    ("no gradient", "CEMPlanner"),
    cost=lambda a: good_cost(a.detach()),
)
_bad_plan(
    GradientPlanner(3, 2), "cost of wrong shape", ShapeError, ("(2, 2)", "(2, 2, 3)"), cost=lambda a: a.sum(3)
)
_bad(GRASPPlanner, "no cycle", ConfigError, ("sync_every=0",), sync_every=0)
_bad(
    GRASPPlanner,
    "more than the cycle",
    ConfigError,
    ("sync_steps=9", "sync_every=4"),
    sync_every=4,
    sync_steps=9,
)
_bad(GRASPPlanner, "overshooting states", ConfigError, ("state_rate=2",), state_rate=2)
_bad(GRASPPlanner, "negative noise", ConfigError, ("state_noise=-1",), state_noise=-1)
_bad(GRASPPlanner, "no step", ConfigError, ("action_rate=0",), action_rate=0)
_bad(GRASPPlanner, "negative weight", ConfigError, ("goal_weight=-1",), goal_weight=-1)
_bad_plan(GRASPPlanner(3, 2), "a plain function", ConfigError, ("LiftedCost", "GoalCost", "GradientPlanner"))
_bad(CategoricalCEMPlanner, "a vector", ShapeError, ("choices", "(3,)"), torch.ones(3))
_bad(CategoricalCEMPlanner, "one choice", ShapeError, ("at least 2", "choice=1"), torch.ones(1, 3))
_bad(CategoricalCEMPlanner, "integers", ShapeError, ("floating-point",), torch.ones(2, 3, dtype=torch.long))
_bad(CategoricalCEMPlanner, "NaN", NonFiniteError, ("choices",), torch.full((2, 3), torch.nan))
_bad(
    CategoricalCEMPlanner,
    "elites > samples",
    ConfigError,
    ("num_elites",),
    torch.eye(2),
    num_samples=3,
    num_elites=4,
)
_bad(CategoricalCEMPlanner, "floor above uniform", ConfigError, ("min_prob=0.4",), torch.eye(2), min_prob=0.4)
_bad_plan(
    CategoricalCEMPlanner(torch.eye(3), 2), "another action_dim", ShapeError, ("action_dim = 3", "is 2")
)
_cem2 = CEMPlanner(2, 20, num_elites=2, num_iterations=1)
_bad(BestSoFar, "a class", ConfigError, ("planner", "instance"), CEMPlanner)
_bad(OverRanks, "a class", ConfigError, ("planner", "instance"), CEMPlanner)
_bad(OverRanks, "no group", ConfigError, ("group", "None"), _cem2, None)
_bad(OverRanks, "another word", ConfigError, ("group", "all"), _cem2, "all")
_bad(KeepGuesses, "another planner", ConfigError, ("mean", "ICEM"), ICEMPlanner())
_bad(Refine, "a class", ConfigError, ("then", "instance"), _cem2, CEMPlanner)
_bad(Refine, "two horizons", ConfigError, ("2", "5"), _cem2, CEMPlanner(5))
_bad(WarmStart, "a tensor", ConfigError, ("propose", "init=proposal"), _cem2, torch.zeros(2, 2, 2))
_bad_plan(WarmStart(_cem2, lambda a: a[0]), "one plan for all", ShapeError, ("(2, 2, 2)", "(2, 2)"))
_bad_plan(WarmStart(_cem2, lambda a: a * torch.nan), "NaN proposal", NonFiniteError, ("proposal",))
_bad(LagrangianPlanner, "a tensor", ConfigError, ("constraint", "function"), _cem2, torch.zeros(2))
_bad(LagrangianPlanner, "no planner", ConfigError, ("planner",), "cem", good_cost)
_bad(LagrangianPlanner, "no rounds", ConfigError, ("num_rounds=0",), _cem2, good_cost, num_rounds=0)
_bad(LagrangianPlanner, "no penalty", ConfigError, ("penalty=0",), _cem2, good_cost, penalty=0)
_bad_plan(
    LagrangianPlanner(_cem2, good_cost), "a constraint without axis", ShapeError, ("(2, 20, 'n')", "(2, 20)")
)
for _case, _changes, _error, _mentions in _PLAN_CASES:
    ROWS.append(BadInput("leworld.planners.plan", _case, partial(_plan, **_changes), _error, _mentions))
    ROWS.append(
        BadInput("leworld.planners.CEMPlanner.plan", _case, partial(_method, **_changes), _error, _mentions)
    )
