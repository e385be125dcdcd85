"""Operations that torch counts, against the sizes of the layers by formula."""

import pytest
import torch

from benchmarks.rollout.suite import released
from leworld.models import LeWM, WorldModel, rollout_flops
from tests.models.cases import lewm
from tests.models.toys import Recurrent, Tokens

WIDTH, INNER, MLP, HIDDEN, DEPTH = 192, 1024, 2048, 2048, 6


def lewm_flops(windows: list[int]) -> int:
    """LeWM of the released size: layers of a token, attention of a window, head and action encoder."""
    layer = 2 * (WIDTH * 3 * INNER + INNER * WIDTH + 2 * WIDTH * MLP + WIDTH * 6 * WIDTH)
    head, action = 2 * 2 * WIDTH * HIDDEN, 2 * (10 * 10 + 10 * 4 * WIDTH + 4 * WIDTH * WIDTH)
    token = DEPTH * layer + head + action
    return sum(window * token + DEPTH * 4 * window**2 * INNER for window in windows)


@pytest.fixture(scope="module")
def published() -> LeWM:
    return released()


def test_the_plain_rollout_of_the_released_size(published: LeWM) -> None:
    counted = rollout_flops(published, horizon=5, cached=False)
    assert counted == lewm_flops([1, 2, 3, 3, 3])
    assert counted == pytest.approx(0.2817e9, rel=1e-3)


def test_windows_follow_the_context(published: LeWM) -> None:
    assert rollout_flops(published, horizon=2, context=2, cached=False) == lewm_flops([2, 3])
    assert rollout_flops(published, horizon=1, context=7, cached=False) == lewm_flops([3])


def test_what_is_remembered_is_not_counted_again(published: LeWM) -> None:
    plain, cached = (rollout_flops(published, horizon=5, cached=cached) for cached in (False, True))
    assert cached == pytest.approx(0.1835e9, rel=2e-3)
    assert cached < plain


def test_it_needs_no_values_and_leaves_the_model_alone() -> None:
    model = lewm().train()
    count = rollout_flops(model, horizon=3)
    assert all(part.training for part in model.modules())
    assert not any(tensor.is_meta for tensor in model.state_dict().values())
    assert count == rollout_flops(model.to("meta"), horizon=3) > 0


@pytest.mark.parametrize("kind", [Tokens, Recurrent])
def test_models_of_other_kinds(kind: type[WorldModel]) -> None:
    model = kind()
    values = {name: value.clone() for name, value in model.state_dict().items()}
    assert rollout_flops(model, horizon=2) > 0
    assert all(torch.equal(value, values[name]) for name, value in model.state_dict().items())
