"""Recorded sub-goals: shortest ways over recorded frames, and a policy that goes round a wall."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from leworld.control import MPCPolicy, RecordedSubgoals, goal_cost
from leworld.control._recorded_graph import RecordedGraph, recorded_graph
from leworld.data import Episodes
from leworld.errors import ConfigError, DataError
from leworld.models import WorldModel
from leworld.planners import CEMPlanner
from tests.control.fakes import FRAMESKIP, SPEED, paint, point_model

# A wall between (0, -1) and (0, 0.5): recorded ways go round its upper end.
WAY = np.array([[-0.5, -0.6], [-0.5, 0.7], [0.5, 0.7], [0.5, -0.6]])


def walk(corners: np.ndarray, step: float) -> np.ndarray:
    """Points a step apart along straight lines."""
    parts = [corners[:1]]
    for one, other in pairwise(corners):
        count = round(float(np.abs(other - one).max()) / step)
        parts.append(one + (other - one) * (np.arange(1, count + 1) / count)[:, None])
    return np.concatenate(parts)


def recorded(*ways: np.ndarray) -> Episodes:
    """Episodes along ways, a step of 0.05 a row, so that a block of two moves 0.1."""
    points = [walk(way, 0.05) for way in ways]
    actions = np.zeros((sum(map(len, points)), 2), np.float32)
    ends = np.cumsum([len(part) for part in points]) - 1
    actions[ends] = np.nan
    pixels = paint(np.concatenate(points)).pixels
    return Episodes(np.asarray(pixels), actions, lengths=np.array([len(part) for part in points]))


def floyd(graph: RecordedGraph, leaving: torch.Tensor) -> np.ndarray:
    """Shortest ways by another algorithm: Floyd and Warshall's on the whole matrix."""
    count = len(graph.frames)
    apart = np.full((count, count), np.inf)
    for one in range(count):
        for other, blocks in zip(graph.onward[one].tolist(), graph.blocks[one].tolist(), strict=True):
            apart[one, other] = min(apart[one, other], blocks)
        apart[one, one] = 0
    for middle in range(count):
        apart = np.minimum(apart, apart[:, middle, None] + apart[None, middle])
    return (apart[None] + leaving.numpy()[:, None]).min(axis=2)


def check_ways(ways) -> None:
    drawn = torch.Generator().manual_seed(0)
    for _ in range(5):
        count, links = 30, 3
        onward = torch.randint(0, count, (count, links), generator=drawn)
        blocks = torch.rand(count, links, generator=drawn) + 0.1
        graph = RecordedGraph(point_model(), torch.zeros(count, 2), 1.0, onward, blocks)
        leaving = torch.full((2, count), torch.inf)
        leaving[0, 3], leaving[1, 7], leaving[1, 9] = 0.5, 0.2, 0.0
        left, following = ways(graph, leaving)
        np.testing.assert_allclose(left.numpy(), floyd(graph, leaving), atol=1e-4)
        for goal in range(2):
            for now in range(count):
                if torch.isfinite(left[goal, now]):
                    further = int(following[goal, now])
                    assert further == now or left[goal, further] < left[goal, now]


def test_ways_are_shortest() -> None:
    check_ways(RecordedGraph.ways)


def once(graph, leaving):
    """Looks one link ahead only."""
    through, link = (leaving[:, graph.onward] + graph.blocks).min(dim=-1)
    own = torch.arange(len(graph.frames))
    return torch.minimum(leaving, through), torch.where(through < leaving, graph.onward[own, link], own)


def against(graph, leaving):
    """Goes along links the wrong way."""
    count = len(graph.frames)
    onward, blocks = torch.arange(count)[:, None].repeat(1, count), torch.zeros(count, count)
    for one in range(count):
        for other, cost in zip(graph.onward[one].tolist(), graph.blocks[one].tolist(), strict=True):
            onward[other, one], blocks[other, one] = one, cost
    return RecordedGraph.ways(replace(graph, onward=onward, blocks=blocks), leaving)


@pytest.mark.parametrize("ways", [once, against], ids=lambda ways: ways.__name__)
def test_wrong_ways_are_rejected(ways) -> None:
    with pytest.raises(AssertionError):
        check_ways(ways)


def test_the_unit_is_a_block_and_walls_are_not_crossed() -> None:
    graph = recorded_graph(point_model(), recorded(WAY), neighbours=4, max_frames=1000, owner="test")
    assert graph.unit == pytest.approx(0.1, abs=0.01)
    gaps = (graph.frames[:, None] - graph.frames[graph.onward]).norm(dim=-1)
    assert float(gaps.max()) < 0.15


def test_it_aims_along_the_recorded_way() -> None:
    subgoals = RecordedSubgoals(point_model(), recorded(WAY), neighbours=4)
    start, goal = torch.tensor([[-0.5, -0.6]]), torch.tensor([[0.5, -0.6]])
    found = subgoals.toward(start, goal, reach=5)
    assert found.blocks.item() == pytest.approx(36, abs=3)  # 3.6 units of length in steps of 0.1
    torch.testing.assert_close(found.latents, torch.tensor([[-0.5, -0.1]]), atol=0.06, rtol=0)
    far = subgoals.toward(start, goal, reach=13)
    torch.testing.assert_close(far.latents, torch.tensor([[-0.5, 0.7]]), atol=0.12, rtol=0)


def test_a_goal_within_reach_or_without_a_way_is_aimed_at_itself() -> None:
    subgoals = RecordedSubgoals(point_model(), recorded(WAY), neighbours=4)
    start = torch.tensor([[-0.5, -0.6], [0.5, -0.6]])
    goal = torch.tensor([[-0.5, -0.2], [-0.5, -0.6]])  # near; and against the recorded direction
    found = subgoals.toward(start, goal, reach=5)
    torch.testing.assert_close(found.latents, goal)
    assert found.frame.tolist() == [-1, -1]
    assert found.blocks[0] < 5


def behind_a_wall(positions: np.ndarray, actions: np.ndarray) -> np.ndarray:
    moved = positions + SPEED * np.clip(actions, -1, 1)
    crossed = (np.sign(moved[:, 0]) != np.sign(positions[:, 0])) & (moved[:, 1] < 0.5)
    moved[crossed, 0] = positions[crossed, 0]
    return moved.clip(-1, 1)


@pytest.mark.parametrize("plain", [False, True])
def test_a_policy_goes_round_where_plain_planning_stays(plain: bool) -> None:
    model = point_model()
    planner = CEMPlanner(4, 60, num_elites=8, num_iterations=6)
    cost = goal_cost if plain else RecordedSubgoals(model, recorded(WAY), neighbours=4)
    policy = MPCPolicy(model, planner, cost=cost)
    goal, position = WAY[-1:], WAY[:1]
    policy.reset(paint(goal))
    for _ in range(20 * FRAMESKIP * 4):
        position = behind_a_wall(position, policy.act(paint(position)))
    assert (np.abs(position - goal).max() < 0.1) != plain


def test_the_cost_without_a_goal_is_left_to_the_cost() -> None:
    subgoals = RecordedSubgoals(
        point_model(), recorded(WAY), neighbours=4, cost=lambda situation: lambda plans: plans.sum((2, 3))
    )
    policy = MPCPolicy(point_model(), CEMPlanner(2, 8, num_elites=2, num_iterations=1), cost=subgoals)
    assert policy.act(paint(WAY[:1])).shape == (1, 2)


def test_a_distance_of_the_models_own_counts() -> None:
    class Upwards(type(point_model())):
        def latent_distance(self, one, other):
            return (one - other).square()[..., 1]

    model = Upwards()
    model.processor = point_model().processor
    assert isinstance(model, WorldModel)
    graph = recorded_graph(model.eval(), recorded(WAY[:2]), neighbours=2, max_frames=100, owner="test")
    here = torch.tensor([[0.9, -0.6]])  # as far up as the first frame
    assert float(graph.blocks_between(here)[0, 0]) < 0.1


def test_frames_beyond_the_most_are_left_out() -> None:
    subgoals = RecordedSubgoals(point_model(), recorded(WAY, WAY), neighbours=4, max_frames=20)
    assert len(subgoals.frames) == 20


def test_episodes_in_which_nothing_moves() -> None:
    still = recorded(WAY[:2])
    still = replace(still, pixels=np.zeros_like(still.pixels))
    with pytest.raises(DataError, match="latent moves"):
        RecordedSubgoals(point_model(), still, neighbours=2)
    with pytest.raises(DataError, match="more recorded frames"):
        RecordedSubgoals(point_model(), recorded(WAY[:2]), neighbours=100)
    with pytest.raises(ConfigError, match="Episodes"):
        RecordedSubgoals(point_model(), still.pixels)  # pyright: ignore[reportArgumentType]
