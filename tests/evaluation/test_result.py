"""What a result shows, saves, draws and films."""

import json
import math

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binomtest

from leworld.errors import ConfigError, MissingExtraError
from leworld.evaluation import GoalReachingResult, PolicyOutcome, goal_reaching
from tests.evaluation.checks import scripted
from tests.evaluation.fakes import Plane, Still


@pytest.fixture(scope="module")
def result() -> GoalReachingResult:
    pairs, script = scripted()
    policies = {"script": script, "a longer name": Still()}
    return goal_reaching(pairs, policies, env=Plane(2), num_recorded=3, progress=False)


def test_the_table_is_aligned_and_says_what_was_left_out(result):
    lines = str(result).splitlines()
    assert lines[0] == "scripted: 5 pairs, 4 steps each, reached within 2 of the goal"
    assert lines[1] == "(4 of 9 drawn pairs were solved at the start and are left out)"
    assert lines[2].split("  ")[0] == "policy"
    assert len({len(line) for line in lines[2:]}) == 1
    low, high = binomtest(4, 5).proportion_ci(0.95, method="wilson")
    assert lines[3].startswith("script         ")
    assert f"80.0%  {low:.1%} to {high:.1%}" in lines[3]
    assert "2.5" in lines[3]
    assert " - " in lines[4]


def test_json_round_trip_and_schema(result, tmp_path):
    path = result.save(tmp_path / "deep" / "result.json")
    data = json.loads(path.read_text())
    assert data == result.to_json()
    assert set(data) == {
        "schema_version",
        "kind",
        "protocol",
        "budget",
        "success_radius",
        "num_pairs",
        "num_presolved",
        "seed",
        "start",
        "goal",
        "policies",
    }
    entry = data["policies"]["script"]
    assert entry["success_rate"] == 0.8
    low, high = binomtest(4, 5).proportion_ci(0.95, method="wilson")
    assert np.allclose(entry["success_interval"], [low, high])
    assert entry["pairs"]["steps_to_reach"] == [1, 4, 2, 3, None]
    back = GoalReachingResult.from_json(data)
    assert back.to_json() == data
    assert str(back) == str(result)
    assert back.policies == result.policies
    assert np.array_equal(back.goal, result.goal)
    with pytest.raises(ConfigError, match="recorded"):
        back.plot(tmp_path / "x.png")


def test_a_summary_in_the_file_is_not_believed(result):
    data = result.to_json()
    data["policies"]["script"]["success_rate"] = 1.0
    assert GoalReachingResult.from_json(data).policies["script"].success_rate == 0.8


def test_seconds_do_not_make_outcomes_differ():
    fields = {
        "reached": (True,),
        "reached_at_last": (True,),
        "steps_to_reach": (1,),
        "final_distance": (0.0,),
    }
    assert PolicyOutcome(**fields, seconds=1.0) == PolicyOutcome(**fields, seconds=2.0)
    assert PolicyOutcome(**fields) != PolicyOutcome(**{**fields, "steps_to_reach": (2,)})


def test_a_failed_write_leaves_the_old_file_and_no_litter(result, tmp_path, monkeypatch):
    path = result.save(tmp_path / "result.json")
    before = path.read_text()
    broken = GoalReachingResult.from_json(result.to_json())
    object.__setattr__(broken, "success_radius", math.nan)
    with pytest.raises(ValueError, match="JSON"):
        broken.save(path, overwrite=True)
    assert path.read_text() == before
    from pathlib import Path

    def fail(self, *args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(ConfigError, match="disk full"):
        result.save(path, overwrite=True)
    monkeypatch.undo()
    assert path.read_text() == before
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_plot(result, tmp_path, suffix):
    path = result.plot(tmp_path / f"paths.{suffix}")
    start = path.read_bytes()[:5]
    assert start.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF-"}[suffix])
    if suffix == "png":
        picture = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3).astype(int)
        for colour in ((27, 120, 55), (178, 24, 43)):  # reached and missed
            assert (np.abs(picture - colour).sum(axis=1) < 12).any()


def test_film(result, tmp_path):
    path = result.write_gif(tmp_path / "film.gif", scale=6, frames_per_second=5)
    with Image.open(path) as film:
        assert film.n_frames == 5
        durations, pictures = [], []
        for moment in range(5):
            film.seek(moment)
            durations.append(film.info["duration"])
            pictures.append(np.asarray(film.convert("RGB")).astype(int))
    assert durations == [200, 200, 200, 200, 1000]
    green = [int((np.abs(picture - (27, 120, 55)).sum(axis=2) < 30).sum()) for picture in pictures]
    # The recorded pairs are reached after steps 1, 4 and 2: one frame, two, two, three.
    assert green[0] == 0
    assert 0 < green[1] < green[2] == green[3] < green[4]


def test_pictures_ask_for_the_extra(result, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    for write in (result.plot, result.write_gif):
        with pytest.raises(MissingExtraError, match=r"leworld\[viz\]"):
            write(tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


def test_no_frames_no_film(tmp_path):
    pairs, script = scripted()
    result = goal_reaching(pairs, {"script": script}, env=Plane(2), num_recorded=0, progress=False)
    assert result.recordings["script"].frames.shape[0] == 0
    assert result.plot(tmp_path / "x.png").exists()
    with pytest.raises(ConfigError, match="num_recorded"):
        result.write_gif(tmp_path / "x.gif")
