"""Plans agree with what was done in models that know the world, and results say what follows."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from leworld.data import Episodes
from leworld.evaluation import PlanAgreement, TuningRow, plan_agreement
from leworld.evaluation._tuning._agreement import _correlation
from leworld.planners import CEMPlanner
from tests.evaluation import kinds
from tests.evaluation.bad_tuning_inputs import tuning_result, tuning_row
from tests.evaluation.diagnosed import Looks, data

PLANNER = CEMPlanner(3, 60, num_elites=8, num_iterations=6)
OPTIONS = {"planner": PLANNER, "num_problems": 40}


def check_sees_all(measure) -> None:
    """True dynamics and both lights: plans do what was done, but where a light is at its brightest."""
    found = measure(Looks(1.0, 0.0), data(), **OPTIONS)
    assert found.worst > 0.7
    assert found.rank < 0.2
    assert found.num_problems == 40


def check_misses_the_lost(measure) -> None:
    """A light that the latent lost is not steered."""
    found = measure(Looks(1.0, 0.0, lights=(1.0, 0.0)), data(), **OPTIONS)
    assert found.correlation[0] > 0.7
    assert found.worst_component == 1
    assert found.worst == found.correlation[1] < 0.4
    assert found.error == found.errors[1]


class Timid(Looks):
    """Believes that actions move the lights half as far as they do, so its plans go twice as far."""

    def _predict(self, latents, actions):
        return (latents + super()._predict(latents, actions)) / 2


def check_bears_wrong_lengths(measure) -> None:
    """Plans that go the right way too far agree: planning again puts that right."""
    found = measure(Timid(1.0, 0.0), data(), **OPTIONS)
    assert found.worst > 0.7


CHECKS = (check_sees_all, check_misses_the_lost, check_bears_wrong_lengths)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_agreement(check) -> None:
    check(plan_agreement)


def negated(model, episodes, **options):
    """Compares plans with the opposite of what episodes did."""
    return plan_agreement(model, replace(episodes, actions=-episodes.actions), **options)


def backwards(model, episodes, **options):
    """Calls components by each other's names."""
    found = plan_agreement(model, episodes, **options)
    return PlanAgreement(
        correlation=found.correlation[::-1],
        errors=found.errors,
        rank=found.rank,
        contrast=0.0,
        num_problems=found.num_problems,
    )


@pytest.mark.parametrize(
    ("wrong", "check"),
    [(negated, check_sees_all), (backwards, check_misses_the_lost)],
    ids=["negated", "backwards"],
)
def test_a_wrong_figure_is_rejected(wrong, check) -> None:
    with pytest.raises(AssertionError):
        check(wrong)


def test_correlation_and_its_error_are_those_of_other_ways() -> None:
    drawn = torch.Generator().manual_seed(0)
    one = torch.randn(400, 3, generator=drawn, dtype=torch.float64)
    other = 3 + 5 * (one + torch.tensor([0.3, 1.0, 5.0]) * torch.randn(400, 3, generator=drawn))
    found, errors = _correlation(one, other)
    for column in range(3):
        first, second = one[:, column].numpy(), other[:, column].numpy()
        assert float(found[column]) == pytest.approx(np.corrcoef(first, second)[0, 1])
        without = [np.corrcoef(np.delete(first, i), np.delete(second, i))[0, 1] for i in range(400)]
        assert float(errors[column]) == pytest.approx(
            np.std(without) * 399**0.5 * (399 / 400) ** 0.5, rel=0.02
        )


def test_plans_that_are_all_the_same_know_nothing() -> None:
    done = torch.arange(12.0, dtype=torch.float64).reshape(6, 2)
    planned = torch.stack([torch.full((6,), 0.1, dtype=torch.float64), done[:, 1]], dim=1)
    found, errors = _correlation(done, planned)
    assert found.tolist() == pytest.approx([0.0, 1.0])
    assert errors.tolist() == pytest.approx([0.0, 0.0], abs=1e-9)


def test_the_seed_decides_all() -> None:
    options = {"planner": CEMPlanner(2, 12, num_elites=3, num_iterations=2), "num_problems": 10}
    first, again, other = (plan_agreement(Looks(1.0, 0.0), data(), seed=s, **options) for s in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_model(kind) -> None:
    quick = CEMPlanner(2, 12, num_elites=3, num_iterations=2)
    found = plan_agreement(kinds.model(kind), kinds.episodes(), planner=quick, num_problems=10)
    assert len(found.correlation) == 2
    assert all(math.isfinite(value) for value in (*found.correlation, *found.errors, found.contrast))


def test_a_component_that_never_varies_does_not_count() -> None:
    episodes = data()
    actions = episodes.actions.copy()
    actions[:, 1] = np.where(np.isnan(actions[:, 1]), np.nan, 0.25)
    still = Episodes(
        episodes.pixels, actions, lengths=episodes.lengths, columns=episodes.columns, environment_id="tests"
    )
    found = plan_agreement(Looks(1.0, 0.0), still, **OPTIONS)
    assert math.isnan(found.correlation[1])
    assert math.isnan(found.errors[1])
    assert found.worst == found.correlation[0]
    assert found.worst_component == 0
    row = TuningRow(weight=0.1, agreement=found, effective_rank=1.0, seconds=0.0)
    assert TuningRow.from_json(row.to_json()).to_json() == row.to_json()


def test_the_advice_names_what_is_lost_on_both_sides() -> None:
    found = tuning_result(tuning_row(0.1, 0.9, 0.9), tuning_row(0.01, 0.99, 0.3), tuning_row(0.5, 0.6, 0.6))
    assert found.best.weight == 0.1
    assert found.interval == (0.01, 0.5)
    text = found.advice()
    assert "Take lambda 0.1: what plans do correlates by 0.90 with what the episodes did (action" in text
    assert "clearly worse" in text
    assert "Below, with 0.01, the correlation is 0.30 (action component 1), the expert's plan" in text
    assert "Above, with 0.5, the correlation is 0.60 (action component 0), the expert's plan" in text
    assert text.endswith("Next: `leworld train dot --lambda 0.1`")


def test_the_advice_says_how_sure_it_is() -> None:
    found = tuning_result(
        tuning_row(0.1, 0.9, error=0.1), tuning_row(0.01, 0.85, error=0.1), tuning_row(0.5, 0.2)
    )
    assert "sure up to the range from 0.01 to 0.1" in found.advice()


def test_the_advice_says_where_the_search_ends() -> None:
    text = tuning_result(tuning_row(0.1, 0.9), tuning_row(0.5, 0.2)).advice()
    assert "a lower --low" in text
    assert "a higher --high" in tuning_result(tuning_row(0.1, 0.2), tuning_row(0.5, 0.9)).advice()
    assert tuning_result(tuning_row(0.1, 0.9)).interval == (1e-3, 1.0)


def test_the_advice_says_when_nothing_learns() -> None:
    text = tuning_result(tuning_row(0.1, -0.5), tuning_row(0.5, 0.4)).advice()
    assert text.startswith("No lambda from 0.001 to 1 made a model to plan in")


def test_what_the_latent_lost_outweighs_how_well_plans_agree() -> None:
    """Plans move the agent perfectly in a latent that forgot what it pushes."""
    agent_only = replace(tuning_row(0.01, 0.99, 0.99), missing={"agent": 0.0, "block": 0.6})
    both = replace(tuning_row(0.1, 0.85, 0.85), missing={"agent": 0.02, "block": 0.05})
    assert agent_only.lost == ("block",)
    assert both.lost == ()
    assert agent_only.score == pytest.approx(0.39)
    assert both.score == pytest.approx(0.85)
    found = tuning_result(agent_only, both)
    assert found.best.weight == 0.1
    assert "lacks what the pictures tell of block (0.60 of R2)" in found.advice()
    assert "block" in found.table()
    again = TuningRow.from_json(agent_only.to_json())
    assert again == agent_only
    older = {name: value for name, value in agent_only.to_json().items() if name != "missing"}
    assert TuningRow.from_json(older).score == pytest.approx(0.99)


def test_of_weights_as_good_as_the_best_the_smallest_is_taken() -> None:
    """Within the standard error of the best; a larger weight and one that is clearly worse are not."""
    rows = tuning_row(0.01, 0.5), tuning_row(0.02, 0.895), tuning_row(0.05, 0.9), tuning_row(0.2, 0.895)
    error = rows[2].agreement.error
    assert 0.005 < error < 0.3
    assert tuning_result(*rows).best.weight == 0.02
    assert tuning_result(*reversed(rows)).best.weight == 0.02
    sure = [replace(row, agreement=replace(row.agreement, errors=(1e-3,))) for row in rows]
    assert tuning_result(*sure).best.weight == 0.05
