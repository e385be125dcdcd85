"""Proposals of a policy: what it would do in the model's imagination, and where the search begins."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from leworld.control import MPCPolicy, PolicyProposals, Situation
from leworld.costs import ReturnCost
from leworld.data import Observation, Processor, VectorPart
from leworld.errors import ShapeError
from leworld.heads import PolicySample
from leworld.models import WorldModel, state_rows
from leworld.planners import KeepGuesses, MPPIPlanner
from tests.models.rewarded import ACTION, batch
from tests.models.rssm import rssm
from tests.models.tdmpc2 import tdmpc2


def situation(model: WorldModel, former: torch.Tensor | None = None) -> Situation:
    state = model.observe(None, batch(model).observations.at((slice(None), 0)))
    return Situation(
        model, state, model.present(state), goal=None, horizon=3, former=former, environments=tuple(range(6))
    )


@torch.no_grad()
def test_each_step_is_what_the_policy_does_there() -> None:
    """With hardly any noise, an imagined step at a time."""
    model = tdmpc2().eval()
    model.policy.log_std = (-30.0, -29.0)
    given = situation(model)
    guesses = PolicyProposals(4)(given)
    assert guesses.shape == (6, 1 + 4, 3, ACTION)
    assert not guesses[:, 0].any()
    latents = given.latents
    for step in range(3):
        action = model.policy(latents)
        torch.testing.assert_close(guesses[:, 1:, step], action.unsqueeze(1).expand(-1, 4, -1))
        latents = model.predict(latents.unsqueeze(1), action.unsqueeze(1))[:, 0]


@torch.no_grad()
def test_draws_follow_from_the_seed_the_environment_and_the_number_of_the_search() -> None:
    model = tdmpc2().eval()
    proposals, given = PolicyProposals(4, seed=3), situation(model)
    first = proposals(given)
    assert not torch.equal(first[:, 1], first[:, 2])
    assert not torch.equal(first[:, 1:], PolicyProposals(4, seed=4)(given)[:, 1:])
    later = proposals(replace(given, num_plans=(0, 1, 0, 0, 2, 0)))
    assert [torch.equal(one, other) for one, other in zip(first, later, strict=True)] == [
        True, False, True, True, False, True,
    ]  # fmt: skip
    assert torch.equal(proposals(given), first)
    assert torch.equal(PolicyProposals(4, seed=3)(given), first)
    assert torch.equal(PolicyProposals(4, seed=3, policy=model.policy)(given), first)


@pytest.mark.parametrize("make", [tdmpc2, rssm])
@torch.no_grad()
def test_what_one_environment_is_proposed_is_its_own(make) -> None:
    """Alone, among others, or in another order: to the bit."""
    model = make().eval()
    given, proposals = situation(model), PolicyProposals(4)
    due = proposals(given)
    for rows in ([2], [5, 2], [4, 3, 2, 1, 0]):
        chosen = replace(
            given,
            state=state_rows(given.state, rows),
            latents=given.latents[rows],
            environments=tuple(given.environments[row] for row in rows),
        )
        assert torch.equal(proposals(chosen), due[rows])


def test_a_policy_that_draws_for_another_number_of_latents_is_told() -> None:
    class One:
        def sample(self, latents, *, generator):
            nothing = latents[:1, 0]
            return PolicySample(latents[:1, :ACTION], nothing, nothing, nothing)

    with pytest.raises(ShapeError, match=r"draws an action for each latent"):
        PolicyProposals(4, policy=One())(situation(tdmpc2().eval()))


@pytest.mark.parametrize("kept", [1, 2])
def test_a_search_begins_at_the_former_plan_or_at_the_mean_that_was_kept(kept: int) -> None:
    former = torch.rand(6, kept, 3, ACTION)
    guesses = PolicyProposals(2)(situation(tdmpc2().eval(), former))
    assert torch.equal(guesses[:, 0], former[:, -1])


def test_the_planner_of_tdmpc2_acts() -> None:
    """By reward, without a goal, replanning at each step from the mean before."""
    model = tdmpc2(dropout=0.2)
    zeros, ones = (0.0,) * ACTION, (1.0,) * ACTION
    model.processor = Processor(
        None,
        frameskip=1,
        action_dim=ACTION,
        action_mean=zeros,
        action_std=ones,
        parts={"proprio": VectorPart((0.0,) * 3, (1.0,) * 3)},
    )
    search = MPPIPlanner(
        3, 32, num_iterations=2, temperature=2.0, scale="fixed", init_std=2.0, num_elites=8, min_std=0.05,
        returns="draw",
    )  # fmt: skip
    policy = MPCPolicy(
        model,
        KeepGuesses(search),
        cost=lambda here: ReturnCost(here.model, state=here.state),
        propose=PolicyProposals(6),
        receding_horizon=1,
    )
    policy.reset()
    rng = np.random.default_rng(0)
    for _ in range(3):
        seen = Observation(parts={"proprio": rng.normal(size=(2, 3)).astype(np.float32)})
        actions = policy.act(seen)
        assert actions.shape == (2, ACTION)
        assert np.abs(actions).max() <= 1
    assert len(policy.decisions) == 3
    assert policy.decisions[-1].plan.trace.num_evaluations == 2 * 32 + 1
