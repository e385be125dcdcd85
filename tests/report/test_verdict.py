"""A verdict says what the numbers decide, and no more."""

import dataclasses
import itertools
import math

import pytest
import torch

from leworld.data import Episodes
from leworld.evaluation import (
    AlarmLevel,
    DiagnosisResult,
    GoalReachingResult,
    OpenLoopResult,
    PartRow,
    PolicyOutcome,
    ProbeRow,
    ProbingResult,
    SurpriseResult,
    SurpriseRow,
    TrainingOverlap,
    frame_latents,
)
from leworld.metrics import GoalMonotonicity, Interval
from leworld.models import WorldModel
from leworld.nn import Projector
from leworld.report import VerdictLine, verdict_lines, verdict_section
from leworld.report._difference import paired_difference, share_difference
from leworld.report._gaussianity import TITLE as GAUSSIANITY
from leworld.report._gaussianity import Spread, measure_spread
from leworld.report._judgement import spread_lines
from leworld.report._parts import make_part
from leworld.report._subject import Subject, checked_subject
from leworld.tasks import two_room_held_out
from tests.hub.examples import tiny_lewm
from tests.report.examples import normals, planning_result


def grades(result: object) -> list[str]:
    return [line.grade for line in verdict_lines(result)]


def test_the_published_intervals_of_differences_are_met() -> None:
    """Newcombe, Statistics in Medicine 17, 1998: 873-890, table II (independent), 2635-2650 (paired)."""
    for first, second, low, high in (
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ):
        gap, bounds = share_difference(first, second)
        assert math.isclose(gap, first[0] / first[1] - second[0] / second[1])
        assert abs(bounds.low - low) < 1e-4
        assert abs(bounds.high - high) < 1e-4
    cells = [(True, True)] * 20 + [(True, False)] * 12 + [(False, True)] * 2 + [(False, False)] * 16
    _, bounds = paired_difference([a for a, _ in cells], [b for _, b in cells])
    assert abs(bounds.low - 0.0562) < 1e-3
    assert abs(bounds.high - 0.3290) < 1e-3


@pytest.mark.parametrize(("p", "q", "joint"), [(0.7, 0.5, 0.45), (0.5, 0.5, 0.25), (0.9, 0.6, 0.58)])
def test_intervals_of_paired_differences_cover(p: float, q: float, joint: float) -> None:
    """Exact over all tables of 12 pairs: the coverage stays near 95 %, where a wrong sign gives far less."""
    cells = (joint, p - joint, q - joint, 1 - p - q + joint)
    covered, count = 0.0, 12
    for both, first, second in itertools.product(range(count + 1), repeat=3):
        neither = count - both - first - second
        if neither < 0:
            continue
        a = [True] * both + [True] * first + [False] * (second + neither)
        b = [True] * both + [False] * first + [True] * second + [False] * neither
        _, bounds = paired_difference(a, b)
        ways = math.factorial(count) / math.prod(map(math.factorial, (both, first, second, neither)))
        chance = ways * math.prod(c**n for c, n in zip(cells, (both, first, second, neither), strict=True))
        covered += chance * (bounds.low <= p - q <= bounds.high)
    assert 0.93 <= covered <= 0.999


@pytest.mark.parametrize(
    ("shared", "complete", "grade"), [((), True, "good"), ((), False, "unclear"), ((1,), True, "poor")]
)
def test_episodes_that_were_trained_on_are_no_evidence(shared, complete: bool, grade: str) -> None:
    overlap = TrainingOverlap(num_episodes=5, shared=shared, num_known=9, complete=complete)
    assert grades(overlap) == [grade]
    assert overlap.sentence in verdict_lines(overlap)[0].text


def test_a_collapse_is_told_from_a_spread_latent() -> None:
    line = normals(200, 1) @ normals(1, 6, seed=1)
    for rows, due in ((normals(), "good"), (line, "poor"), (torch.ones(50, 6), "poor")):
        assert spread_lines(measure_spread(rows, None))[0].grade == due
    few = measure_spread(torch.cat([normals(200, 3), torch.zeros(200, 61)], dim=1), None)
    assert few.rank > 2
    assert spread_lines(few)[0].grade == "unclear"


def test_a_latent_that_shrank_keeps_its_rank_and_is_told() -> None:
    """A rank has no size: at 2 % of a Gaussian's spread it is what it was."""
    for scale, asked, due in ((1.0, True, "good"), (0.02, True, "poor"), (0.02, False, "good")):
        line = spread_lines(measure_spread(scale * normals(400), None, asked=asked))[0]
        assert (line.grade, "has shrunk" in line.text) == (due, due == "poor")
        assert "6.0 of 6 directions" in line.text
        assert ("standard deviation of 1" in line.against) == (due == "poor")


def subject_of(model: WorldModel, episodes: Episodes) -> Subject:
    given = {"source": None, "task": None, "quantities": None, "decoder": None}
    return checked_subject("test", model, episodes, **given, num_pairs=1, seed=0, progress=False)


def test_a_model_that_shrank_is_told_on_its_report() -> None:
    """The same model twice, its latents brought to a standard deviation of 1 and then to 0.02."""
    episodes = two_room_held_out(8, image_size=16)
    for std, words in ((1.0, "has not collapsed"), (0.02, "standard deviation is 0.02: it has shrunk")):
        model = tiny_lewm()
        assert isinstance(model.projector, Projector)
        last = model.projector.narrow
        spread = frame_latents(model, episodes, stride=5).vectors.std(dim=0)
        with torch.no_grad():
            last.weight.mul_((std / spread)[:, None])
            last.bias.mul_(std / spread)
        assert words in make_part(GAUSSIANITY, subject_of(model, episodes)).lines[0].text


def test_only_those_who_ask_for_a_gaussian_are_blamed() -> None:
    fine = measure_spread(normals(400), normals(100, seed=1), asked=True)
    off = measure_spread(normals(400), 0.3 * normals(100, seed=1), asked=True)
    other = dataclasses.replace(off, asked=False)
    assert [spread_lines(one)[1].grade for one in (fine, off, other)] == ["good", "poor", "unclear"]
    assert len(spread_lines(Spread(4.0, 6))) == 1  # untested, so not judged


def diagnosis(**changes) -> DiagnosisResult:
    row = PartRow(part="pixels", change="shuffled", moved=0.9, error_ratio=3.0, rank=0.4, r2={"elbow": 0.1})
    usual = DiagnosisResult(
        within_share=0.5, independent_share=0.9, rank=0.1, contrast=0.4, horizon=5, num_problems=100,
        r2={"elbow": 0.9}, pixel_r2={"elbow": 0.9}, parts=(row,),
    )  # fmt: skip
    return dataclasses.replace(usual, **changes)


def test_blind_parts_and_lost_quantities_are_named() -> None:
    assert grades(diagnosis()) == ["good", "good"]
    lost = verdict_lines(diagnosis(r2={"elbow": 0.2}))
    assert [line.grade for line in lost] == ["poor", "good"]
    assert "elbow" in lost[0].text
    row = dataclasses.replace(diagnosis().parts[0], moved=0.01)
    assert "blind to pixels" in verdict_lines(diagnosis(parts=(row,)))[0].text.lower()
    assert grades(diagnosis(within_share=math.nan, rank=math.nan))[0] == "poor"  # collapsed
    assert grades(diagnosis(undefined={"wrist": "it does not vary"})) == ["unclear", "good", "good"]


@pytest.mark.parametrize(
    ("rank", "problems", "grade"),
    [(0.1, 100, "good"), (0.43, 100, "good"), (0.43, 20, "unclear"), (0.6, 100, "poor")],
)
def test_a_rank_must_beat_chance_by_its_margin(rank: float, problems: int, grade: str) -> None:
    assert grades(diagnosis(rank=rank, num_problems=problems))[-1] == grade


def probe(r2: float, low: float, high: float, **more) -> ProbeRow:
    fields = {"model": "m", "probe": "linear", "r2": r2, "r2_interval": Interval(low=low, high=high), **more}
    return ProbeRow("place", **fields)


@pytest.mark.parametrize(
    ("row", "grade"),
    [
        (probe(0.9, 0.8, 0.95), "good"),
        (probe(0.7, 0.4, 0.8), "unclear"),
        (probe(0.1, -0.1, 0.3), "poor"),
        (probe(math.nan, 0, 0, r2_interval=None, accuracy=0.9, chance=0.5,
               accuracy_interval=Interval(low=0.8, high=0.95)), "good"),
        (probe(math.nan, 0, 0, r2_interval=None, accuracy=0.6, chance=0.5,
               accuracy_interval=Interval(low=0.4, high=0.8)), "poor"),
        (ProbeRow("place", model="m", probe="linear", undefined="it does not vary"), "unclear"),
    ],
)  # fmt: skip
def test_probes_are_compared_with_the_mean(row: ProbeRow, grade: str) -> None:
    assert grades(ProbingResult(rows=(row,), seed=0)) == [grade]


def test_the_best_probe_speaks_for_a_quantity() -> None:
    weak, strong = probe(0.1, -0.1, 0.3), probe(0.9, 0.8, 0.95, probe="MLP")
    for rows in ((weak, strong), (strong, weak)):
        (line,) = verdict_lines(ProbingResult(rows=rows, seed=0))
        assert line.grade == "good"
        assert "MLP" in line.text


def surprised(detected: int, false: tuple[int, int], door: tuple[int, int] = (0, 40)) -> SurpriseResult:
    row = SurpriseRow("teleport", num_events=40, num_detected=(detected,), auroc=0.9, t=1.0, p_value=0.1,
                      effect_size=1.0)  # fmt: skip
    level = AlarmLevel(0.05, threshold=1.0, frames={"all": false}, events={"at the door": door})
    return SurpriseResult(rows=(row,), levels=(level,), num_calibration=99, spread={}, undefined={}, seed=0)


@pytest.mark.parametrize(
    ("detected", "false", "door", "due"),
    [
        (38, (5, 100), (0, 40), ["good"]),
        (15, (5, 100), (0, 40), ["unclear"]),  # more than false alarms, but mostly missed
        (3, (5, 100), (0, 40), ["poor"]),
        (38, (30, 100), (0, 40), ["good", "poor"]),
        (38, (5, 100), (20, 40), ["good", "poor"]),
        (38, (0, 0), (0, 0), ["unclear"]),
    ],
)
def test_alarms_are_compared_with_false_alarms(detected, false, door, due) -> None:
    assert grades(surprised(detected, false, door)) == due


def outcome(reached: list[bool]) -> PolicyOutcome:
    return PolicyOutcome(
        reached=tuple(reached),
        reached_at_last=tuple(reached),
        steps_to_reach=tuple(3 if hit else None for hit in reached),
        final_distance=(1.0,) * len(reached),
    )


def played(own: int, random: int, oracle: int, total: int = 20) -> GoalReachingResult:
    counts = {"run": own, "random": random, "oracle": oracle}
    policies = {name: outcome([i < count for i in range(total)]) for name, count in counts.items()}
    zeros = torch.zeros(total, 2).numpy()
    usual = planning_result()
    return dataclasses.replace(usual, start=zeros, goal=zeros, policies=policies, recordings={})


@pytest.mark.parametrize(
    ("own", "random", "oracle", "due"),
    [
        (19, 2, 20, ["good", "unclear"]),
        (20, 2, 20, ["good", "good"]),
        (8, 2, 20, ["good", "poor"]),
        (3, 2, 20, ["unclear", "poor"]),
        (2, 2, 2, ["poor", "good"]),
        (1, 9, 20, ["poor", "poor"]),
    ],
)
def test_plans_are_compared_with_chance_and_with_the_truth(own, random, oracle, due) -> None:
    assert grades(played(own, random, oracle)) == due


def test_plans_without_another_policy_are_not_judged() -> None:
    result = played(20, 2, 20)
    alone = dataclasses.replace(result, policies={"run": result.policies["run"]})
    assert grades(alone) == ["unclear"]


@pytest.mark.parametrize(
    ("model", "shuffled", "due"),
    [
        ((0.1, 0.2), (1.0, 2.0), ["good", "good"]),
        ((0.1, 1.5), (1.0, 2.0), ["unclear", "good"]),
        ((3.0, 3.0), (1.0, 2.0), ["poor", "poor"]),
        ((0.1, 0.2), (0.1, 0.2), ["good", "poor"]),
    ],
)
def test_imagination_is_compared_with_copies_and_other_actions(model, shuffled, due) -> None:
    latent = {"model": model, "copy": (1.0, 1.0), "shuffled": shuffled}
    assert grades(OpenLoopResult(latent=latent, physical={}, num_windows=9)) == due


@pytest.mark.parametrize(
    ("share", "count", "grade"),
    [(0.9, 200, "good"), (0.55, 40, "unclear"), (0.4, 200, "poor"), (math.nan, 0, "unclear")],
)
def test_distances_must_lead_more_often_than_chance(share: float, count: int, grade: str) -> None:
    assert grades(GoalMonotonicity(edges=(0.0, 1.0), share=(share,), count=(count,))) == [grade]


def test_the_bad_stands_first_with_a_sign_a_word_and_a_link() -> None:
    lines = [
        VerdictLine("good", "All <b> is well.", against="chance", section="A & B"),
        VerdictLine("poor", "It is blind.", against="chance", section="Probes"),
    ]
    body = verdict_section(lines).body
    assert "1 good, 1 not good, 0 unclear" in body
    assert body.index("It is blind.") < body.index("All &lt;b&gt; is well.")
    for text in ("\u2713", "\u2717", "> not good<", 'href="#a-b"', 'href="#probes"', "Compared with chance."):
        assert text in body
