"""What `plan` takes as bounds, first guess and generator; counts of elites; and what planners look like."""

import re

import gymnasium
import numpy as np
import pytest
import torch

from leworld.errors import ConfigError, LeWorldError, ShapeError
from leworld.models import Losses
from leworld.planners import (
    BestSoFar,
    CategoricalCEMPlanner,
    CEMPlanner,
    Evaluated,
    GradientPlanner,
    ICEMPlanner,
    Outcome,
    Plan,
    SearchState,
    Trace,
)
from tests.planners.conformance import PLANNERS


def quadratic(actions):
    return (actions - 2.0).square().sum((2, 3))


def plan(planner=None, **options):
    planner = planner or CEMPlanner(2, 20, num_iterations=2)
    return planner.plan(quadratic, **({"batch": 2, "action_dim": 2} | options))


BOX = gymnasium.spaces.Box(np.float32([-0.5, -0.3]), np.float32([0.5, 0.3]))
LOW, HIGH = torch.tensor([[-0.5, -0.3], [0.5, 0.3]], dtype=torch.float32)
SAME_BOUNDS = {
    "box": (BOX.low, BOX.high),
    "lists": ([-0.5, -0.3], [0.5, 0.3]),
    "tuples in a list": [(-0.5, -0.3), (0.5, 0.3)],
    "float64 array": (np.array([-0.5, -0.3]), np.array([0.5, 0.3])),
    "one array": np.array([[-0.5, -0.3], [0.5, 0.3]]),
    "one tensor": torch.stack((LOW, HIGH)),
    "backwards in memory": (np.array([-0.3, -0.5])[::-1], np.array([0.3, 0.5])[::-1]),
    "big endian": (np.array([-0.5, -0.3], ">f8"), np.array([0.5, 0.3], ">f4")),
    "numpy numbers": ([np.float32(-0.5), np.float64(-0.3)], [np.float16(0.5), 0.3]),
    "float64 tensors": (LOW.double(), HIGH),
}


@pytest.mark.parametrize("name", SAME_BOUNDS)
def test_bounds_may_be_anything_with_numbers(name):
    init = torch.zeros(2, 2, 2, dtype=torch.float32)
    expected = plan(bounds=(LOW, HIGH), init=init)
    found = plan(bounds=SAME_BOUNDS[name], init=init)
    torch.testing.assert_close(found.actions, expected.actions, atol=1e-7, rtol=0)
    assert found.actions.dtype == torch.float32


@pytest.mark.parametrize(
    "end",
    [1, np.int64(1), np.float32(1), np.array(1.0), torch.tensor(1), torch.tensor(1.0, dtype=torch.float32)],
)
def test_a_bound_may_be_any_number(end):
    assert torch.equal(plan(bounds=(-1.0, end)).actions, plan(bounds=(-1.0, 1.0)).actions)


def test_arrays_do_not_decide_the_dtype():
    assert plan(bounds=(np.float64(-1), np.ones(2))).actions.dtype == torch.float32
    assert plan(init=np.zeros((2, 2, 2))).actions.dtype == torch.float32
    assert plan(bounds=(-torch.ones(2, dtype=torch.float64), 1)).actions.dtype == torch.float64


@pytest.mark.parametrize(
    "init",
    [
        np.full((2, 2, 2), 0.5),
        np.full((2, 2, 2), 0.5, np.float16),
        [[[0.5] * 2] * 2] * 2,
        torch.full((2, 2, 2), 0.5, dtype=torch.float32),
    ],
    ids=["float64", "float16", "lists", "tensor"],
)
def test_a_first_guess_may_be_an_array(init):
    assert torch.equal(plan(init=init).actions, plan(init=torch.full((2, 2, 2), 0.5).float()).actions)


def test_a_read_only_array_is_taken_without_a_warning():
    init = np.full((2, 2, 2), 0.5)
    init.setflags(write=False)
    assert plan(init=init).actions.isfinite().all()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("low", "high"), [(-0.3, 0.3), (1e-9, 1e-3), (-1e-9, 0.0), (-0.7, -0.1), (0.1, 0.7)])
def test_half_actions_lie_inside_the_bounds(kind, low, high):
    for target in (-2.0, 2.0):
        planner = CEMPlanner(2, 20, num_iterations=2)
        init = torch.zeros(1, 2, 1, dtype=kind)
        found = planner.plan(
            lambda a, target=target: (a.double() - target).square().sum((2, 3)),
            batch=1,
            action_dim=1,
            init=init,
            bounds=(low, high),
        ).actions.double()
        assert (found >= low).all()
        assert (found <= high).all()
        edge = low if target < 0 else high
        assert (found - edge).abs().max() <= abs(edge) * torch.finfo(kind).eps + 1e-7


@pytest.mark.parametrize("number", [0, 7, np.int64(7), np.uint8(7), 2**63 - 1])
def test_a_generator_may_be_a_number(number):
    expected = plan(generator=torch.Generator().manual_seed(int(number)))
    assert torch.equal(plan(generator=number).actions, expected.actions)


@pytest.mark.parametrize(
    "numbers", [[3, 4], (3, np.int32(4)), np.array([3, 4]), [3, torch.Generator().manual_seed(4)]]
)
def test_a_number_a_row(numbers):
    expected = plan(generator=[torch.Generator().manual_seed(seed) for seed in (3, 4)])
    assert torch.equal(plan(generator=numbers).actions, expected.actions)


REFUSED = {
    "negative seed": ({"generator": -1}, ConfigError, "0 to 2^63"),
    "huge seed": ({"generator": 2**63}, ConfigError, "0 to 2^63"),
    "endless seed": ({"generator": 10**400}, ConfigError, "0 to 2^63"),
    "true": ({"generator": True}, ConfigError, "0 to 2^63"),
    "too many seeds": ({"generator": [1, 2, 3]}, ConfigError, "holds 3"),
    "a negative seed of a row": ({"generator": [1, -2]}, ConfigError, "-2"),
    "fractional seed": ({"generator": 1.5}, LeWorldError, "generator"),
    "numpy generator": ({"generator": np.random.default_rng(0)}, LeWorldError, "generator"),
    "the box itself": ({"bounds": BOX}, LeWorldError, "bounds"),
    "one bound": ({"bounds": (1.0,)}, ConfigError, "(low, high)"),
    "three bounds": ({"bounds": (0.0, 1.0, 2.0)}, ConfigError, "(low, high)"),
    "words": ({"bounds": ("low", "high")}, LeWorldError, "bounds"),
    "ragged bounds": ({"bounds": ([0.0, [1.0]], 2.0)}, LeWorldError, "bounds"),
    "infinite box": (
        {"bounds": (np.float32([-np.inf, 0]), np.float32([np.inf, 1]))},
        ConfigError,
        "finite `low`",
    ),
    "bounds beyond float32": ({"bounds": (-1e300, 1e300)}, ConfigError, "finite `low`"),
    "bounds of another size": ({"bounds": (np.zeros(3), np.ones(3))}, ShapeError, "(2,)"),
    "swapped arrays": ({"bounds": (np.ones(2), np.zeros(2))}, ConfigError, "Swap"),
    "ragged first guess": ({"init": [[[0.0], [1.0, 2.0]]]}, ShapeError, "rectangular"),
    "words as a first guess": ({"init": [["a"]]}, ShapeError, "real numbers"),
    "a short array": ({"init": np.zeros((2, 3, 2))}, ShapeError, "(2, 2, 2)"),
    "NaN in an array": ({"init": np.full((2, 2, 2), np.nan)}, LeWorldError, "finite `init`"),
    "too large for float32": ({"init": np.full((2, 2, 2), 1e300)}, LeWorldError, "finite `init`"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_mistake_is_told_in_three_parts(name):
    options, error, words = REFUSED[name]
    with pytest.raises(error, match=re.escape(words)) as caught:
        plan(**options)
    assert all(len(part.split()) >= 2 for part in (caught.value.rule, caught.value.got, caught.value.fix))


@pytest.mark.parametrize(
    "build",
    [
        CEMPlanner,
        ICEMPlanner,
        lambda horizon=2, **options: CategoricalCEMPlanner(torch.eye(2), horizon, **options),
    ],
    ids=["CEM", "ICEM", "categorical"],
)
@pytest.mark.parametrize(
    ("samples", "elites"), [(300, 30), (305, 30), (50, 5), (20, 2), (19, 2), (3, 2), (1, 1)]
)
def test_elites_follow_the_samples(build, samples, elites):
    planner = build(horizon=2, num_samples=samples, num_iterations=2)
    assert planner.num_elites == elites
    assert plan(planner).cost.isfinite().all()
    assert build(num_samples=samples, num_elites=1).num_elites == 1


# ---- what they look like ----------------------------------------------------------------------------------


def test_a_plan_is_short_to_look_at():
    for rows, horizon in ((1, 1), (500, 40)):
        planner = CEMPlanner(horizon, 10, num_iterations=2)
        found = planner.plan(quadratic, batch=rows, action_dim=3)
        assert len(repr(found)) < 200
        assert str((rows, horizon, 3)) in repr(found)
        assert f"iteration_limit {rows}" in repr(found)
        assert "21 evaluations" in repr(found)
        assert len(repr(found.trace)) < 100
    every = Plan(torch.zeros(4, 1, 1), torch.tensor([1.0, torch.nan, -2.5, 3.0]), tuple(Outcome), found.trace)
    assert len(repr(every)) < 200
    assert "cost -2.5 to 3," in repr(every)
    nothing = Plan(torch.zeros(1, 1, 1), torch.tensor([torch.nan]), (Outcome.non_finite_cost,), found.trace)
    assert "cost nan, non_finite_cost 1" in repr(nothing)


def test_a_planner_tells_its_settings():
    cem = CEMPlanner(4, 20, returns="mean")
    for setting in ("horizon=4", "num_samples=20", "num_elites=2", "tolerance=0.01", "returns='mean'"):
        assert setting in repr(cem)
    assert repr(BestSoFar(cem)) == f"BestSoFar(planner={cem!r})"
    assert "choices=(9, 9)" in repr(CategoricalCEMPlanner(torch.eye(9)))
    assert "kept_elites=0.3" in repr(ICEMPlanner())
    assert "optimizer=partial(Adam, lr=0.1)" in repr(GradientPlanner())
    for entry in PLANNERS:
        planner = entry.planner(2)
        assert repr(planner).startswith(f"{type(planner).__name__}(")
        assert len(repr(planner)) < 500
        assert "\n" not in repr(planner)


def test_what_a_search_hands_around_is_short_to_look_at():
    many = torch.zeros(100, 300, 5, 10)
    for value in (
        Evaluated(many, many[..., 0, 0]),
        SearchState(many[:, 0], many[:, 0], 0.01, many),
        Trace((many[..., 0, 0],) * 30, tuple(range(30)), (1.0,) * 30, 9000),
    ):
        assert len(repr(value)) < 200


def test_losses_are_short_to_look_at():
    few = Losses({"one": torch.tensor(1.0, requires_grad=True)}, torch.zeros(2, 3, 4))
    assert repr(few) == "Losses(total=1, one=1)"
    many = Losses({f"term {number}": torch.tensor(0.5) for number in range(50)}, torch.zeros(2, 3, 4))
    assert len(repr(many)) < 200
    assert "total=25" in repr(many)
    assert "44 more" in repr(many)
    assert "total=unknown" in repr(Losses({"one": torch.zeros((), device="meta")}, torch.zeros(2, 3, 4)))
