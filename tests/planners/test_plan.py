import pytest
import torch
from torch import nn

from leworld.errors import NonFiniteError
from leworld.planners import CEMPlanner, ICEMPlanner, MPPIPlanner, Outcome, plan
from tests.fake_clock import fake_clock
from tests.planners.problems import separable


def quadratic(actions):
    return (actions - 0.5).square().sum((2, 3))


def test_method_and_function_are_one():
    planner = CEMPlanner(3, 50, num_elites=5)
    one = planner.plan(quadratic, batch=2, action_dim=2)
    two = plan(quadratic, planner, batch=2, action_dim=2)
    assert torch.equal(one.actions, two.actions)


def test_throw():
    def hopeless(actions):
        return torch.where(torch.tensor([[False], [True]]), torch.nan, quadratic(actions))

    planner = CEMPlanner(3, 50, num_elites=5, num_iterations=2)
    with pytest.raises(NonFiniteError, match="all 101 costs of row 1") as caught:
        planner.plan(hopeless, batch=2, action_dim=2, throw=True)
    assert "throw=False" in caught.value.fix
    assert planner.plan(hopeless, batch=2, action_dim=2).outcome[1] is Outcome.non_finite_cost
    planner.plan(quadratic, batch=2, action_dim=2, throw=True)


def test_init_is_the_first_candidate_and_clipped_to_the_bounds():
    seen = []

    def cost(actions):
        seen.append(actions[:, 0].clone())
        return quadratic(actions)

    init = torch.linspace(-2, 2, 6).reshape(1, 3, 2)
    CEMPlanner(3, 50, num_elites=5).plan(cost, batch=1, action_dim=2, init=init, bounds=(-1.0, torch.ones(2)))
    assert torch.equal(seen[0], init.clamp(-1, 1))


def test_dtypes():
    for dtype in (torch.float64, torch.bfloat16, torch.float16):
        shown = set()

        def cost(actions, shown=shown):
            shown.add(actions.dtype)
            return quadratic(actions)

        found = CEMPlanner(3).plan(cost, batch=1, action_dim=2, init=torch.zeros(1, 3, 2, dtype=dtype))
        assert shown == {dtype}
        assert found.actions.dtype == dtype
        torch.testing.assert_close(
            found.actions.double(), torch.full((1, 3, 2), 0.5).double(), atol=0.01, rtol=0
        )


def test_the_home_of_candidates_is_the_costs():
    class Cost:
        device, dtype = torch.device("meta"), torch.bfloat16

        def __call__(self, actions):
            assert actions.dtype == torch.bfloat16
            assert actions.device.type == "meta"
            raise RuntimeError("reached")

    with pytest.raises(RuntimeError, match="reached"):
        CEMPlanner(3).plan(Cost(), batch=1, action_dim=2)


def test_a_half_precision_cost_plans_in_float32():
    found = CEMPlanner(3).plan(lambda actions: quadratic(actions).bfloat16(), batch=1, action_dim=2)
    assert found.cost.dtype == torch.float32
    assert found.cost.item() < 0.05


def test_no_gradient_is_recorded_and_none_is_left():
    layer = nn.Linear(2, 1, dtype=torch.float32)
    found = CEMPlanner(3, 20, num_elites=2).plan(
        lambda actions: layer(actions).square().sum((2, 3)), batch=1, action_dim=2
    )
    assert not found.actions.requires_grad
    assert not found.cost.requires_grad
    assert layer.weight.grad is None
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(("time_budget", "begun"), [(1e-9, 1), (1.0, 1), (1.5, 2), (3.0, 3), (3.5, 4)])
def test_time_budget(time_budget, begun):
    """Every evaluation takes a second: those begin that the budget leaves a moment, at least one."""

    def slow(actions):
        clock.seconds += 1.0
        return quadratic(actions)

    planner = CEMPlanner(3, 30, num_elites=3, num_iterations=1000)
    with fake_clock() as clock:
        found = planner.plan(slow, batch=2, action_dim=2, time_budget=time_budget)
    assert found.outcome == (Outcome.time_limit, Outcome.time_limit)
    assert torch.equal(found.cost, quadratic(found.actions[:, None])[:, 0])
    assert found.trace.best_cost.shape == (2, begun)


def test_trace():
    instance = separable(range(3), 4)
    found = CEMPlanner(4, 100, num_elites=10, num_iterations=7).plan(instance.cost, batch=3, action_dim=2)
    trace = found.trace
    assert trace.num_evaluations == 701
    assert (trace.best_cost.diff(dim=1) <= 0).all()
    assert (trace.best_cost <= trace.mean_cost).all()
    assert (trace.std.diff(dim=1) < 0).all()
    assert trace.num_non_finite.tolist() == [0, 0, 0]
    assert found.outcome == (Outcome.iteration_limit,) * 3


def test_a_compiled_cost_gives_the_same_plan():
    compiled = torch.compile(quadratic, backend="eager", fullgraph=True)
    planner = CEMPlanner(3, 50, num_elites=5)
    eager = planner.plan(quadratic, batch=2, action_dim=2)
    assert torch.equal(eager.actions, planner.plan(compiled, batch=2, action_dim=2).actions)


def test_a_cost_may_answer_into_the_same_memory():
    """As a captured CUDA graph does: what it said before must not change with what it says now."""
    planner, answer = (
        CEMPlanner(3, 40, num_elites=5, num_iterations=4),
        torch.empty(1, 40, dtype=torch.float32),
    )

    def cost(actions):
        return (actions - 0.5).square().sum((2, 3))

    def reusing(actions):
        return answer[:, : actions.shape[1]].copy_(cost(actions))

    plain, reused = (planner.plan(function, batch=1, action_dim=2) for function in (cost, reusing))
    assert torch.equal(plain.actions, reused.actions)
    assert torch.equal(plain.trace.mean_cost, reused.trace.mean_cost)


@pytest.mark.parametrize("kind", [CEMPlanner, ICEMPlanner, MPPIPlanner])
def test_how_the_first_guess_lies_in_memory_changes_nothing(kind):
    """A transposed guess, as a time-first rollout leaves it; one row keeps it for want of a finite cost."""
    guess = torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(0)).transpose(0, 1)
    assert not guess.is_contiguous()

    def cost(actions):
        costs = (actions - 0.5).square().sum((2, 3))
        costs[1] = torch.inf
        return costs

    planner = kind(4, 60, num_iterations=4)
    views, copied = (
        planner.plan(cost, batch=3, action_dim=2, init=init) for init in (guess, guess.contiguous())
    )
    assert torch.equal(views.actions, copied.actions)
    assert torch.equal(views.trace.std, copied.trace.std)


@pytest.mark.gpu
def test_on_a_gpu():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    planner = CEMPlanner(3)
    init = torch.zeros(2, 3, 2, device="cuda")
    on_gpu = planner.plan(quadratic, batch=2, action_dim=2, init=init, bounds=(-1.0, 1.0))
    on_cpu = planner.plan(quadratic, batch=2, action_dim=2, bounds=(-1.0, 1.0))
    torch.testing.assert_close(on_gpu.actions.cpu(), on_cpu.actions, atol=5e-3, rtol=0)
