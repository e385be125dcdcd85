"""Every evaluation takes tokens, several parts and models with a state, and computes what it should."""

import numpy as np
import pytest
import torch

from leworld.data import Observation
from leworld.decoders import CrossAttentionDecoder
from leworld.evaluation import (
    Quantity,
    SurpriseMonitor,
    frame_latents,
    imagined_rollouts,
    latent_map,
    metric_monotonicity,
    open_loop,
    perturb,
    prediction_errors,
    probe_states,
    probing,
    surprise,
)
from leworld.metrics import goal_monotonicity
from leworld.models import WorldModel, model_input
from leworld.planners import CEMPlanner
from leworld.probes import AttentiveProbe, KNNProbe, LinearProbe, RidgeProbe
from leworld.report import build_report
from tests.evaluation import kinds
from tests.evaluation.kinds import KINDS, SIDE, SKIP, TASK, Forgetful, LastAxisOnly, Parts, Recurrent, Tokens

QUICK = CEMPlanner(horizon=2, num_samples=12, num_elites=3, num_iterations=2)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.__name__)
def model(request) -> WorldModel:
    return kinds.model(request.param)


@pytest.fixture(scope="module")
def episodes():
    return kinds.episodes()


def decoder(made: WorldModel) -> CrossAttentionDecoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return CrossAttentionDecoder(kinds.num_entries(made), SIDE, patch_size=4, hidden_dim=8, depth=1)


def check_errors(made: WorldModel, data, expected) -> None:
    found = prediction_errors(made, data)
    assert [len(errors) for errors in found] == [len(errors) for errors in expected]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-4, atol=1e-7)


def check_open_loop(made: WorldModel, data, expected) -> None:
    found = open_loop(made, data, horizon=2, num_windows=10_000)
    np.testing.assert_allclose(found.latent["model"], expected, rtol=1e-4, atol=1e-7)


def check_frames(made: WorldModel, data, expected) -> None:
    found = frame_latents(made, data, stride=SKIP)
    torch.testing.assert_close(found.latents, expected.float(), atol=1e-5, rtol=1e-5)


EXPECTED = {
    check_errors: kinds.expected_errors,
    check_open_loop: lambda made, data: kinds.expected_open_loop(made, data, 2),
    check_frames: lambda made, data: torch.cat(
        [kinds.true_latents(made, data, index) for index in range(len(data))]
    ),
}


@pytest.mark.parametrize("check", EXPECTED, ids=lambda check: check.__name__)
def test_it_computes_what_the_contract_says(check, model, episodes) -> None:
    check(model, episodes, EXPECTED[check](model, episodes))


@pytest.mark.parametrize(
    ("kind", "mistake"),
    [
        (Tokens, LastAxisOnly),
        (Parts, kinds.swapped),
        (Recurrent, Forgetful),
        *((k, kinds.late) for k in KINDS),
    ],
    ids=lambda value: value.__name__,
)
@pytest.mark.parametrize("check", [check_errors, check_open_loop])
def test_a_mistake_gives_other_numbers(check, kind, mistake, episodes) -> None:
    made = kinds.model(kind)
    expected = EXPECTED[check](made, episodes)
    wrong, data = (kinds.model(mistake), episodes) if isinstance(mistake, type) else (made, mistake(episodes))
    with pytest.raises(AssertionError):
        check(wrong, data, expected)


@pytest.mark.parametrize(("kind", "mistake"), [(Parts, kinds.swapped), (Recurrent, Forgetful)])
def test_a_mistake_gives_other_latents(kind, mistake, episodes) -> None:
    made = kinds.model(kind)
    wrong, data = (kinds.model(mistake), episodes) if isinstance(mistake, type) else (made, mistake(episodes))
    with pytest.raises(AssertionError):
        check_frames(wrong, data, EXPECTED[check_frames](made, episodes))


def test_any_stride_reaches_the_frames_between(model, episodes) -> None:
    """A model with a state comes to an odd row by odd rows."""
    every = frame_latents(model, episodes.select([0, 1]), stride=1)
    assert every.rows.tolist() == list(range(episodes.select([0, 1]).num_rows))
    assert set(every.episode.tolist()) == {0, 1}
    even = frame_latents(model, episodes.select([0, 1]), stride=SKIP)
    torch.testing.assert_close(every.latents[np.isin(every.rows, even.rows)], even.latents)
    assert torch.isfinite(every.latents).all()
    assert len(every.latents[1::2].unique(dim=0)) > len(every.latents) // 4


def test_the_monitor_says_what_the_protocol_says(model, episodes) -> None:
    scores = prediction_errors(model, episodes)
    monitor = SurpriseMonitor(model, torch.cat(scores))
    for index in (0, 1):
        monitor.reset()
        rows = range(episodes.rows(index).start, episodes.rows(index).stop, SKIP)
        online = []
        for row in rows:
            seen = episodes.observation(model.observation_parts, [row])
            actions = None if row == rows[0] else episodes.actions[row - SKIP : row]
            online.append(monitor.observe(seen, actions))
        assert online[0] is None
        found = [reading.score for reading in online[1:] if reading is not None]
        np.testing.assert_allclose(found, scores[index].numpy(), rtol=1e-4, atol=1e-7)


def test_surprise_judges_every_kind(model, episodes) -> None:
    result = surprise(model, episodes, world=TASK.world, false_alarm_rates=(0.05,), seed=1)
    assert not result.undefined
    assert len(result.rows) == 5
    assert model.carries_state or result.row("teleport").auroc > 0.6


def test_another_camera_can_be_disturbed(episodes) -> None:
    for kind in ("colour", "freeze", "reversal", "vanish"):
        made = perturb(episodes, kind, part="wrist", frameskip=SKIP).episodes
        assert np.array_equal(made.pixels, episodes.pixels)
        assert np.array_equal(made.columns["proprio"], episodes.columns["proprio"])
        assert not np.array_equal(made.columns["wrist"], episodes.columns["wrist"])
        usual = perturb(episodes, kind, frameskip=SKIP).episodes
        assert np.array_equal(usual.columns["wrist"], episodes.columns["wrist"])
        assert not np.array_equal(usual.pixels, episodes.pixels)
    made = kinds.model(Parts)
    quiet = surprise(
        kinds.model(Tokens), episodes, kinds=("freeze",), part="wrist", false_alarm_rates=(0.05,)
    )
    seen = surprise(made, episodes, kinds=("freeze",), part="wrist", false_alarm_rates=(0.05,))
    assert quiet.row("freeze").effect_size != quiet.row("freeze").effect_size  # no difference: not defined
    assert seen.row("freeze").effect_size == seen.row("freeze").effect_size


def test_a_teleport_moves_all_that_is_sensed(episodes) -> None:
    made = perturb(episodes, "teleport", world=TASK.world, frameskip=SKIP)
    after = np.concatenate(
        [
            np.arange(f + e, f + n)
            for f, e, n in zip(episodes.offsets, made.event, episodes.lengths, strict=True)
        ]
    )
    states = made.episodes.columns["state"]
    for name, part in TASK.sense(states).items():
        assert np.array_equal(made.episodes.columns[name][after], part[after])
        assert not np.array_equal(made.episodes.columns[name][after], episodes.columns[name][after])


def test_imagined_rollouts_stray_as_open_loop_says(model, episodes) -> None:
    found = imagined_rollouts(
        model, episodes, decoder=decoder(model), horizon=2, num_rollouts=10_000, column="state"
    )
    assert found.true_latents.shape[2:] == model.latent_shape
    assert torch.equal(found.imagined_latents[:, 0], found.true_latents[:, 0])
    assert found.imagined_frames.shape[2:] == (SIDE, SIDE, 3)
    assert found.imagined_states is not None
    every = imagined_rollouts(model, episodes, decoder=decoder(model), horizon=2, num_rollouts=10_000)
    mean = every.latent_errors().mean(axis=0)[1:]
    np.testing.assert_allclose(mean, kinds.expected_open_loop(model, episodes, 2), rtol=1e-4, atol=1e-7)


def test_probes_read_vectors_and_tokens(model, episodes) -> None:
    probes = {
        "ridge": RidgeProbe,
        "knn": lambda size, out: KNNProbe(size, out, num_neighbors=(2,)),
        "linear": lambda size, out: LinearProbe(size, out, max_epochs=2),
        "attentive": lambda size, out: AttentiveProbe(size, out, hidden_dim=8, num_heads=2, max_epochs=2),
    }
    result = probing(
        {"m": model}, episodes, quantities={"light": Quantity("state")}, probes=probes, stride=SKIP
    )
    for name in ("ridge", "knn", "linear"):
        assert result.row("light", probe=name).undefined is None
    read_tokens = result.row("light", probe="attentive").undefined is None
    assert read_tokens == (len(model.latent_shape) > 1)
    enough = 0.2 if model.carries_state else 0.8  # a state that was never trained mixes the past in
    assert result.row("light", probe="ridge").r2 > enough
    assert probe_states(model, episodes, stride=SKIP).mean_r2 > enough


def test_a_map_places_every_frame(model, episodes) -> None:
    found = frame_latents(model, episodes)
    assert latent_map(found.vectors).coordinates.shape == (episodes.num_rows, 2)


def test_monotonicity_measures_as_the_model_does(model) -> None:
    steps = TASK.goal_steps(60, seed=1)
    result = metric_monotonicity(model, steps, world=TASK.world)
    assert sum(result.count) == len(steps)

    def latents(states):
        raw = Observation(TASK.render(states, SIDE), TASK.sense(states))
        seen = model_input(model, raw).map(lambda part: part[:, None])
        with torch.no_grad():
            return model.encode(seen)[:, 0].flatten(1)

    expected = goal_monotonicity(
        latents(steps.start),
        latents(steps.after),
        goal=latents(steps.goal),
        distance=torch.from_numpy(steps.distance),
        edges=steps.edges,
    )
    assert result.share == expected.share


def test_a_models_own_distance_is_the_one_that_counts(episodes) -> None:
    steps = TASK.goal_steps(200, seed=1)
    usual = metric_monotonicity(kinds.model(Tokens), steps, world=TASK.world)
    own = metric_monotonicity(kinds.model(LastAxisOnly), steps, world=TASK.world)
    assert usual.share != own.share
    pair = (
        prediction_errors(kinds.model(Tokens), episodes),
        prediction_errors(kinds.model(LastAxisOnly), episodes),
    )
    assert all((one > other).all() for one, other in zip(*pair, strict=True))


def test_it_plays_its_task(model) -> None:
    pairs = TASK.pairs("trajectory-6", 5, seed=2)
    result = TASK.play(model, pairs, planner=QUICK, progress=False)
    assert list(result.policies) == [type(model).__name__, "random", "oracle"]
    assert result.recordings["oracle"].frames.shape[2:] == (SIDE, SIDE, 3)


def test_it_is_reported(model, episodes, monkeypatch) -> None:
    monkeypatch.setattr(type(TASK), "play", lambda self, *a, **o: _play(self, *a, **o))
    page = build_report(model, episodes, task=TASK, decoder=decoder(model), num_pairs=2, progress=False)
    assert page.count("Not in this report") == 1  # the training, of which there is no log
    assert "no log of the training" in page
    shape = " x ".join(str(size) for size in model.latent_shape)
    assert f"{shape} numbers" in page
    if isinstance(model, Parts):
        assert "wrist, " in page
        assert "proprio, 2 numbers" in page


_PLAY = type(TASK).play


def _play(task, made, pairs, **options):
    return _PLAY(task, made, pairs, planner=QUICK, **options)
