"""SIGReg: published values, directions, state, collapse, compile."""

import copy
import math
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn

from leworld.regularizers import SIGReg
from tests.regularizers.conformance import draw
from tests.regularizers.published import published_directions, published_sigreg

Make = Callable[[], nn.Module]


def check_published_value(make: Make) -> None:
    """Equal generator state, equal value and gradient: the directions are the published ones."""
    for shape in ((4, 32, 12), (17, 5)):
        embeddings = (draw(*shape, dtype=torch.float32) * 1.1 + 0.2).requires_grad_()
        reference = embeddings.detach().clone().requires_grad_()
        value = make()(embeddings, generator=torch.Generator().manual_seed(5))
        expected = published_sigreg(reference, published_directions(shape[-1], 64, seed=5))
        torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-6)
        value.backward()
        expected.backward()
        assert embeddings.grad is not None
        assert reference.grad is not None
        assert (embeddings.grad - reference.grad).norm() <= 1e-5 * reference.grad.norm()


def check_null_mean(make: Make) -> None:
    """Standard normal embeddings give 1.0525 on average, whatever N; each direction set is one draw."""
    for num_samples in (2, 16, 128):
        regularizer = make()
        values = torch.stack([regularizer(draw(1, 24, num_samples, 6, seed=i)) for i in range(40)])
        bound = 6 * values.std().item() / math.sqrt(len(values))
        assert abs(values.mean().item() - 1.05246) <= bound


def check_directions_are_fresh_in_training(make: Make) -> None:
    regularizer, embeddings = make(), draw(32, 8)
    values = [regularizer(embeddings).item() for _ in range(4)]
    assert len(set(values)) == 4
    again = make()
    assert [again(embeddings).item() for _ in range(4)] == values
    again.eval()
    assert again(embeddings) == again(embeddings)
    again.train()
    regularizer(embeddings, generator=torch.Generator().manual_seed(0))
    assert regularizer(embeddings) == again(embeddings), (
        "evaluation and generator= must not advance the counter"
    )


SIGREG_CHECKS = (check_published_value, check_null_mean, check_directions_are_fresh_in_training)


@pytest.mark.parametrize("check", SIGREG_CHECKS, ids=lambda check: check.__name__)
def test_sigreg(check: Callable[[Make], None]) -> None:
    check(lambda: SIGReg(64))


def test_seed_and_step_decide_the_directions() -> None:
    embeddings = draw(32, 8)
    assert SIGReg(64, seed=1)(embeddings) != SIGReg(64, seed=2)(embeddings)
    first, second = SIGReg(64), SIGReg(64)
    first.directions.step.fill_(3)
    for _ in range(3):
        second(embeddings)
    assert first(embeddings) == second(embeddings)


def test_directions_are_unit_vectors() -> None:
    directions = SIGReg(50).directions(7, device=torch.device("cpu"), dtype=torch.float64)
    torch.testing.assert_close(directions.norm(dim=0), torch.ones(50, dtype=torch.float64))
    assert directions.mean().abs() < 0.1


def test_resumed_run_draws_what_the_uninterrupted_one_does() -> None:
    embeddings = draw(32, 8)
    whole = SIGReg(64)
    for _ in range(3):
        whole(embeddings)
    saved = {key: value.clone() for key, value in whole.state_dict().items()}
    rest = [whole(embeddings).item() for _ in range(3)]
    resumed = SIGReg(64)
    resumed.load_state_dict(saved)
    assert [resumed(embeddings).item() for _ in range(3)] == rest


def test_state_is_tensors_and_independent_of_the_live_counter() -> None:
    sigreg = SIGReg(8)
    state = nn.ModuleDict({"regularizer": sigreg}).state_dict()
    assert list(state) == ["regularizer.directions._extra_state"]
    sigreg(draw(4, 2))
    assert state["regularizer.directions._extra_state"] == 0
    twin = copy.deepcopy(sigreg)
    twin(draw(4, 2))
    assert (sigreg.directions.step, twin.directions.step) == (1, 2)


def test_counter_stays_on_the_cpu_and_whole() -> None:
    sigreg = SIGReg(8).to(torch.bfloat16).to("meta")
    assert sigreg.directions.step.device.type == "cpu"
    assert sigreg.directions.step.dtype == torch.int64


def test_rotating_embeddings_and_directions_changes_nothing() -> None:
    embeddings = draw(3, 40, 6) + 0.2
    rotation = torch.linalg.qr(draw(6, 6, seed=2)).Q
    directions = published_directions(6, 64, seed=0, dtype=torch.float64)
    plain = published_sigreg(embeddings, directions)
    rotated = published_sigreg(embeddings @ rotation, rotation.T @ directions)
    torch.testing.assert_close(plain, rotated, rtol=1e-12, atol=0)
    spread = SIGReg(4096).eval()
    torch.testing.assert_close(spread(embeddings @ rotation), spread(embeddings), rtol=0.05, atol=0)


@pytest.mark.parametrize("value", [0.0, 1e-30])
def test_gradient_is_exactly_zero_at_total_collapse(value: float) -> None:
    embeddings = torch.full((128, 16), value, requires_grad=True)
    loss = SIGReg(64)(embeddings)
    loss.backward()
    assert loss.item() == pytest.approx(0.40205 * 128, rel=1e-4)
    assert embeddings.grad is not None
    assert (embeddings.grad == 0).all() if value == 0 else embeddings.grad.abs().max() < 1e-25


def test_collapsed_elsewhere_still_has_a_gradient() -> None:
    embeddings = torch.full((128, 16), 0.3, requires_grad=True)
    SIGReg(64)(embeddings).backward()
    assert embeddings.grad is not None
    assert embeddings.grad.norm() > 0.01


@pytest.mark.parametrize("dynamic", [False, True])
def test_compiles_as_one_graph(dynamic: bool) -> None:
    eager = SIGReg(32)
    compiled = torch.compile(SIGReg(32), fullgraph=True, dynamic=dynamic, backend="aot_eager")
    for num_samples in (16, 24):
        embeddings = draw(3, num_samples, 5, dtype=torch.float32)
        left = embeddings.clone().requires_grad_()
        right = embeddings.clone().requires_grad_()
        value, expected = compiled(left), eager(right)
        torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-6)
        value.backward()
        expected.backward()
        torch.testing.assert_close(left.grad, right.grad, rtol=1e-5, atol=1e-7)


def test_swapped_axes_earn_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"\(128, 4, 16\).*sample=4.*transpose\(0, 1\)"):
        SIGReg(8)(draw(128, 4, 16))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SIGReg(8)(draw(4, 128, 16))


def test_settings_are_recorded() -> None:
    sigreg = SIGReg(32, seed=3)
    assert sigreg.config.arguments["num_slices"] == 32
    assert "num_slices=32" in repr(sigreg)
