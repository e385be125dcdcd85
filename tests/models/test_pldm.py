"""PLDM against recorded losses and gradients of both released codes, by named terms."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from leworld.errors import ConfigError
from leworld.models import PLDM
from tests.models import checks_pldm
from tests.models.cases import ENCODERS, batch, lewm, pldm
from tests.models.pldm import NO_TERM, SIZES, TERMS, WALL, batch_of, given, recorded
from tests.models.rebuild import rebuild
from tests.models.wrong_pldm import WRONG, RightTerms, spoiled

# Three trajectories of six frames are few, and meant to be.
pytestmark = pytest.mark.filterwarnings("ignore:VCReg reads")
RECORDED = recorded()
VALUE = {"rtol": 1e-6, "atol": 1e-6}


def case_of(size: str) -> dict[str, Tensor]:
    prefix = f"{size}."
    return {name.removeprefix(prefix): x for name, x in RECORDED.items() if name.startswith(prefix)}


def gradients(model: PLDM, z: Tensor, value: Tensor) -> dict[str, Tensor]:
    inputs = {
        "z": z,
        "prediction": model.predictor.prediction,
        "action_prediction": model.regularizer.inverse_dynamics.guess,
    }
    found = torch.autograd.grad(value, list(inputs.values()), allow_unused=True)
    return {
        name: torch.zeros_like(x) if one is None else one
        for (name, x), one in zip(inputs.items(), found, strict=True)
    }


def check_equal(case: Mapping[str, Tensor], name: str, value: Tensor, found: Mapping[str, Tensor]) -> None:
    torch.testing.assert_close(value, case[name], **VALUE)
    for part, gradient in found.items():
        due = case.get(f"{name}.grad_{part}", torch.zeros_like(gradient))
        torch.testing.assert_close(gradient, due, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_the_released_total_and_its_gradients(size: str) -> None:
    case = case_of(size)
    model = given(case)
    data, z = batch_of(case)
    losses = model.loss(data)
    assert set(losses.terms) == {"prediction", "std", "covariance", "time_std", "similarity"}
    check_equal(case, "swm.total", losses.total, gradients(model, z, losses.total))
    for name in losses.terms.keys() - {"prediction"}:
        torch.testing.assert_close(losses.values[name], case[f"swm.{TERMS['swm'][name]}"], **VALUE)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", TERMS)
def test_every_term_and_its_gradients(kind: str, size: str) -> None:
    case = case_of(size)
    for name, theirs in TERMS[kind].items():
        weight = {} if name == "prediction" else {f"{name}_weight": 2.0}
        variant = "released" if kind == "swm" else "original"
        model = given(case, **(NO_TERM | weight), variant=variant)
        data, z = batch_of(case)
        losses = model.loss(data)
        assert losses.terms.keys() == {"prediction", name}
        value = losses.terms[name] / (1 if name == "prediction" else 2)
        check_equal(case, f"{kind}.{theirs}", value, gradients(model, z, value))


@pytest.mark.parametrize("size", SIZES)
def test_the_original_total_for_two_rooms(size: str) -> None:
    case = case_of(size)
    model = given(case, **WALL, variant="original")
    data, z = batch_of(case)
    total = model.loss(data).total
    check_equal(case, "orig_wall.total_loss", total, gradients(model, z, total))


def test_terms_of_no_weight_are_logged_where_asked_for() -> None:
    case = case_of("a")
    data, _ = batch_of(case)
    losses = given(case, log_all=True).loss(data)
    for name, theirs in TERMS["swm"].items():
        torch.testing.assert_close(losses.logged[name], case[f"swm.{theirs}"], **VALUE)
    assert set(losses.terms) == {"prediction", "std", "covariance", "time_std", "similarity"}
    assert not losses.values["inverse_dynamics"].requires_grad


@pytest.mark.parametrize("check", checks_pldm.ALL, ids=lambda check: check.__name__)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_conforms(encoder: str, check) -> None:
    check(lambda **options: pldm(encoder, **options))


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_wrong_model_is_rejected(wrong: type) -> None:
    (check,) = [check for check in checks_pldm.ALL if check.__name__ == WRONG[wrong]]
    with pytest.raises(AssertionError):
        check(lambda **options: spoiled(wrong, **options))


def test_the_right_one_that_they_derive_from_is_not() -> None:
    for check in checks_pldm.ALL:
        check(lambda **options: spoiled(RightTerms, **options))


def test_it_has_the_network_of_a_lewm_of_the_same_parts() -> None:
    theirs = {name: x.shape for name, x in lewm().state_dict().items() if not name.startswith("regularizer.")}
    assert {name: x.shape for name, x in pldm().state_dict().items()} == theirs


def test_rebuilds_from_its_config_with_its_head() -> None:
    model = pldm(inverse_dynamics_weight=1.0, log_all=True)
    twin = rebuild(model.config)
    twin.load_state_dict(model.state_dict(), strict=True)
    first, second = (one.eval().loss(batch()) for one in (model, twin))
    assert torch.equal(first.total, second.total)
    assert first.values.keys() == second.values.keys()


def test_a_head_that_is_missing_is_told() -> None:
    model = pldm()
    model.regularizer.inverse_dynamics_weight = 1.0
    with pytest.raises(ConfigError, match="the head None"):
        model.loss(batch())


def test_an_optimiser_step_lowers_the_loss() -> None:
    model, data = pldm(), batch(32)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    values = []
    for _ in range(30):
        losses = model.loss(data)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        values.append(losses.total.item())
    assert values[-1] < 0.5 * values[0]
