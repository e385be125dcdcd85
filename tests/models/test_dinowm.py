"""DINO-WM: the contract, its own checks, wrong ones, and its rollout against the definition."""

import pytest
import torch

from leworld.costs import GoalCost
from leworld.data import Batch
from leworld.encoders import FusedEncoder, LinearEncoder
from leworld.errors import ConfigError
from leworld.models import DINOWM, WorldModel, rollout_flops
from leworld.models import _dinowm as module
from leworld.planners import CEMPlanner, GradientPlanner
from leworld.predictors import TokenTransformerPredictor
from tests.models.checks import plan_inputs
from tests.models.checks_dinowm import ALL
from tests.models.contract import CONTRACT
from tests.models.dinowm import PatchEncoder, batch, dinowm
from tests.models.wrong_dinowm import RIGHT, WRONG, spoiled

CHECKS = {check.__name__: check for check in (*ALL, *CONTRACT)}
# The distance is DINO-WM's objective, which its own check knows.
GENERAL = [check for check in CONTRACT if check.__name__ != "check_distance_counts_every_axis"]


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.__name__)
def test_conforms(check) -> None:
    check(lambda: dinowm(proprio_weight=0.3))


@pytest.mark.parametrize("check", GENERAL, ids=lambda check: check.__name__)
@pytest.mark.parametrize("proprio", [True, False], ids=["proprio", "noprop"])
def test_keeps_the_contract(proprio: bool, check) -> None:
    check(lambda: dinowm(proprio=proprio))


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_wrong_model_is_rejected(wrong: type[DINOWM]) -> None:
    with pytest.raises(AssertionError):
        CHECKS[WRONG[wrong]](lambda: spoiled(wrong))


@pytest.mark.parametrize("right", RIGHT, ids=lambda right: right.__name__)
def test_the_right_ones_that_they_derive_from_are_not(right: type[DINOWM]) -> None:
    for name in set(WRONG.values()):
        CHECKS[name](lambda: spoiled(right))


@pytest.mark.parametrize("history_size", [1, 3, 6])
@torch.no_grad()
def test_the_rollout_is_the_definition_also_where_the_window_slides(history_size: int) -> None:
    model = dinowm(history_size=history_size).eval().double()
    for time, horizon in ((1, 5), (2, 7), (4, 3), (7, 2)):
        arguments = [tensor.double() for tensor in plan_inputs(model, time, horizon)]
        expected = WorldModel._rollout(model, *arguments)
        torch.testing.assert_close(model.rollout(*arguments), expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("training", [True, False])
@torch.no_grad()
def test_many_candidates_go_in_pieces_and_are_the_same(
    training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = dinowm().train(training)
    arguments = plan_inputs(model, 2, 4)
    whole = model.rollout(*arguments)
    calls = []
    roll = DINOWM._roll
    monkeypatch.setattr(module, "_TOKENS_AT_ONCE", {"cpu": 2 * 3 * 4 * 2})
    monkeypatch.setattr(
        DINOWM, "_roll", lambda self, *inputs: calls.append(inputs[2].shape[1]) or roll(self, *inputs)
    )
    torch.testing.assert_close(model.rollout(*arguments), whole, rtol=1e-5, atol=1e-6)
    assert calls == [2, 1]


def test_gradients_of_a_plan_are_those_of_the_definition() -> None:
    model = dinowm().eval().double()
    context, past, actions = (tensor.double() for tensor in plan_inputs(model, 1, 5))
    actions.requires_grad_()
    weight = torch.randn(2, 3, 5, 4, 8, dtype=torch.float64)
    one, other = (
        torch.autograd.grad((rolled * weight).sum(), actions)[0]
        for rolled in (
            model.rollout(context, past, actions),
            WorldModel._rollout(model, context, past, actions),
        )
    )
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


def test_without_what_is_felt_the_loss_is_the_visual_error() -> None:
    model = dinowm(proprio=False)
    losses = model.loss(batch(proprio=False))
    assert list(losses.terms) == ["visual"]
    assert model.observation_parts == ("pixels",)
    one, other = torch.randn(2, 3, 4, 6)
    expected = (one - other).square().mean((1, 2))
    torch.testing.assert_close(model.latent_distance(one, other), expected)


def test_an_optimiser_step_lowers_the_loss_and_leaves_the_encoder() -> None:
    model, data = dinowm().train(), batch(16)
    features = {name: value.clone() for name, value in model.encoder.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    values = []
    for _ in range(30):
        losses = model.loss(data)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        values.append(losses.total.item())
    assert values[-1] < 0.8 * values[0]
    assert all(torch.equal(value, features[name]) for name, value in model.encoder.state_dict().items())


def published_flops(windows: list[int], tokens: int, dim: int, *, hidden: bool) -> float:
    """By formula: 6 layers, 16 heads of 64, an MLP of 2048, with or without the pairs that a mask hides."""
    layer = 2 * (dim * 3 * 1024 + 1024 * dim + 2 * dim * 2048)
    pairs = [tokens**2 * (frames**2 if hidden else frames * (frames + 1) / 2) for frames in windows]
    return sum(6 * (n * tokens * layer + 4 * 1024 * seen) for n, seen in zip(windows, pairs, strict=True))


def test_operations_of_the_published_size() -> None:
    """Counted by torch and by formula; 123.6 GFLOP a candidate where hidden pairs are computed as well."""
    with torch.device("meta"):
        predictor = TokenTransformerPredictor(394, 196)
        encoder = torch.nn.Module()
        encoder.num_tokens, encoder.embedding_dim = 196, 384
        model = DINOWM(encoder, predictor, action_encoder=LinearEncoder(10), proprio_encoder=LinearEncoder(4))
    assert sum(p.numel() for p in predictor.parameters()) == 20_122_600
    windows = [1, 2, 3, 3, 3]
    published = published_flops(windows, 196, 404, hidden=True)
    assert published == pytest.approx(123.6e9, rel=1e-3)
    assert published / 0.281729376e9 == pytest.approx(439, rel=0.02)
    seen = published_flops(windows, 196, 404, hidden=False)
    assert rollout_flops(model, horizon=5, cached=False) == pytest.approx(seen, rel=1e-5)
    assert rollout_flops(model, horizon=5) < 0.75 * seen


def test_the_rollout_compiles_without_a_graph_break() -> None:
    model = dinowm(history_size=2).eval()
    arguments = plan_inputs(model, 1, 3)
    compiled = torch.compile(model.rollout, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*arguments), model.rollout(*arguments), atol=1e-5, rtol=1e-5)


def test_the_training_step_compiles_without_a_graph_break() -> None:
    model, data = dinowm(), batch()

    def step(data: Batch) -> torch.Tensor:
        return model.loss(data).total

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(data), step(data), atol=1e-5, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
def test_functional_transforms_see_the_cost() -> None:
    """Forward mode and vmap agree with backward mode, one candidate at a time."""
    model = dinowm().eval().double().requires_grad_(False)
    context, past, actions = (tensor.double() for tensor in plan_inputs(model, 2, 4))
    goal = torch.randn(2, 4, 8, dtype=torch.float64)

    def cost(blocks: torch.Tensor) -> torch.Tensor:
        end = model.rollout(context, past, blocks[None, None].expand(2, 1, -1, -1))[:, 0, -1]
        return model.latent_distance(end, goal).sum()

    blocks, direction = actions[0, :, :, :], torch.randn(4, 4, dtype=torch.float64)
    gradients = torch.func.vmap(torch.func.grad(cost))(blocks)
    for one, gradient in zip(blocks, gradients, strict=True):
        leaf = one.clone().requires_grad_()
        expected = torch.autograd.grad(cost(leaf), leaf)[0]
        torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-10)
        _, slope = torch.func.jvp(cost, (one,), (direction,))
        torch.testing.assert_close(slope, (expected * direction).sum(), rtol=1e-9, atol=1e-10)


@torch.no_grad()
def test_half_precision_is_as_close_as_the_definition() -> None:
    model = dinowm().eval()
    arguments = plan_inputs(model, 2, 4)
    exact = model.rollout(*arguments)
    model.bfloat16()
    halves = [tensor.bfloat16() for tensor in arguments]
    ours, definition = model.rollout(*halves), WorldModel._rollout(model, *halves)
    assert ours.dtype == torch.bfloat16
    assert (ours - exact).norm() < 2 * (definition - exact).norm() + 1e-3 * exact.norm()


def test_plans_reach_a_goal_that_the_model_can_imagine() -> None:
    """Through GoalCost, CEM and a gradient planner: the cost falls well below that of doing nothing."""
    model = dinowm().eval()
    context = torch.randn(2, 1, 4, 8, generator=torch.Generator().manual_seed(1))
    actions = torch.randn(2, 1, 3, 4, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        goal = model.rollout(context, actions[:, 0, :0], actions)[:, 0, -1]
    cost = GoalCost(model, goal, context=context)
    idle = cost(torch.zeros(2, 1, 3, 4))[:, 0]
    for planner in (
        CEMPlanner(3, 200, num_iterations=10),
        GradientPlanner(3, num_iterations=60),
    ):
        plan = planner.plan(cost, batch=2, action_dim=4)
        assert (plan.cost < 0.2 * idle).all()


def test_an_encoder_of_several_parts_is_refused_at_once() -> None:
    pictures = PatchEncoder()
    several = FusedEncoder({"pixels": pictures, "proprio": LinearEncoder(2, 2)}, 6, fusion="tile")
    predictor, actions = dinowm(proprio=False).predictor, LinearEncoder(4, 3)
    with pytest.raises(ConfigError, match="reads `pixels`, `proprio`"):
        DINOWM(several, predictor, action_encoder=actions)
    one = FusedEncoder({"pixels": pictures}, 6, fusion="tile")
    assert DINOWM(one, predictor, action_encoder=actions).observation_parts == ("pixels",)
