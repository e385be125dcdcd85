"""What the page is told is what the model does."""

import base64

import numpy as np
import pytest
import torch

import leworld
from leworld.costs import GoalCost
from leworld.data import Episodes, Observation
from leworld.evaluation import frame_latents, prediction_errors
from leworld.explorer import Explorer
from leworld.models import model_input
from leworld.planners import CEMPlanner
from leworld.tasks import get_task
from tests.explorer.examples import explorer, quick

SKIP = 5  # of the shipped model


def pictures(told: dict) -> np.ndarray:
    flat = np.frombuffer(base64.b64decode(told["rgb"]), np.uint8)
    return flat.reshape(told["count"], told["height"], told["width"], 3)


@pytest.fixture(scope="module")
def shipped() -> Explorer:
    task = get_task("tworoom")
    model = leworld.load("lewm-tworoom-tiny")
    return Explorer(model, task.held_out(12, seed=3), task=task, planner=CEMPlanner(num_iterations=6))


def long_episodes(shown: Explorer) -> tuple[int, int]:
    first, second, *_ = [number for number, frames in enumerate(shown.facts()["lengths"]) if frames > 7]
    return first, second


def test_an_episode_is_shown_as_recorded_with_its_surprise() -> None:
    shown, one = explorer(), explorer().episodes.select([2])
    told, skip = shown.episode(2), shown.processor.frameskip
    assert np.array_equal(pictures(told["frames"]), one.pixels[::skip])
    assert told["surprise"][0] is None
    assert np.allclose(told["surprise"][1:], prediction_errors(shown.model, one)[0].numpy())
    assert np.allclose(told["states"], one.columns["state"][::skip], atol=1e-4)


def test_the_facts_place_every_frame() -> None:
    shown = explorer()
    facts = shown.facts()
    places = np.concatenate([shown.episode(i)["states"] for i in range(len(shown.episodes))])
    assert np.allclose(facts["places"], places)
    assert sum(facts["lengths"]) == len(places)
    assert facts["plays"]
    assert facts["backdrop"]["x"] == [0.0, 224.0]


def test_without_states_the_map_is_of_the_latents() -> None:
    data = explorer().episodes
    bare = Episodes(data.pixels, data.actions, lengths=data.lengths)
    shown = Explorer(explorer().model, bare, task=get_task("tworoom"), planner=quick())
    facts = shown.facts()
    assert facts["axes"] == ["latent axis 1", "latent axis 2"]
    assert facts["backdrop"] is None
    assert not facts["plays"]
    assert np.isfinite(facts["places"]).all()
    assert shown.episode(0)["states"] is None
    assert len(shown.plan(0, frame=0, goal_episode=1, goal_frame=2)["imagined"]["places"]) == 2
    assert shown.disturb(0, frame=3, kind="teleport")["event"] == 3  # spliced from another episode


@pytest.mark.parametrize("kind", ["teleport", "colour", "freeze", "reversal", "vanish"])
def test_an_event_begins_at_the_chosen_frame(kind: str) -> None:
    shown = explorer()
    calm, told = shown.episode(1), shown.disturb(1, frame=4, kind=kind)
    before, after = pictures(calm["frames"]), pictures(told["frames"])
    assert np.array_equal(before[:4], after[:4])
    assert not np.array_equal(before[4], after[4])
    assert np.allclose(told["surprise"][1:4], calm["surprise"][1:4])
    assert shown.disturb(1, frame=4, kind=kind) == told


def test_the_impossible_surprises_a_trained_model(shipped: Explorer) -> None:
    alarm = shipped.facts()["alarm"]
    one, _ = long_episodes(shipped)
    for kind in ("teleport", "colour"):
        assert shipped.disturb(one, frame=5, kind=kind)["surprise"][5] > alarm


def test_a_plan_is_what_the_model_makes_of_it(shipped: Explorer) -> None:
    """The told distances are those of the told actions, imagined from the chosen frame."""
    (first, second), frame, goal = long_episodes(shipped), 3, 7
    told = shipped.plan(first, frame=frame, goal_episode=second, goal_frame=goal)
    model, one = shipped.model, shipped.episodes.select([first])
    rows = np.arange(frame + 1) * SKIP
    seen = model_input(model, Observation(one.pixels[rows[-1:]]))
    with torch.no_grad():
        state = model.observe(None, seen)
        raw = torch.tensor(told["actions"], dtype=torch.float32).reshape(1, -1, SKIP, 2)
        blocks = model.processor.action_blocks(raw.flatten(0, 1)).reshape(1, 1, -1, 2 * SKIP)
        future = model.imagine(state, blocks)[0, 0]
        target = frame_latents(model, shipped.episodes.select([second]), stride=SKIP).latents[goal]
        cost = GoalCost(model, target[None], state=state)(blocks)
    assert model.history_size == 1
    assert np.allclose(
        told["distance"][1:], model.latent_distance(future, target[None]), rtol=1e-3, atol=1e-4
    )
    assert np.isclose(told["distance"][-1], float(cost[0, 0]), rtol=1e-3)
    assert told["distance"][-1] < 0.2 * told["distance"][0]
    assert told["distance"][-1] < told["baseline"]
    every = frame_latents(model, shipped.episodes, stride=SKIP).latents
    nearest = torch.cdist(future, every).argmin(dim=1)
    assert np.allclose(told["imagined"]["places"], np.array(shipped.facts()["places"])[nearest])


def test_the_model_arrives_where_the_click_was(shipped: Explorer) -> None:
    first, second = long_episodes(shipped)
    told = shipped.play(first, frame=0, goal_episode=second, goal_frame=7)
    goal = np.array(shipped.episode(second)["states"][7])
    start = np.array(shipped.episode(first)["states"][0])
    places = np.array(told["places"])
    assert np.allclose(places[0], start, atol=1e-3)
    assert told["reached"] is not None
    assert np.linalg.norm(places[told["reached"]] - goal) <= 16
    assert np.linalg.norm(places[told["reached"] - 1] - goal) > 16
    assert pictures(told["frames"]).shape[0] == len(places)


def test_large_pictures_are_sent_small() -> None:
    rows = 3 * 20
    frames = np.random.default_rng(0).integers(0, 256, (rows, 150, 150, 3), np.uint8)
    episodes = Episodes(frames, np.zeros((rows, 2), np.float32), lengths=np.full(3, 20))
    shown = pictures(Explorer(explorer().model, episodes, planner=quick()).episode(0)["frames"])
    assert shown.shape == (20 // explorer().processor.frameskip, 75, 75, 3)
    assert np.allclose(shown[0, 0, 0], frames[0, :2, :2].mean((0, 1)), atol=0.51)


def test_few_frames_have_no_alarm() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), np.uint8)
    data = Episodes(frames, np.zeros((12, 2), np.float32), lengths=np.full(2, 6))
    short = Explorer(explorer().model, data, planner=quick())
    assert short.facts()["alarm"] is None
