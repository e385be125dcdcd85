"""The inverse model on a world whose inverse is known: a point that its actions move by a known amount."""

import numpy as np
import pytest
import torch

from leworld.control import GoalConditionedInverseModel, InversePolicy, MPCPolicy
from leworld.costs import GoalCost
from leworld.models import to_weights
from leworld.planners import CEMPlanner, RandomShootingPlanner, WarmStart
from tests.control.fakes import FRAMESKIP, MEAN, SPEED, STD, move, paint, point_model

START = np.array([[-0.4, 0.2], [0.3, 0.3]])
GOAL = np.array([[0.0, -0.1], [0.1, 0.0]])


@pytest.fixture(scope="module")
def trained():
    """Windows in which a point goes straight on, so that the way to a later frame is shared out evenly."""
    source = torch.Generator().manual_seed(0)
    inverse = GoalConditionedInverseModel(2, 2 * FRAMESKIP, max_steps=3, hidden_dim=64, depth=2)
    with torch.no_grad():
        for parameter in inverse.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=source) * 0.1)
    optimizer = torch.optim.Adam(inverse.parameters(), lr=5e-3)
    for _ in range(300):
        raw = (torch.rand(128, 1, 1, 2, generator=source) * 2 - 1).expand(-1, 4, FRAMESKIP, -1)
        start = torch.rand(128, 1, 2, generator=source) * 2 - 1
        walked = SPEED * raw.sum(2).cumsum(1)
        embeddings = torch.cat((start, start + walked[:, :-1]), dim=1)
        blocks = ((raw - torch.tensor(MEAN)) / torch.tensor(STD)).flatten(2)
        optimizer.zero_grad()
        inverse.loss(embeddings, blocks).backward()
        optimizer.step()
    return inverse


def test_loss_counts_every_pair_once(trained):
    embeddings, blocks = torch.randn(2, 3, 2), torch.randn(2, 3, 2 * FRAMESKIP)
    errors = []
    for row in range(2):
        for first, later in ((0, 1), (0, 2), (1, 2)):
            block = trained(
                embeddings[row, first][None], embeddings[row, later][None], torch.tensor([later - first])
            )
            errors.append((block[0] - blocks[row, first]).square().mean())
    torch.testing.assert_close(trained.loss(embeddings, blocks), torch.stack(errors).mean())


def test_embeddings_receive_no_gradient(trained):
    embeddings = torch.randn(2, 3, 2, requires_grad=True)
    trained.loss(embeddings, torch.randn(2, 3, 2 * FRAMESKIP)).backward()
    assert embeddings.grad is None
    trained.zero_grad()


def test_more_blocks_left_than_known_count_as_the_most(trained):
    here, there = torch.randn(1, 2), torch.randn(1, 2)
    assert torch.equal(trained(here, there, torch.tensor([3])), trained(here, there, torch.tensor([99])))
    assert not torch.equal(trained(here, there, torch.tensor([1])), trained(here, there, torch.tensor([3])))


def test_alone_it_reaches_the_goal(trained):
    model = point_model()
    policy = InversePolicy(model, trained, horizon=3)
    policy.reset(paint(GOAL))
    positions = START
    for _ in range(3 * FRAMESKIP):
        actions = policy.act(paint(positions))
        assert actions.dtype == np.float32
        assert np.abs(actions).max() <= 1.0
        positions = move(positions, actions)
    assert np.abs(positions - GOAL).max() < 0.1
    assert model.encoded == [2] * 4  # the goals, then a frame a block


def test_its_proposal_is_nearly_a_plan_and_planning_starts_there(trained):
    model = point_model()
    cost = GoalCost(
        model,
        to_weights(model, torch.tensor(GOAL)),
        context=to_weights(model, torch.tensor(START)).unsqueeze(1),
    )
    proposal = trained.propose(cost, 3)
    assert proposal.shape == (2, 3, 2 * FRAMESKIP)
    idle = cost(torch.zeros(2, 1, 3, 2 * FRAMESKIP))[:, 0]
    proposed = cost(proposal.unsqueeze(1))[:, 0]
    assert (proposed < 0.1 * idle).all()
    planner = WarmStart(RandomShootingPlanner(3, 1), lambda init: trained.propose(cost, 3))
    assert (planner.plan(cost, batch=2, action_dim=2 * FRAMESKIP).cost <= proposed).all()


def test_a_policy_starts_its_searches_there(trained):
    model = point_model()
    short = CEMPlanner(3, 10, num_elites=2, num_iterations=1, init_std=1e-4)
    left = []
    for propose in (trained, None):
        policy = MPCPolicy(model, short, propose=propose)
        policy.reset(paint(GOAL))
        positions = START
        for _ in range(3 * FRAMESKIP):
            positions = move(positions, policy.act(paint(positions)))
        left.append(np.abs(positions - GOAL).max())
    assert left[0] < 0.1 < left[1]
