"""The monitor on made-up courses of embeddings, and on short trainings with and without SIGReg."""

import warnings

import numpy as np
import pytest
import torch

from leworld._random import seeded_globals
from leworld.data import Windows, collect, fit_processor
from leworld.encoders import ActionEncoder, ConvEncoder
from leworld.envs import TwoRoomVector
from leworld.models import DINOWM, RSSM, TDMPC2, LeWM
from leworld.nn import Projector
from leworld.predictors import TransformerPredictor
from leworld.regularizers import SIGReg
from leworld.tasks import ExpertPolicy
from leworld.training import CollapseMonitor, CollapseWarning, OptimizerSettings, TrainSettings, train
from tests.training.wrong import WRONG_MONITORS

STEPS = range(10, 610, 10)


def course(spread, flatness=None):
    """Embeddings with the standard deviation spread(step), squeezed to a line by flatness(step)."""
    base = torch.randn(256, 16, generator=torch.Generator().manual_seed(0))
    line = base[:, :1] * torch.ones(16)
    for step in STEPS:
        share = 0.0 if flatness is None else flatness(step)
        yield step, spread(step) * ((1 - share) * base + share * line)


def messages(monitor, embeddings):
    return [step for step, rows in embeddings if monitor.update(step, rows) is not None]


def check_monitor(kind) -> None:
    """What any monitor must say about courses whose end is known."""
    shrinking = messages(monitor := kind(), course(lambda step: 0.35 * 0.5 ** (step / 100)))
    assert len(shrinking) == 1
    assert monitor.collapsing
    assert 150 <= shrinking[0] <= 300  # below a quarter since step 50, patience 100
    flattening = messages(monitor := kind(), course(lambda step: 1.0, lambda step: min(1.0, step / 200)))
    assert len(flattening) == 1
    assert monitor.collapsing
    for spread in (
        lambda step: min(1.0, 0.3 + step / 600),  # the usual course
        lambda step: min(1.0, 0.01 * 1.02**step),  # small for 150 steps, and growing
        lambda step: 1.0,
        lambda step: 0.1 if step in (300, 310) else 0.9,  # two bad batches
    ):
        assert messages(monitor := kind(), course(spread)) == []
        assert not monitor.collapsing


def test_the_monitor_tells_collapse_from_slow_growth():
    check_monitor(CollapseMonitor)


@pytest.mark.parametrize("kind", WRONG_MONITORS)
def test_wrong_monitors_are_rejected(kind):
    with pytest.raises(AssertionError):
        check_monitor(kind)


def test_it_takes_a_recovery_back_and_warns_again_afterwards():
    monitor = CollapseMonitor()
    warned = messages(monitor, course(lambda step: 0.9 if 300 < step <= 350 else 0.1))
    assert warned == [110, 460]
    assert monitor.collapsing


def test_its_memory_survives_a_checkpoint():
    courses = list(course(lambda step: 0.35 * 0.5 ** (step / 100)))
    whole = messages(CollapseMonitor(), courses)
    first, second = CollapseMonitor(), CollapseMonitor()
    warned = messages(first, courses[:9])
    second.load_state_dict(first.state_dict())
    assert warned + messages(second, courses[9:]) == whole


def test_the_message_speaks_plainly():
    monitor = CollapseMonitor()
    said = [monitor.update(step, rows) for step, rows in course(lambda step: 0.35 * 0.5 ** (step / 100))]
    message = next(text for text in said if text)
    for word in ("collapsing", "standard deviation", "effective rank", "regularizer_weight", "batch size"):
        assert word in message


@pytest.fixture(scope="module")
def windows():
    env = TwoRoomVector(16, image_size=16)
    episodes = collect(env, ExpertPolicy(), num_episodes=48, seed=0, progress=False)
    return Windows(episodes, 1, frameskip=5)


def small_lewm(weight: float) -> LeWM:
    with seeded_globals(0):
        return LeWM(
            ConvEncoder(image_size=16, embedding_dim=16, channels=(8, 16)),
            TransformerPredictor(
                16, history_size=1, depth=1, num_heads=2, head_dim=8, mlp_dim=32, dropout=0.0
            ),
            action_encoder=ActionEncoder(10, 16),
            projector=Projector(16, hidden_dim=64),
            prediction_projector=Projector(16, hidden_dim=64),
            regularizer=SIGReg(16),
            regularizer_weight=weight,
        )


@pytest.mark.parametrize(("weight", "collapses"), [(0.0, True), (0.01, False), (0.09, False)])
def test_a_run_without_sigreg_is_reported_within_300_steps_and_others_are_not(
    weight, collapses, windows, tmp_path
):
    model = small_lewm(weight)
    model.processor = fit_processor(windows.episodes, frameskip=5)
    settings = TrainSettings(
        num_steps=300,
        save_every=300,
        batchnorm_windows=128,
        optimizer=OptimizerSettings(learning_rate=1e-3),
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(model, windows, folder=tmp_path, settings=settings, progress=False)
    reports = [warning for warning in caught if issubclass(warning.category, CollapseWarning)]
    log = np.genfromtxt(tmp_path / "metrics.csv", delimiter=",", names=True)
    assert bool(reports) == collapses
    assert bool(log["collapsing"].any()) == collapses
    assert bool(log["collapsing"][-1]) == collapses
    if collapses:
        assert len(reports) == 1
        assert "collapsing" in str(reports[0].message)


def test_frozen_features_are_not_taken_for_a_collapse(windows, tmp_path):
    """Their spread is what it is; a model that learns them and shows the same is reported."""
    model = small_lewm(0.0)
    for part in (model.encoder, model.projector):
        part.requires_grad_(False).eval()
    torch.nn.init.normal_(model.encoder.output.weight, std=1e-3)
    model.processor = fit_processor(windows.episodes, frameskip=5)
    settings = TrainSettings(num_steps=150, save_every=150, batchnorm_windows=128)
    reported = {}
    for watched in (True, False):
        model.watches_spread = watched
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            train(model, windows, folder=tmp_path / str(watched), settings=settings, progress=False)
        reported[watched] = any(issubclass(warning.category, CollapseWarning) for warning in caught)
    assert reported == {True: True, False: False}


@pytest.mark.parametrize("kind", [RSSM, TDMPC2, DINOWM], ids=lambda kind: kind.__name__)
def test_the_spread_of_latents_of_a_given_form_says_nothing(kind):
    assert not kind.watches_spread
