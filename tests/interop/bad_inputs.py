"""Mistakes that users make between leworld and stable-worldmodel, and what they must be told."""

from typing import Any

import numpy as np
import torch

from leworld.data import Processor
from leworld.errors import ConfigError, NonFiniteError, ShapeError
from leworld.interop import CostableCost, SWMCost, SWMSolver
from leworld.planners import CEMPlanner
from tests.bad_input import BadInput
from tests.control.fakes import point_model
from tests.interop.contracts import GoalMSE, PlanConfig, Space, expand
from tests.interop.worlds import raw_info

_SPACE = Space(np.full((2, 2), -1.0), np.full((2, 2), 1.0))
_CONFIG = PlanConfig(3, 1, action_block=2)


def _cost(case, mentions, error=ConfigError, **options):
    def call():
        return SWMCost(**{"model": point_model(), **options})

    return BadInput("leworld.interop.SWMCost", case, call, error, mentions)


def _without_processor():
    model = point_model()
    model.processor = None
    return model


def _without_statistics():
    model = point_model()
    model.processor = Processor(4, frameskip=2, action_dim=2)
    return SWMCost(model).process


def _get_cost(
    case, mentions, error=ShapeError, *, candidates=None, frames=1, drop=(), change=None, **options
):
    def call():
        info: dict[str, Any] = expand(raw_info(2, frames=frames), slice(0, 2), 5, torch.float32)
        info |= {} if change is None else change(info)
        info = {key: value for key, value in info.items() if key not in drop}
        shown = torch.zeros(2, 5, 3, 4) if candidates is None else candidates
        return SWMCost(point_model(), **options).get_cost(info, shown)

    return BadInput("leworld.interop.SWMCost.get_cost", case, call, error, mentions)


def _without_an_axis(situation):
    return lambda actions: actions.sum((2, 3))


def _constraints():
    cost = SWMCost(point_model(), constraints=_without_an_axis)
    return cost.get_constraints(expand(raw_info(2), slice(0, 2), 5, torch.float32), torch.zeros(2, 5, 3, 4))


class _Sum:
    def get_cost(self, info_dict, action_candidates):
        return action_candidates.sum((2, 3))


class _Wrong:
    def get_cost(self, info_dict, action_candidates):
        return action_candidates


class _OnlyRollsOut:
    def rollout(self, info_dict, action_candidates):
        return info_dict


class _Choices:
    shape = (2,)


def _costable(case, mentions, error=ConfigError, *, cost=None, info=None):
    given = {"id": torch.arange(2)[:, None]} if info is None else info
    entry = "leworld.interop.CostableCost"
    return BadInput(
        entry, case, lambda: CostableCost(_Sum() if cost is None else cost, given), error, mentions
    )


def _solver(case, mentions, **options):
    def call():
        return SWMSolver(**{"planner": CEMPlanner(3, 8), "cost": _Sum(), **options})

    return BadInput("leworld.interop.SWMSolver", case, call, ConfigError, mentions)


def _configure(case, mentions, *, cost=None, space=_SPACE, config=_CONFIG):
    def call():
        solver = SWMSolver(CEMPlanner(3, 8), _Sum() if cost is None else cost)
        solver.configure(action_space=space, n_envs=2, config=config)

    return BadInput("leworld.interop.SWMSolver.configure", case, call, ConfigError, mentions)


def _solve(case, mentions, error, *, configure=True, former=None, cost=None):
    def call():
        solver = SWMSolver(CEMPlanner(3, 8), _Sum() if cost is None else cost)
        if configure:
            solver.configure(action_space=_SPACE, n_envs=2, config=_CONFIG)
        return solver.solve({"id": torch.arange(2)[:, None]}, init_action=former)

    return BadInput("leworld.interop.SWMSolver.solve", case, call, error, mentions)


def _raw_floats(info):
    return {"pixels": info["pixels"].float()}


def _flat(info):
    return {"pixels": info["pixels"][..., 0]}


def _blocks(info):
    return {"action_history": torch.zeros(2, 5, 2, 2)}


ROWS = [
    _cost("no model", ("`model`", "WorldModel"), model=torch.nn.Linear(2, 2)),
    _cost("a model without a processor", ("processor",), model=_without_processor()),
    _cost("a cost that is none", ("`cost`", "Situation"), cost=3),
    _cost("constraints that are none", ("`constraints`",), constraints="inside"),
    _cost("another word for observations", ("`observations`", "`raw`"), observations="uint8"),
    _cost("keys of unknown parts", ("`keys`", "`pixels`"), keys={"camera": "pixels.wrist"}),
    _cost("keys that name nothing", ("`keys`",), keys={"pixels": 3}),
    BadInput(
        "leworld.interop.SWMCost.process",
        "unknown statistics",
        _without_statistics,
        ConfigError,
        ("action statistics", "with_action_stats"),
    ),
    _get_cost("no pictures", ("`pixels`", "missing"), ConfigError, drop=("pixels",)),
    _get_cost("no goal", ("`goal`", "shows its goal"), ConfigError, drop=("goal",)),
    _get_cost("floats where raw is due", ("uint8", 'observations="normalised"'), change=_raw_floats),
    _get_cost(
        "raw where floats are due", ("floating-point", 'observations="raw"'), observations="normalised"
    ),
    _get_cost("pictures without an axis", ("`pixels`", "height"), change=_flat),
    _get_cost("frames without their actions", ("`action_history`", "history_len=1"), ConfigError, frames=3),
    _get_cost("single actions for blocks", ("`action_history`", "frame - 1"), frames=3, change=_blocks),
    _get_cost("blocks of another size", ("size 4", "action_block=2"), candidates=torch.zeros(2, 5, 3, 2)),
    _get_cost("candidates without an axis", ("candidates (batch",), candidates=torch.zeros(2, 3, 4)),
    _get_cost("whole numbers", ("floating-point candidates",), candidates=torch.zeros(2, 5, 3, 4).long()),
    _get_cost(
        "a cost without an axis", ("`cost`", "(2, 5)"), cost=lambda situation: lambda a: a.sum((1, 2, 3))
    ),
    BadInput(
        "leworld.interop.SWMCost.get_constraints",
        "constraints without an axis",
        _constraints,
        ShapeError,
        ("`constraints`", "constraint"),
    ),
    BadInput(
        "leworld.interop.SWMCost.encode",
        "no pictures",
        lambda: SWMCost(point_model()).encode({}),
        ConfigError,
        ("`pixels`",),
    ),
    _costable("no cost", ("get_cost",), cost=GoalMSE()),
    _costable("a model of main alone", ("only rolls out", "ShootingCostEvaluator"), cost=_OnlyRollsOut()),
    _costable("no info", ("`info`",), info={}),
    _costable("rows that differ", ("as many rows",), ShapeError, info={"a": np.zeros(2), "b": np.zeros(3)}),
    BadInput(
        "leworld.interop.CostableCost.__call__",
        "candidates of another batch",
        lambda: CostableCost(_Sum(), {"id": torch.arange(2)})(torch.zeros(3, 5, 3, 4)),
        ShapeError,
        ("2 rows",),
    ),
    BadInput(
        "leworld.interop.CostableCost.__call__",
        "costs of another shape",
        lambda: CostableCost(_Wrong(), {"id": torch.arange(2)})(torch.zeros(2, 5, 3, 4)),
        ShapeError,
        ("`get_cost`", "(1, 5)"),
    ),
    _solver("no planner", ("`planner`",), planner=_Sum()),
    _solver("no cost", ("`cost`", "SWMCost"), cost=CEMPlanner(3)),
    _solver("a seed below 0", ("`seed`",), seed=-1),
    _configure("choices", ("`Box`", "CategoricalCEMSolver"), space=_Choices()),
    _configure("another horizon", ("horizon=3", "horizon=5"), config=PlanConfig(5, 1, action_block=2)),
    _configure(
        "another frameskip",
        ("action_dim=4", "action_block=5"),
        cost=SWMCost(point_model()),
        config=PlanConfig(3, 1, action_block=5),
    ),
    _solve("before configure", ("`configure`",), ConfigError, configure=False),
    _solve("a former plan that is too long", ("`init_action`",), ShapeError, former=torch.zeros(2, 4, 4)),
    _solve("a former plan of others", ("`init_action`",), ShapeError, former=torch.zeros(3, 2, 4)),
    _solve("costs of another shape", ("`get_cost`",), ShapeError, cost=_Wrong()),
    BadInput(
        "leworld.interop.SWMSolver.solve",
        "a former plan of NaN",
        lambda: _solve("", (), NonFiniteError, former=torch.full((2, 3, 4), torch.nan)).call(),
        NonFiniteError,
        ("`init`",),
    ),
]
