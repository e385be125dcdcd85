"""A planner of leworld in the policy of stable-worldmodel, and its costs and models in our planners."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from leworld.errors import NonFiniteError
from leworld.interop import CostableCost, SWMCost, SWMSolver
from leworld.planners import CEMPlanner, GradientPlanner, ICEMPlanner, MPPIPlanner, RandomShootingPlanner
from tests.control.fakes import FRAMESKIP, point_model
from tests.interop.contracts import (
    VERSIONS,
    GoalMSE,
    PlanConfig,
    ReleasedModel,
    RememberingModel,
    ShootingCostEvaluator,
    Solver,
    Space,
)
from tests.interop.test_cost import MODELS, info_of
from tests.interop.worlds import Points, ours, raw_info

PLANNERS = {
    "CEM": lambda: CEMPlanner(3, 32, num_iterations=3),
    "the last mean of CEM": lambda: CEMPlanner(3, 32, num_iterations=3, returns="mean"),
    "iCEM": lambda: ICEMPlanner(3, 32, num_iterations=3),
    "MPPI": lambda: MPPIPlanner(3, 32, num_iterations=3),
    "random shooting": lambda: RandomShootingPlanner(3, 32),
    "gradient": lambda: GradientPlanner(3, num_iterations=3),
}
SPACE = Space(np.full((3, 2), -1.0), np.full((3, 2), 1.0))


def configured(solver: SWMSolver, *, space: Space = SPACE, horizon: int = 3) -> SWMSolver:
    solver.configure(action_space=space, n_envs=len(space.low), config=PlanConfig(horizon, 1, action_block=2))
    return solver


class TestAsTheirSolver:
    @pytest.mark.parametrize("planner", PLANNERS)
    def test_plans_and_costs_are_ours(self, planner: str) -> None:
        """The same planner on our own cost with the same seeds finds the same plan at the same cost."""
        model = MODELS["LeWM"]()
        info = info_of(model, 3)
        made = configured(SWMSolver(PLANNERS[planner](), SWMCost(model)))(info)
        found, bounds = made["plan"], model.processor.block_bounds(-1.0, 1.0)
        cost = ours(model, info)
        with torch.no_grad():
            due = cost(made["actions"].unsqueeze(1))[:, 0]
        assert torch.allclose(torch.tensor(made["costs"]), due, rtol=1e-6, atol=1e-6)
        assert ((found.actions >= bounds[0]) & (found.actions <= bounds[1])).all()
        again = PLANNERS[planner]().plan(
            cost, batch=3, action_dim=4, bounds=bounds, generator=[seed_of(row) for row in range(3)]
        )
        assert torch.allclose(again.actions, made["actions"], atol=1e-5)
        assert all(weight.grad is None for weight in model.parameters())

    def test_what_it_returns(self) -> None:
        model = MODELS["LeWM"]()
        solver = configured(SWMSolver(PLANNERS["CEM"](), SWMCost(model)))
        assert isinstance(solver, Solver)
        assert (solver.action_dim, solver.n_envs, solver.horizon) == (4, 3, 3)
        for rows in (3, 1):  # a policy may ask for some of its environments
            made = solver.solve(info_of(model, rows))
            assert made["actions"].shape == (rows, 3, 4)
            assert made["actions"].dtype == torch.float32
            assert len(made["costs"]) == rows
            assert all(type(cost) is float for cost in made["costs"])
            assert torch.equal(made["mean"][0], made["actions"])

    def test_a_former_plan_that_is_shorter(self) -> None:
        """It is continued with zeros, and a search begins there."""
        model = MODELS["LeWM"]()
        solver = configured(SWMSolver(CEMPlanner(3, 2, num_elites=2, num_iterations=1), SWMCost(model)))
        former = 0.1 * torch.randn(3, 2, 4, dtype=torch.float64)
        kept = former.clone()
        started = torch.cat((former, torch.zeros(3, 1, 4)), dim=1).float()
        made = solver(info_of(model, 3), init_action=former)
        with torch.no_grad():
            due = ours(model, info_of(model, 3))(started.unsqueeze(1))[:, 0]
        assert (torch.tensor(made["costs"]) <= due + 1e-6).all()
        assert torch.equal(former, kept)
        shown: list[Tensor] = []

        class Notes:
            def get_cost(self, info_dict: dict, action_candidates: Tensor) -> Tensor:
                shown.append(action_candidates.clone())
                return action_candidates.square().sum((2, 3))

        solver = configured(SWMSolver(CEMPlanner(3, 2, num_elites=2, num_iterations=1), Notes()))
        solver({"id": torch.arange(3)[:, None]}, init_action=former)
        assert torch.allclose(torch.cat([one[:, 0] for one in shown[:3]]), started)

    def test_seeds(self) -> None:
        model = MODELS["LeWM"]()
        info = info_of(model, 3)
        planner = RandomShootingPlanner(3, 4)
        one, same, other = (configured(SWMSolver(planner, SWMCost(model), seed=s)) for s in (0, 0, 1))
        first = one(info)["actions"]
        assert torch.equal(first, same(info)["actions"])
        assert not torch.equal(first, other(info)["actions"])
        assert not torch.equal(first, one(info)["actions"])

    def test_limits_of_the_space(self) -> None:
        model = MODELS["LeWM"]()
        space = Space(np.full((3, 2), -0.01), np.full((3, 2), 0.02))
        tight = configured(SWMSolver(PLANNERS["CEM"](), SWMCost(model)), space=space)(info_of(model, 3))
        raw = model.processor.raw_actions(tight["actions"])
        assert raw.min() >= -0.01 - 1e-6
        assert raw.max() <= 0.02 + 1e-6
        wide = configured(SWMSolver(PLANNERS["CEM"](), SWMCost(model), bounded=False), space=space)
        assert model.processor.raw_actions(wide(info_of(model, 3))["actions"]).abs().max() > 0.1
        endless = Space(np.full((3, 2), -np.inf), np.full((3, 2), np.inf))
        configured(SWMSolver(PLANNERS["CEM"](), SWMCost(model)), space=endless)(info_of(model, 3))

    def test_costs_that_are_all_nan(self) -> None:
        class Nothing:
            def get_cost(self, info_dict: dict, action_candidates: Tensor) -> Tensor:
                return action_candidates.new_full(action_candidates.shape[:2], torch.nan)

        with pytest.raises(NonFiniteError):
            configured(SWMSolver(PLANNERS["CEM"](), Nothing()))({"id": torch.arange(3)})

    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize("history_len", [1, 3])
    @pytest.mark.parametrize("receding", [1, 2])
    def test_in_the_policy(self, version: str, history_len: int, receding: int) -> None:
        if history_len > 1 and receding > 1:
            history_len = 1  # main's frames of a history are one block apart
        model, world = point_model(), Points(ends=(2,))
        cost = SWMCost(model)
        solver = SWMSolver(CEMPlanner(2, 64, num_iterations=5), cost)
        config = PlanConfig(2, receding, history_len=history_len, action_block=FRAMESKIP)
        policy = VERSIONS[version]["policy"](solver, config, process=cost.process)
        policy.set_env(world)
        before = np.abs(world.positions - world.goals)[:2]
        ends, world.ends = world.ends, ()
        for step in range(3 * FRAMESKIP):
            if step == FRAMESKIP and history_len == 1:
                world.ends = ends
            sent = policy.get_action(world.infos)
            assert np.nanmax(np.abs(sent)) <= 1 + 1e-5
            world.step(sent)
        assert np.isnan(sent[2]).all() == (history_len == 1)
        assert (np.abs(world.positions - world.goals)[:2] <= before + 1e-6).all()
        assert np.abs(world.positions - world.goals)[:2].sum() < 0.8 * before.sum()


def seed_of(row: int) -> int:
    from leworld._random import fold_seed

    return fold_seed(0, 0, row)


class TestTheirCosts:
    def plain(self, model: ReleasedModel, info: dict[str, Any], actions: Tensor) -> Tensor:
        """What the model means, for any number of environments."""
        colours, goals = (info[key].to(actions)[:, 0, :2].mean((-2, -1)) for key in ("pixels", "goal"))
        moved = 0.5 * actions.unflatten(-1, (-1, 2)).sum((2, 3))
        return (colours[:, None] + moved - goals[:, None]).square().sum(-1)

    def info(self, batch: int) -> dict[str, Any]:
        info = raw_info(batch)
        for key in ("pixels", "goal"):
            info[key] = info[key].movedim(-1, 2).double() / 255
        return info

    @pytest.mark.parametrize("model", [ReleasedModel, RememberingModel])
    @pytest.mark.parametrize(("batch", "samples"), [(1, 5), (3, 5), (3, 3)])
    def test_models_of_the_release(self, model: type[ReleasedModel], batch: int, samples: int) -> None:
        made, info = model(), self.info(batch)
        cost = CostableCost(made, info)
        for count in (samples, samples, 1, samples):
            actions = torch.randn(batch, count, 3, 4)
            assert torch.allclose(cost(actions), self.plain(made, info, actions), rtol=1e-5, atol=1e-5)
        assert made.training  # as `load_pretrained` returns it; dropout took no part

    def test_as_many_goals_as_candidates_are_wrong_without_us(self) -> None:
        made, info = ReleasedModel().eval(), self.info(3)
        actions = torch.randn(3, 3, 3, 4)
        expanded = {
            key: value.float().unsqueeze(1).expand(3, 3, *value.shape[1:])
            for key, value in info.items()
            if isinstance(value, Tensor)
        }
        alone = made.get_cost(expanded, actions)
        assert not torch.allclose(alone, self.plain(made, info, actions), rtol=0.01)

    @pytest.mark.parametrize("model", [ReleasedModel, RememberingModel])
    def test_frames_are_encoded_once_for_each_row(self, model: type[ReleasedModel]) -> None:
        made = model()
        PLANNERS["CEM"]().plan(CostableCost(made, self.info(2)), batch=2, action_dim=4)
        assert made.encoded == 2 * (2 + 2)  # frames and goals, for the search and for a look at its answer

    def test_nothing_is_stale_in_the_next_search(self) -> None:
        made, info, actions = RememberingModel(), self.info(2), torch.randn(2, 4, 3, 4)
        first = CostableCost(made, info)(actions)
        info["pixels"] = info["pixels"].flip(0)  # the ids are as before
        second = CostableCost(made, info)(actions)
        assert torch.allclose(second, self.plain(made, info, actions), rtol=1e-5, atol=1e-5)
        assert not torch.allclose(first, second)

    @pytest.mark.parametrize("planner", PLANNERS)
    def test_every_planner_plans_with_them(self, planner: str) -> None:
        made, info = RememberingModel(), self.info(3)
        plan = PLANNERS[planner]().plan(CostableCost(made, info), batch=3, action_dim=4, generator=1)
        due = self.plain(made, info, plan.actions.unsqueeze(1))[:, 0]
        assert torch.allclose(plan.cost, due, rtol=1e-5, atol=1e-5)
        assert made.scale.grad is None

    def test_an_evaluator_of_main_over_our_model(self) -> None:
        """There and back: our model in their evaluator, as a cost for our planners."""
        model = MODELS["LeWM"]()
        info = info_of(model, 3)
        cost = CostableCost(ShootingCostEvaluator(SWMCost(model), GoalMSE()), info)
        actions = torch.randn(3, 6, 4, 4)
        with torch.no_grad():
            assert torch.allclose(cost(actions), ours(model, info)(actions), rtol=1e-6, atol=1e-6)

    def test_the_info_is_copied(self) -> None:
        made, info = ReleasedModel(), self.info(2)
        before = copy.deepcopy(info)
        cost, actions = CostableCost(made, info), torch.randn(2, 4, 3, 4)
        first, kept = cost(actions), actions.clone()
        assert info.keys() == before.keys()
        assert torch.equal(info["pixels"], before["pixels"])
        info["pixels"].zero_()
        assert torch.equal(cost(actions), first)
        assert torch.equal(actions, kept)

    def test_where_it_computes(self) -> None:
        assert CostableCost(ReleasedModel().double(), self.info(2)).dtype == torch.float64
        assert (
            CostableCost(ReleasedModel().bfloat16(), self.info(2))(
                torch.zeros(2, 3, 2, 4, dtype=torch.bfloat16)
            )
            .isfinite()
            .all()
        )
        assert len(CostableCost(ReleasedModel(), self.info(2))) == 2
