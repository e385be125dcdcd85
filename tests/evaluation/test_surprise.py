"""Violation of expectation: the impossible is noticed, the normal is not, and p-values are calibrated."""

import json

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from leworld.data import Episodes, Processor
from leworld.envs import TwoRoomArena
from leworld.errors import ConfigError, DataError, NonFiniteError, ShapeError
from leworld.evaluation import (
    SurpriseMonitor,
    SurpriseResult,
    open_loop,
    perturb,
    prediction_errors,
    surprise,
)
from leworld.evaluation._surprise._measure import _runs
from leworld.metrics import conformal_p_values
from leworld.models import WorldModel
from leworld.tasks import two_room_held_out
from tests.evaluation.perturbations import PERTURBATIONS, check_perturb

KINDS = ("teleport", "colour", "freeze", "reversal", "vanish")


class Walker(WorldModel):
    """Sees brightness per channel and knows that an action adds to it."""

    def __init__(self, *, history: int = 2, wrong: float = 0.0) -> None:
        super().__init__()
        self.history_size, self.embedding_dim, self.action_dim, self.wrong = history, 3, 2, wrong
        self.processor = Processor(
            2,
            frameskip=2,
            action_dim=1,
            image_mean=(0.0,) * 3,
            image_std=(1 / 255,) * 3,
            action_mean=(0.0,),
            action_std=(1.0,),
        )

    def _encode(self, observations):
        return observations.mean(dim=(-2, -1)) + self.wrong

    def _predict(self, embeddings, actions):
        return embeddings + actions.sum(-1, keepdim=True) * torch.tensor([1.0, 0.0, 0.0])

    def _loss(self, batch, generator):
        raise NotImplementedError


def walks(num: int = 60, rows: int = 25, *, seed: int = 0) -> Episodes:
    """Red brightness moves with the actions and a little by itself; green stands still."""
    source = np.random.default_rng(seed)
    moves = source.integers(1, 4, (num, rows, 1)) * source.choice([-1, 1], (num, 1, 1))
    drift = source.normal(0, 0.6, (num, rows, 1))
    level = 128 + (np.cumsum(moves + drift, axis=1) - moves - drift)
    pixels = np.zeros((num * rows, 2, 2, 3), np.uint8)
    pixels[..., 0] = level.reshape(-1, 1, 1).round().clip(0, 255)
    pixels[..., 1] = 60
    return Episodes(
        pixels,
        moves.reshape(-1, 1).astype(np.float32),
        lengths=np.full(num, rows),
        columns={"state": level.reshape(-1, 1).astype(np.float32)},
    )


def test_scores_are_the_definition() -> None:
    data, model = walks(3), Walker()
    for index, scores in enumerate(prediction_errors(model, data)):
        one = data.select([index])
        seen = one.pixels[::2].reshape(13, 4, 3).astype(np.float64).mean(1)
        moved = one.actions[:24, 0].reshape(12, 2).sum(1)
        expected = seen[:-1] + moved[:, None] * np.array([1.0, 0.0, 0.0])
        assert np.allclose(scores.numpy(), ((expected - seen[1:]) ** 2).sum(1), rtol=1e-4, atol=1e-3)


def test_the_impossible_is_noticed_and_the_normal_is_not(tmp_path) -> None:
    result = surprise(Walker(), walks(), normal_events={"bright": walks().columns["state"][:, 0] > 140})
    assert [row.kind for row in result.rows] == list(KINDS)
    for kind in ("teleport", "colour", "vanish", "freeze", "reversal"):
        row = result.row(kind)
        assert row.auroc > 0.95
        assert row.detected > 0.8
        assert row.p_value < 0.01
        assert row.effect_size > 0.8
        assert row.offsets[row.disturbed.index(max(row.disturbed[:4]))] == 0  # not before it happens
        assert np.allclose(row.disturbed[:3], row.undisturbed[:3])
    alarms, frames = result.levels[0].frames["all"]
    assert alarms / frames < 0.1  # scores are whole numbers, and ties count against an alarm
    assert 0 < result.levels[0].frames["bright"][1] < frames
    assert SurpriseResult.from_json(json.loads(result.save(tmp_path / "s.json").read_text())) == result
    assert result.plot(tmp_path / "s.png").stat().st_size > 5000
    drawn = result.plot(tmp_path / "s.svg").read_text(encoding="utf-8")  # what is drawn stands in comments
    assert "frames after the event" in drawn
    assert "mathdefault" not in drawn
    assert surprise(Walker(), walks(), kinds=("colour",)).to_json()["rows"][0]["kind"] == "colour"


def test_stricter_rates_and_rare_but_normal_events() -> None:
    """Red jumps by itself halfway through: rare, hard to foresee, and normal."""
    data = walks(200)
    rows = np.arange(len(data.pixels)) % 25
    lamp = (rows == 13) & (np.arange(len(rows)) // 25 % 2 == 0)
    jump = np.repeat(np.where(lamp.reshape(-1, 25).any(1), 6, 0), 25) * (rows >= 13)
    data.pixels[..., 0] = (data.pixels[..., 0].astype(int) + jump[:, None, None]).clip(0, 255)
    rates = (0.05, 0.01, 0.002, 1e-6)
    result = surprise(
        Walker(), data, kinds=("colour",), false_alarm_rates=rates, normal_events={"lamp": lamp}
    )
    assert [level.rate for level in result.levels] == list(rates[:3])
    assert "alarms at 0.0001 %" in result.undefined  # 1200 frames cannot calibrate one in a million
    thresholds = [level.threshold for level in result.levels]
    assert thresholds == sorted(thresholds)
    row, (first, *_, last) = result.row("colour"), result.levels
    assert len(row.num_detected) == 3
    assert row.num_detected[0] >= row.num_detected[-1] > 0.99 * row.num_events
    lamps = first.events["lamp"][1]
    assert 30 < lamps == first.frames["lamp"][1] < 70  # one frame each, in half of the judged episodes
    assert first.events["lamp"][0] > 0.5 * lamps  # at one frame in twenty the lamp raises alarms
    assert last.events["lamp"][0] < 0.1 * lamps  # at one in five hundred it hardly does
    assert row.auroc_of["lamp"] == 1.0
    scores = result.scores
    assert result.spread["lamp"] == tuple(
        float(f(scores["lamp"])) for f in (torch.min, torch.median, torch.max)
    )
    for level in result.levels:
        assert level.frames["all"][0] == int((scores["normal frames"] > level.threshold).sum())
        assert level.frames["lamp"][0] == int((scores["lamp"] > level.threshold).sum())
    text = str(result)
    assert all(word in text for word in ("at 0.2 %", "events, lamp", "greatest", "alarm above"))


def test_an_event_is_an_unbroken_run_of_frames() -> None:
    mask = torch.tensor([True, True, False, True, False, True])
    alarms = torch.tensor([False, True, True, False, False, True])
    assert _runs(mask, alarms) == [True, False, True]
    assert _runs(torch.zeros(4).bool(), torch.ones(4).bool()) == []


def test_other_frames_can_calibrate() -> None:
    data, others = walks(40), torch.cat(prediction_errors(Walker(), walks(100, seed=5)))
    result = surprise(Walker(), data, kinds=("vanish",), calibration=others, false_alarm_rates=(0.01,))
    assert result.num_calibration == len(others) == 1200
    assert result.rows[0].num_events == 40  # all are judged
    expected = others.sort(descending=True).values[12 - 1]  # 12 = floor(0.01 x 1201)
    assert result.levels[0].threshold == float(expected)


def test_progress_goes_to_a_terminal_only(capsys) -> None:
    surprise(Walker(), walks(10), kinds=("vanish",), false_alarm_rates=(0.1,), progress=True)
    assert capsys.readouterr() == ("", "")


def test_a_model_that_sees_nothing_claims_nothing() -> None:
    class Blind(Walker):
        def _encode(self, observations):
            source = torch.Generator().manual_seed(int(observations.shape[0]))
            return torch.randn(*observations.shape[:2], 3, generator=source)

    result = surprise(Blind(), walks(200), kinds=("colour", "teleport"))
    for row in result.rows:
        assert 0.35 < row.auroc < 0.65
        assert row.p_value > 1e-3


def test_a_kind_that_cannot_be_shown_is_undefined() -> None:
    grey = walks(20)
    grey.pixels[...] = grey.pixels[..., :1]
    result = surprise(Walker(), grey, kinds=("colour", "freeze"))
    assert "no pixel changes" in result.undefined["colour"]
    assert "undefined" in str(result)
    with pytest.raises(DataError, match="colour"):
        result.row("colour")


def test_a_model_that_gives_nan_is_an_error() -> None:
    for run in (surprise, prediction_errors, open_loop, SurpriseMonitor.calibrate):
        with pytest.raises(NonFiniteError, match="encode"):
            run(Walker(wrong=float("nan")), walks(6))


def test_perturbations_are_what_the_table_says() -> None:
    check_perturb(perturb, walks(10), TwoRoomArena(), two_room_held_out(6, image_size=16))


@pytest.mark.parametrize("mistake", PERTURBATIONS)
def test_a_wrong_perturbation_is_rejected(mistake: str) -> None:
    with pytest.raises(AssertionError):
        check_perturb(PERTURBATIONS[mistake], walks(10), TwoRoomArena(), two_room_held_out(6, image_size=16))


def test_p_values_are_uniform_on_held_out_normal_frames() -> None:
    model = Walker()
    monitor = SurpriseMonitor.calibrate(model, walks(400, seed=1))
    fresh = walks(60, seed=2)
    online = []
    for index in range(30):
        one = fresh.select([index])
        monitor.reset()
        for row in range(0, 25, 2):
            reading = monitor.observe(one.pixels[row], one.actions[row - 2 : row] if row else None)
            if reading is not None:
                online.append(reading)
    scores = torch.cat(prediction_errors(model, fresh.select(slice(0, 30))))
    assert np.allclose([r.score for r in online], scores.numpy())  # online and offline are the same scores
    calibration = torch.cat(prediction_errors(model, walks(400, seed=1)))
    assert np.allclose([r.p_value for r in online], conformal_p_values(scores, calibration))
    assert all(r.alarm == (r.p_value <= 0.05) for r in online)
    # Brightness is rounded to whole numbers, so equal scores occur: spread ties evenly before the test.
    above = torch.searchsorted(calibration.sort().values, scores, side="right")
    low = 1 - above.double() / len(calibration)
    high = torch.tensor([r.p_value for r in online]).double()
    drawn = low + (high - low) * torch.rand(len(low), generator=torch.Generator().manual_seed(0))
    assert kstest(drawn.numpy(), "uniform").pvalue > 1e-3
    shifted = drawn.numpy() ** 2
    assert kstest(shifted, "uniform").pvalue < 1e-3  # the test can fail


def test_the_monitor_keeps_no_more_than_it_needs() -> None:
    monitor = SurpriseMonitor(Walker(), torch.rand(50, generator=torch.Generator().manual_seed(0)))
    told = f"false_alarm_rate=0.05, threshold={monitor.threshold:.4g}"
    assert repr(monitor) == f"SurpriseMonitor(Walker, 50 calibration scores, {told})"
    frame = np.zeros((2, 2, 3), np.uint8)
    assert monitor.observe(frame) is None
    for _ in range(20):
        monitor.observe(frame, np.zeros((2, 1)))
    assert (monitor._state.latents.shape[1], monitor._state.actions.shape[1]) == (2, 1)
    with pytest.raises(ConfigError, match="reset"):
        monitor.observe(frame)
    with pytest.raises(ShapeError, match="actions"):
        monitor.observe(frame, np.zeros((3, 1)))


def test_imagination_beside_its_baselines() -> None:
    result = open_loop(Walker(), walks(20), horizon=4, column="state", num_windows=64)
    assert max(result.latent["model"]) < min(result.latent["copy"])
    assert max(result.physical["model"]) < min(result.physical["copy"])
    assert result.useful_steps == 4
    assert result.physical["probe"][0] < 1.0
    assert str(result).count("\n") == 4
    still = open_loop(Walker(), walks(20), horizon=4)
    assert still.physical == {}
    assert still.latent["shuffled"][0] > still.latent["model"][0]
