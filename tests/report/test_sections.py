"""Sections say what results hold, and pages keep to themselves."""

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch

from leworld._files import run_name
from leworld.evaluation import Backdrop, ProbingResult, SurpriseResult, latent_map
from leworld.hub import checkpoint_info
from leworld.report import (
    Section,
    build_report,
    card_section,
    gaussianity_section,
    latent_map_section,
    planning_section,
    probing_section,
    render_page,
    surprise_section,
    training_section,
)
from leworld.report._planning import with_goal
from leworld.tasks import two_room_held_out
from tests.hub.examples import tiny_lewm
from tests.report.examples import (
    normals,
    planning_result,
    probing_result,
    rollouts,
    sections,
    surprise_result,
)

VOID = {"meta", "link", "img", "source", "br"}
LOG = "step,loss,prediction_error,prediction_over_copy,regularizer,embedding_std,effective_rank\n"


class Checker(HTMLParser):
    """Holds that every element is closed, and collects what a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.references += [v for n in ("src", "href", "srcset") if (v := known.get(n))]
        if tag == "img" or known.get("role") == "img":
            self.images.append(known)
        if known.get("id"):
            self.ids.append(known["id"])

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open
        assert self.open.pop() == tag


def check_page(page: str) -> Checker:
    """Hold a page to what it promises."""
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert not checker.open
    assert "script" not in checker.tags
    assert len(checker.ids) == len(set(checker.ids))
    for reference in checker.references:
        assert reference.startswith(("data:", "#")), reference[:80]
        if reference.startswith("#"):
            assert reference[1:] in checker.ids
    assert "url(" not in page
    assert "@import" not in page
    for image in checker.images:
        assert len(image.get("alt") or image.get("aria-label") or "") > 10
    assert len(page.encode()) < 10_000_000
    return checker


def text_of(section: Section) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", section.body))


def test_a_page_of_everything_is_whole_and_the_same_each_time(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(LOG + "10,2,1,0.5,1,1,3\n20,1,0.5,0.3,0.5,,4\n")
    parts = [*sections(), training_section(tmp_path / "metrics.csv")]
    page = render_page(parts, title="A <model>", lead="Looks & is well.")
    checker = check_page(page)
    assert "<h1>A &lt;model&gt;</h1>" in page
    assert len(checker.images) > 20
    assert {part.anchor for part in parts} <= set(checker.ids)
    again = [*sections(), training_section(tmp_path / "metrics.csv")]
    assert render_page(again, title="A <model>", lead="Looks & is well.") == page


@pytest.mark.parametrize(
    "fault",
    [
        '<img src="https://example.org/a.png" alt="somewhere else">',
        "<script>alert(1)</script>",
        "<div>",
        '<img src="data:," alt="">',
        '<a href="#nowhere">x</a>',
    ],
)
def test_a_faulty_page_is_seen(fault: str) -> None:
    with pytest.raises(AssertionError):
        check_page(render_page([Section("A", fault)], title="t"))


@pytest.mark.parametrize("section", sections(), ids=lambda section: section.title)
def test_each_section_stands_alone(section: Section) -> None:
    assert section.html.startswith(f'<section id="{section.anchor}">')
    named = set(re.findall(r'href="#([^"]+)"', section.body))  # a verdict links to others
    others = [Section(name, "") for name in sorted(named)]
    check_page(render_page([section, *others], title="t"))


def test_text_from_outside_is_escaped() -> None:
    body = probing_section(probing_result()).body
    assert "place &lt;x&amp;y&gt;" in body
    assert "<x&y>" not in body
    assert "&lt;b&gt;" in latent_map_section(latent_map(normals(20)), {"<b>": np.arange(20.0)}).body


def test_sections_tell_the_numbers_of_their_results() -> None:
    probes = text_of(probing_section(probing_result()))
    assert all(word in probes for word in ("0.9100", "0.8500 to 0.9400", "undefined", "does not vary"))
    surprised = text_of(surprise_section(surprise_result()))
    for word in ("100.0 % [91.2, 100.0]", "95.0 %", "33.3 %", "0.9990", "the pictures are grey", "at 1 %"):
        assert word in surprised
    found = {section.title: text_of(section) for section in sections()}
    assert "50.0 %" in found["Planning"]
    assert "reached after 3 steps" in found["Planning"]
    assert "5 units" in found["Imagination"]  # imagined states are (3, 4) off
    assert "For 3 of 3 steps" in found["Error by horizon"]
    assert "85.0 %" in found["Metric monotonicity"]
    assert "axes hold" in found["Latent map"]


def test_results_from_json_show_what_they_still_hold() -> None:
    assert "<svg" not in probing_section(ProbingResult.from_json(probing_result().to_json())).body
    shown = surprise_section(SurpriseResult.from_json(surprise_result().to_json())).body
    assert shown.count("<svg") == 1  # curves around the event, no histogram of scores
    assert planning_result().recordings
    assert rollouts().true_states is not None


def test_paths_lie_on_the_picture_of_the_world() -> None:
    bare = planning_section(planning_result())
    floor = Backdrop(np.full((32, 32, 3), 200, np.uint8), x=(0.0, 224.0), y=(0.0, 224.0))
    drawn = planning_section(dataclasses.replace(planning_result(), backdrop=floor))
    assert "<image" not in bare.body
    assert drawn.body.count("<image") == 2
    check_page(render_page([drawn], title="t"))


def test_the_goal_is_outlined_in_films_of_a_still_camera() -> None:
    floor = np.full((12, 12, 3), 250, np.uint8)
    goal = floor.copy()
    goal[4:7, 5:8] = (200, 0, 0)
    drawn = with_goal(np.stack([floor, floor]), goal, floor)
    changed = (drawn != floor).any(axis=(0, 3))
    ring = np.zeros((12, 12), bool)
    ring[3:8, 4:9] = True
    ring[4:7, 5:8] = False
    assert np.array_equal(changed, ring)
    assert np.array_equal(with_goal(floor[None], floor, floor), floor[None])  # nothing stands out
    moved = 255 - floor
    assert np.array_equal(with_goal(floor[None], moved, floor), floor[None])  # everything does


def test_runs_are_called_by_name_in_curves_and_titles(episodes, tmp_path: Path) -> None:
    found = {section.title: section.body for section in sections()}
    assert "run &lt;7&gt;" in found["Error by horizon"]
    assert ">model<" not in found["Error by horizon"]
    assert run_name("lewm-tworoom-tiny") == "lewm-tworoom-tiny"
    for place in ("mine/model", "yours"):
        (tmp_path / place).mkdir(parents=True)
    assert run_name(tmp_path / "mine/model") == "mine"
    assert run_name(str(tmp_path / "yours")) == "yours"


def test_success_by_a_rule_is_told_in_its_words_and_unit() -> None:
    rule = {"success_radius": None, "success": "with both joints right", "distance_unit": "rad"}
    body = text_of(planning_section(dataclasses.replace(planning_result(), **rule)))
    assert "reached with both joints right." in body
    assert "final distance (rad)" in body
    assert "41.00" in body


def test_gaussianity_tells_a_gaussian_from_a_collapsed_embedding() -> None:
    fine = text_of(gaussianity_section(normals(400), normals(60, seed=2)))
    bad = text_of(gaussianity_section(0.1 * normals(400), 0.1 * normals(60, seed=2)))
    assert re.search(r"p = 0\.\d+ on 60 independent", fine)
    assert "p < 1e-6" in bad.replace("&lt;", "<")
    assert "standard deviation 0.1" in bad
    assert "Not tested" in text_of(gaussianity_section(normals()))
    assert "undefined" in text_of(gaussianity_section(normals(), normals(3)))


def test_the_card_tells_record_scores_and_processor() -> None:
    name = "lewm-tworoom-tiny"
    body = text_of(card_section(tiny_lewm(), checkpoint_info(name)))
    assert all(
        word in body for word in (name, "MIT", "cross-door", "95 % interval", "frameskip", "ConvEncoder")
    )
    model = tiny_lewm()
    model.processor = None
    assert "cannot read pixels" in text_of(card_section(model))


def test_a_log_without_some_columns_still_shows(tmp_path: Path) -> None:
    log = tmp_path / "metrics.csv"
    log.write_text("step,loss\n1,3\n2,2\n3,1.5\n")
    assert training_section(log).body.count("<svg") == 1
    log.write_text(LOG + "10,2,1,0.5,1,1,3\n20,1,0.5,0.3,0.5,1,4\n")
    assert training_section(str(log)).body.count("<svg") == 6
    log.write_text("step,total,reward term,note\n10,2,1,warm\n20,1,,cold\n")
    body = training_section(log).body
    assert body.count("<svg") == 2
    assert "Reward term, by step" in body
    assert "last loss" not in body
    assert "Total of run &lt;7&gt;, by step" in training_section(log, "run <7>").body


@pytest.fixture(scope="module")
def episodes():
    return two_room_held_out(14, image_size=16)


def test_what_cannot_be_made_says_why_in_place(episodes) -> None:
    """No world, no log, no decoder for a model whose embeddings are NaN: the page still comes."""
    model = tiny_lewm()
    with torch.no_grad():
        next(model.encoder.parameters()).fill_(torch.nan)
    page = build_report(model, episodes, progress=False)
    check_page(page)
    assert page.count("Not in this report") >= 7
    for reason in ("no log of the training", "no environment to plan in", "no world to step in", "NaN"):
        assert reason in page
    assert "Facts about the model" in page
