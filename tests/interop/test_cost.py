"""A model of leworld in the solvers, policy and evaluator of stable-worldmodel, both versions."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from leworld.control import MPCPolicy
from leworld.costs import GoalCost, ReturnCost
from leworld.data import Observation, Processor, VectorPart
from leworld.errors import ShapeError
from leworld.interop import SWMCost
from leworld.models import WorldModel
from leworld.planners import CEMPlanner
from tests.control.fakes import FRAMESKIP, paint, point_model
from tests.interop.contracts import (
    VERSIONS,
    Actionable,
    Costable,
    GoalMSE,
    LagrangianSolver,
    PlanConfig,
    SamplingSolver,
    ShootingCostEvaluator,
    Space,
    expand,
)
from tests.interop.worlds import Points, ours, raw_info
from tests.models.cases import lewm, pldm
from tests.models.dinowm import dinowm
from tests.models.tdmpc2 import tdmpc2
from tests.models.toys import Recurrent

CONFIG = PlanConfig(horizon=4, receding_horizon=2, action_block=2)
SPACE = Space(-torch.ones(3, 2).numpy(), torch.ones(3, 2).numpy())
PROPRIO = {"proprio": VectorPart((228.8, 292.2), (103.3, 98.9))}


def processor(**options: Any) -> Processor:
    return Processor(8, frameskip=2, action_dim=2, action_mean=(0.1, -0.2), action_std=(0.3, 2.0), **options)


def prepared(model: WorldModel, **options: Any) -> WorldModel:
    model.processor = processor(**options)
    return model.eval()


MODELS = {
    "LeWM": lambda: prepared(lewm()),
    "PLDM": lambda: prepared(pldm()),
    "DINOWM": lambda: prepared(dinowm(), parts=PROPRIO),
}


def info_of(model: WorldModel, batch: int, **options: Any) -> dict[str, Any]:
    info = raw_info(batch, size=8, **options)
    if "proprio" in model.observation_parts:
        draw = torch.Generator().manual_seed(3)
        for key, frames in (("proprio", info["pixels"].shape[1]), ("goal_proprio", 1)):
            info[key] = 250 + 90 * torch.randn(batch, frames, 2, generator=draw, dtype=torch.float64)
    return info


def solved(cost: Any, info: dict[str, Any], *, version: str = "0.1.1", **options: Any) -> SamplingSolver:
    solver = SamplingSolver(cost, **options)
    solver.configure(action_space=SPACE, n_envs=len(info["pixels"]), config=CONFIG)
    before = copy.deepcopy(info)
    solver(info)
    assert info.keys() == before.keys()
    return solver


def check(solver: SamplingSolver, cost: GoalCost, *, tolerance: float = 1e-6) -> None:
    """Compare every cost that a solver was given with leworld's own of all rows at once."""
    for rows, candidates, found in solver.noted:
        batch = len(cost.goal)
        everywhere = torch.zeros(batch, *candidates.shape[1:], dtype=candidates.dtype)
        everywhere[rows] = candidates.clone()
        with torch.no_grad():
            due = cost(everywhere)[rows]
        assert torch.allclose(found.float(), due.float(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    ("batch", "size", "samples"), [(1, 1, 8), (3, 1, 8), (3, 3, 8), (3, 2, 8), (3, 3, 3)]
)
def test_costs_are_ours(kind: str, batch: int, size: int, samples: int) -> None:
    model = MODELS[kind]()
    info = info_of(model, batch)
    solver = solved(SWMCost(model), info, batch_size=size, num_samples=samples)
    assert len(solver.noted) == 3 * -(-batch // size)
    check(solver, ours(model, info))


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("frames", [2, 3, 5])
def test_a_history_of_frames_and_blocks(kind: str, frames: int) -> None:
    """Main sends both; a model looks at its last `history_size`, here 3."""
    model = MODELS[kind]()
    info = info_of(model, 3, frames=frames)
    past = torch.randn(3, frames - 1, 4, generator=torch.Generator().manual_seed(1))
    last = past[:, -(model.history_size - 1) :]
    check(solved(SWMCost(model), info | {"action_history": past}, batch_size=3), ours(model, info, last))
    turned = solved(SWMCost(model), info | {"action_history": past.flip(0)}, batch_size=3)
    with pytest.raises(AssertionError):
        check(turned, ours(model, info, last))


def test_actions_before_an_episode_are_the_mean_action() -> None:
    model = MODELS["LeWM"]()
    info = info_of(model, 3, frames=2)
    solver = solved(SWMCost(model), info | {"action_history": torch.full((3, 1, 4), torch.nan)})
    check(solver, ours(model, info, torch.zeros(3, 1, 4)))


@pytest.mark.parametrize("kind", MODELS)
def test_half_precision(kind: str) -> None:
    model = MODELS[kind]().to(torch.bfloat16)
    info = info_of(model, 3)
    solver = solved(SWMCost(model), info, batch_size=3)
    assert solver.dtype == torch.bfloat16
    assert all(found.isfinite().all() for _, _, found in solver.noted)
    raw = dict(info)
    for key in ("proprio", "goal_proprio"):  # the solver's dtype is what arrives
        if key in raw:
            raw[key] = raw[key].to(torch.bfloat16).float()
    check(solver, ours(model, raw))


def test_double_precision() -> None:
    model = MODELS["LeWM"]().double()
    info = info_of(model, 3)
    solver = solved(SWMCost(model), info, batch_size=3)
    assert solver.noted[0][1].dtype == torch.float64
    check(solver, ours(model, info), tolerance=1e-12)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", MODELS)
def test_gradients_reach_candidates_and_no_weight(kind: str, version: str) -> None:
    model = MODELS[kind]()
    info = info_of(model, 3)
    cost = SWMCost(model)
    learning = {name: weight.requires_grad for name, weight in model.named_parameters()}
    solved(cost, info)  # what a search under inference_mode leaves behind
    solver = VERSIONS[version]["gradient"](cost)
    solver.configure(action_space=SPACE, n_envs=3, config=CONFIG)
    solver(info)
    check(solver, ours(model, info))
    first, last = solver.noted[0], solver.noted[-1]
    assert last[2].sum() < first[2].sum()
    assert all(weight.grad is None for weight in model.parameters())
    assert {name: weight.requires_grad for name, weight in model.named_parameters()} == learning
    actions = first[1].clone().requires_grad_()
    (due,) = torch.autograd.grad(ours(model, info)(actions).sum(), actions)
    again = first[1].clone().requires_grad_()
    cost.get_cost(expand(info, slice(0, 3), 8, torch.float32), again).sum().backward()
    assert torch.allclose(again.grad, due, rtol=1e-5, atol=1e-5)


def test_the_info_is_left_as_it_was() -> None:
    model = MODELS["DINOWM"]()
    info = expand(info_of(model, 2), slice(0, 2), 5, torch.float32)
    before = copy.deepcopy(info)
    cost, candidates = SWMCost(model), torch.randn(2, 5, 3, 4)
    kept = candidates.clone()
    cost.get_cost(info, candidates)
    made = cost.rollout(info, candidates)
    assert list(info) == list(before)
    for key, value in before.items():
        assert torch.equal(info[key].nan_to_num(), value.nan_to_num()) if isinstance(value, Tensor) else True
    assert torch.equal(candidates, kept)
    assert made.keys() - info.keys() == {"predicted_emb"}


class TestWhatChangesIsSeen:
    """The same dict, with other frames, goals, blocks, weights: never a stale cost."""

    @pytest.mark.parametrize("key", ["pixels", "goal", "action_history"])
    def test_an_entry(self, key: str) -> None:
        model = MODELS["LeWM"]()
        past = torch.randn(2, 1, 4, generator=torch.Generator().manual_seed(1))
        info = info_of(model, 2, frames=2) | {"action_history": past}
        cost, candidates = SWMCost(model), torch.zeros(2, 5, 3, 4)
        first = cost.get_cost(expand(info, slice(0, 2), 5, torch.float32), candidates)
        info[key][:] = info[key].flip(0).clone()  # in place, as their environments do
        after = cost.get_cost(expand(info, slice(0, 2), 5, torch.float32), candidates)
        assert not torch.allclose(first, after)
        assert torch.allclose(after, ours(model, info, info["action_history"])(candidates))

    @pytest.mark.parametrize("under", [torch.no_grad, torch.inference_mode])
    def test_weights(self, under: Any) -> None:
        model = MODELS["LeWM"]()
        info = expand(info_of(model, 2), slice(0, 2), 5, torch.float32)
        cost, candidates = SWMCost(model), torch.zeros(2, 5, 3, 4)
        with under():
            first = cost.get_cost(info, candidates)
        with torch.no_grad():
            next(model.parameters()).add_(1.0)
        with under():
            after = cost.get_cost(info, candidates)
        assert not torch.allclose(first, after)

    def test_the_horizon(self) -> None:
        model = MODELS["LeWM"]()
        horizons = []
        cost = SWMCost(
            model, cost=lambda situation: horizons.append(situation.horizon) or (lambda a: a.sum((2, 3)))
        )
        info = expand(info_of(model, 2), slice(0, 2), 5, torch.float32)
        for horizon in (3, 3, 2):
            cost.get_cost(info, torch.zeros(2, 5, horizon, 4))
        assert horizons == [3, 2]


def test_frames_are_encoded_once_a_search() -> None:
    model = point_model()
    solved(SWMCost(model), raw_info(3), batch_size=3)
    assert model.encoded == [3, 3]  # frames, then goals


def test_a_model_in_training_mode() -> None:
    model = prepared(lewm(dropout=0.5)).train()
    info = info_of(model, 3)
    check(solved(SWMCost(model), info, batch_size=3), ours(copy.deepcopy(model).eval(), info))
    assert model.training


def test_normalised_by_the_policy() -> None:
    """Their transform and process with the model's statistics say the same as raw entries."""
    model = MODELS["DINOWM"]()
    info = info_of(model, 3)
    known = model.processor
    seen = dict(info)
    for key in ("pixels", "goal"):
        seen[key] = replace(known, parts={}).observations(info[key])
    for key in ("proprio", "goal_proprio"):
        mean, std = (torch.tensor(value, dtype=torch.float64) for value in ((228.8, 292.2), (103.3, 98.9)))
        seen[key] = (info[key] - mean) / std
    check(
        solved(SWMCost(model, observations="normalised"), seen, batch_size=3),
        ours(model, info),
        tolerance=1e-5,
    )
    for given, mode in ((seen, "raw"), (info, "normalised")):
        with pytest.raises(ShapeError, match="observations="):
            solved(SWMCost(model, observations=mode), given)


def test_entries_of_other_names() -> None:
    model = MODELS["DINOWM"]()
    info = info_of(model, 3)
    other = {
        ("arm" if key == "proprio" else "goal_arm" if key == "goal_proprio" else key): v
        for key, v in info.items()
    }
    check(solved(SWMCost(model, keys={"proprio": "arm"}), other, batch_size=3), ours(model, info))


@pytest.mark.parametrize("kind", ["LeWM", "PLDM"])
@pytest.mark.parametrize("frames", [1, 3])
def test_the_evaluator_of_main(kind: str, frames: int) -> None:
    """Their objective is the summed squared distance, which is a LeWM's own cost."""
    model = MODELS[kind]()
    info = info_of(model, 3, frames=frames)
    past = torch.randn(3, frames - 1, 4, generator=torch.Generator().manual_seed(1))
    cost = SWMCost(model)
    sent = info if frames == 1 else info | {"action_history": past}
    solver = solved(ShootingCostEvaluator(cost, GoalMSE()), sent, batch_size=3)
    check(solver, ours(model, info, past))
    made = cost.rollout(expand(sent, slice(0, 3), 8, torch.float32), solver.noted[0][1].clone())
    assert made["predicted_emb"].shape == (3, 8, frames + CONFIG.horizon, 5)
    assert not hasattr(cost, "extra_encoders")  # of which main asks for PreJEPA's goals


def test_tokens_in_the_evaluator_of_main() -> None:
    model = MODELS["DINOWM"]()
    info = info_of(model, 3)
    solver = solved(ShootingCostEvaluator(SWMCost(model), GoalMSE()), info, batch_size=3)
    ahead = SWMCost(model).rollout(expand(info, slice(0, 3), 8, torch.float32), solver.noted[0][1].clone())
    goal = ours(model, info).goal[:, None]
    assert torch.allclose(solver.noted[0][2], (ahead["predicted_emb"][:, :, -1] - goal).square().sum((2, 3)))


def test_a_model_that_carries_a_state() -> None:
    model = Recurrent().eval()
    model.processor = Processor(8, frameskip=2, action_dim=2, action_mean=(0.0, 0.0), action_std=(1.0, 1.0))
    info, past = info_of(model, 3, frames=3), torch.randn(3, 2, 4)
    cost = SWMCost(model)
    candidates = torch.randn(3, 6, 4, 4)
    expanded = expand(info | {"action_history": past}, slice(0, 3), 6, torch.float32)
    found = cost.get_cost(expanded, candidates)
    seen = model.processor.observations(info["pixels"])
    state = model.observe(None, seen[:, 0])
    for t in (1, 2):
        state = model.observe(state, seen[:, t], past[:, t - 1])
    goal = model.encode(model.processor.observations(info["goal"]))[:, 0]
    due = GoalCost(model, goal, state=state)(candidates)
    assert torch.allclose(found, due)
    other = cost.get_cost(expand(info | {"action_history": -past}, slice(0, 3), 6, torch.float32), candidates)
    assert not torch.allclose(found, other)


def test_a_cost_that_needs_no_goal() -> None:
    model = tdmpc2().eval()
    model.processor = Processor(
        None,
        frameskip=2,
        action_dim=2,
        action_mean=(0.0, 0.0),
        action_std=(1.0, 1.0),
        parts={"proprio": VectorPart((0.0,) * 3, (1.0,) * 3)},
    )
    info = {"proprio": torch.randn(3, 1, 3, dtype=torch.float64), "action": torch.full((3, 1, 2), torch.nan)}
    info |= {"pixels": torch.zeros(3, 1, 8, 8, 3, dtype=torch.uint8)}
    cost = SWMCost(model, cost=lambda situation: ReturnCost(situation.model, state=situation.state))
    solver = solved(cost, info, batch_size=3)
    latents = model.encode(
        model.processor.observations(Observation(parts={"proprio": info["proprio"].float()}))
    )
    with torch.no_grad():
        due = ReturnCost(model, context=latents)(solver.noted[0][1].clone())
    assert torch.allclose(solver.noted[0][2], due, rtol=1e-6, atol=1e-6)


def test_constraints() -> None:
    model = MODELS["LeWM"]()
    info = info_of(model, 3)

    def constraints(situation):
        return lambda actions: torch.stack((actions[:, :, 0, 0] - 0.1, -actions[:, :, 0, 1]), dim=-1)

    solver = LagrangianSolver(SWMCost(model, constraints=constraints))
    solver.configure(action_space=SPACE, n_envs=3, config=CONFIG)
    made = solver(info)["actions"]
    assert torch.allclose(solver.limits[:, 0], torch.stack((made[:, 0, 0] - 0.1, -made[:, 0, 1]), dim=-1))
    assert not hasattr(SWMCost(model), "get_constraints")
    twin = copy.deepcopy(SWMCost(model, constraints=constraints))
    assert twin.get_constraints.__self__ is twin


def test_the_protocols() -> None:
    cost = SWMCost(MODELS["LeWM"]())
    assert isinstance(cost, Costable)
    assert not isinstance(cost, Actionable)
    assert next(cost.parameters()) is next(cost.model.parameters())
    info = expand(info_of(cost.model, 2), slice(0, 2), 5, torch.float32)
    candidates = torch.randn(2, 5, 3, 4)
    assert torch.equal(cost.criterion(info, candidates), cost.get_cost(info, candidates))


class TestInThePolicy:
    """The whole way, in an environment of points that are drawn as colours."""

    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize("history_len", [1, 3])
    def test_what_is_sent_is_in_raw_units(self, version: str, history_len: int) -> None:
        model, world = point_model(), Points()
        cost = SWMCost(model)
        config = PlanConfig(2, 1, history_len=history_len, action_block=FRAMESKIP)
        solver = SamplingSolver(cost, num_samples=200, topk=20)
        policy = VERSIONS[version]["policy"](solver, config, process=cost.process)
        policy.set_env(world)
        before = (world.positions - world.goals) ** 2
        for _ in range(4 * FRAMESKIP):
            actions = policy.get_action(world.infos)
            assert actions.shape == (3, 2)
            world.step(actions)
        assert ((world.positions - world.goals) ** 2).sum() < 0.5 * before.sum()
        assert all(keys >= {"env_name", "id", "terminated"} for keys in solver.keys)

    def test_the_plan_is_that_of_our_policy(self) -> None:
        """One search over one set of candidates: the same choice, and the same raw actions."""
        model, world = point_model(), Points()
        cost = SWMCost(model)
        solver = SamplingSolver(cost, num_samples=64, topk=1, batch_size=3)
        policy = VERSIONS["0.1.1"]["policy"](
            solver, PlanConfig(2, 2, action_block=FRAMESKIP), process=cost.process
        )
        policy.set_env(world)
        first = policy.get_action(world.infos)
        ours_policy = MPCPolicy(model, CEMPlanner(2, 64), action_limits=(-100, 100))
        ours_policy.reset(paint(world.goals))
        ours_policy.act(paint(world.positions))
        blocks = torch.stack([c[r.argmin()] for c, r in zip(*solver.noted[-1][1:], strict=True)])
        raw = model.processor.raw_actions(blocks)[:, 0, 0]
        assert torch.allclose(torch.from_numpy(first), raw, atol=1e-6)

    def test_environments_that_ended_and_subsets(self) -> None:
        model, world = point_model(), Points(ends=(1,))
        cost = SWMCost(model)
        policy = VERSIONS["0.1.1"]["policy"](
            SamplingSolver(cost), PlanConfig(2, 1, action_block=FRAMESKIP), process=cost.process
        )
        policy.set_env(world)
        for _ in range(FRAMESKIP + 1):
            sent = policy.get_action(world.infos)
            world.step(sent)
        assert torch.from_numpy(sent).isnan().tolist() == [[False] * 2, [True] * 2, [False] * 2]
        assert [rows for rows, _, _ in policy.solver.noted[-6::3]] == [slice(0, 1), slice(1, 2)]
