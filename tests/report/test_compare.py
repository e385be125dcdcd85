"""Two models on one page: the same episodes and pairs, and no difference claimed inside an interval."""

import dataclasses
import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import leworld
from leworld.cli._main import top
from leworld.metrics import GoalMonotonicity, Interval
from leworld.report import _parts, compare_report
from leworld.report._compare import (
    _monotonicity_rows,
    _planning_rows,
    _probing_rows,
    _surprise_rows,
    _told,
)
from leworld.tasks import get_task, two_room_held_out
from tests.hub.examples import tiny_lewm
from tests.report.examples import planning_result, probing_result, surprise_result
from tests.report.test_sections import check_page
from tests.report.test_verdict import played, surprised


def better(rows: list) -> list[str]:
    return [row[4] for row in rows]


def test_no_difference_is_claimed_inside_its_interval() -> None:
    assert _told(0.1, Interval(low=-0.1, high=0.3))[1] == "no difference shown"
    assert _told(0.2, Interval(low=0.1, high=0.3))[1] == "A"
    assert _told(0.2, Interval(low=0.1, high=0.3), more_is_better=False)[1] == "B"
    assert better(_planning_rows(played(20, 0, 20), played(20, 0, 20))) == ["no difference shown"] * 2
    assert better(_planning_rows(played(20, 0, 20), played(5, 0, 20))) == ["A", "A"]
    assert better(_planning_rows(played(5, 0, 20), played(20, 0, 20))) == ["B", "B"]
    assert better(_planning_rows(played(12, 0, 20), played(11, 0, 20))) == ["no difference shown"] * 2


def test_fewer_false_alarms_are_better() -> None:
    rows = _surprise_rows(surprised(38, (40, 100)), surprised(38, (2, 100)))
    assert better(rows) == ["no difference shown", "B"]
    assert better(_surprise_rows(surprise_result(), surprise_result()))[0] == "no difference shown"


def test_probes_differ_only_where_their_intervals_are_apart() -> None:
    one = probing_result()
    row = one.rows[0]

    def with_interval(low: float, high: float):
        changed = dataclasses.replace(row, r2_interval=Interval(low=low, high=high))
        return dataclasses.replace(one, rows=(changed, *one.rows[1:]))

    assert better(_probing_rows(one, with_interval(0.90, 0.99))) == ["no difference shown"]
    assert better(_probing_rows(one, with_interval(0.95, 0.99))) == ["B"]
    assert better(_probing_rows(one, with_interval(0.1, 0.2))) == ["A"]


def test_steps_toward_goals_are_counted() -> None:
    good, bad = (GoalMonotonicity(edges=(0.0, 1.0), share=(share,), count=(300,)) for share in (0.9, 0.5))
    assert better(_monotonicity_rows(good, bad)) == ["A"]
    assert better(_monotonicity_rows(good, good)) == ["no difference shown"]


@pytest.fixture(scope="module")
def models():
    second = tiny_lewm()
    with torch.no_grad():
        for parameter in second.parameters():
            parameter.mul_(0.9)
    return {"one": tiny_lewm(), "two": second}


def test_both_models_play_the_same_pairs_once_with_the_baselines(models) -> None:
    episodes = two_room_held_out(13, image_size=16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_parts, "_DECODER_STEPS", 3)
        page = compare_report(models, episodes, task=get_task("tworoom"), num_pairs=2, progress=False)
    check_page(page)
    assert "<h1>Report: one and two</h1>" in page
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles[:3] == ["Which is better", "Verdict on one", "Verdict on two"]
    assert len(titles) == len(set(titles))
    planning = page[page.index('<section id="planning">') : page.index('<section id="imagination">')]
    assert re.findall(r'<th scope="row">(.*?)</th>', planning) == ["one", "two", "random", "oracle"]
    assert planning_result().num_pairs == 2
    verdicts = page[page.index('id="verdict-on-two"') : page.index('<section id="model">')]
    assert "random actions" in verdicts  # the second is compared with the baselines too
    for letter, name in (("A", "one"), ("B", "two")):
        assert f"<h3>{letter}: {name}</h3>" in page


def test_the_command_names_two_runs_alike_apart(models, tmp_path: Path) -> None:
    for place, model in zip(("a/model", "b/a"), models.values(), strict=True):
        leworld.save(model, tmp_path / place)
    arguments = [
        "report",
        str(tmp_path / "a/model"),
        str(tmp_path / "b/a"),
        "--episodes",
        "12",
        "--pairs",
        "1",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setattr(_parts, "_DECODER_STEPS", 3)
        result = CliRunner().invoke(top, arguments)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "runs/report/model-and-a.html").read_text(encoding="utf-8")
    assert "<h1>Report: A a and B a</h1>" in page


@pytest.mark.parametrize(
    ("extra", "words"),
    [(["--decoder", "{decoder}"], "--decoder belongs to one model"), ([], "needs one world for both")],
)
def test_two_models_of_two_worlds_are_refused(models, tmp_path: Path, extra, words: str) -> None:
    (tmp_path / "decoder").write_text("no decoder")
    model = tiny_lewm()
    model.processor = dataclasses.replace(model.processor, environment_id=get_task("pusht").environment_id)
    leworld.save(models["one"], tmp_path / "a")
    leworld.save(model, tmp_path / "b")
    options = [part.format(decoder=tmp_path / "decoder") for part in extra]
    arguments = ["report", str(tmp_path / "a"), str(tmp_path / "b"), "--episodes", "12", *options]
    result = CliRunner().invoke(top, [*arguments, "--out", str(tmp_path / "r.html")])
    assert result.exit_code == 2
    assert words in result.output
    assert not (tmp_path / "r.html").exists()
