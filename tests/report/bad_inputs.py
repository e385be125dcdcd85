"""Mistakes that users make with reports, and what they must be told."""

import numpy as np
import torch

from leworld.envs import TwoRoomArena
from leworld.errors import ConfigError, DataError, NonFiniteError, ShapeError
from leworld.evaluation import OpenLoopResult, latent_map
from leworld.report import (
    Section,
    VerdictLine,
    build_report,
    card_section,
    compare_report,
    diagnosis_section,
    gaussianity_section,
    imagination_section,
    latent_map_section,
    monotonicity_section,
    open_loop_section,
    planning_section,
    probing_section,
    render_page,
    surprise_section,
    training_section,
    verdict_lines,
    verdict_section,
)
from leworld.tasks import two_room_held_out
from tests.bad_input import BadInput
from tests.hub.examples import tiny_lewm

_NAN = float("nan")


def _row(name, case, error, mentions, call):
    return BadInput(f"leworld.report.{name}", case, call, error, mentions)


def _build(case, mentions, *, model=None, episodes=None, **options):
    def call():
        data = two_room_held_out(2, image_size=16) if episodes is None else episodes
        return build_report(tiny_lewm() if model is None else model, data, progress=False, **options)

    return _row("build_report", case, ConfigError, mentions, call)


def _compare(case, mentions, models, *, episodes=None, **options):
    def call():
        data = two_room_held_out(2, image_size=16) if episodes is None else episodes
        made = {name: tiny_lewm() for name in models} if isinstance(models, list) else models
        return compare_report(made, data, progress=False, **options)

    return _row("compare_report", case, ConfigError, mentions, call)


def _line(case, mentions, **fields):
    usual = {"grade": "good", "text": "It is well.", "against": "chance", "section": "Probes"}
    return _row("VerdictLine", case, ConfigError, mentions, lambda: VerdictLine(**{**usual, **fields}))


def _another_result(function, kind):
    return _row(function.__name__, "another result", ConfigError, (kind,), lambda: function({"rows": []}))


def _curves():
    latent = {"model": (0.1,), "copy": (1.0,), "shuffled": (1.5,)}
    return OpenLoopResult(latent=latent, physical={}, num_windows=1)


def _map():
    return latent_map(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)))


ROWS = [
    _row("Section", "no title", ConfigError, ("title",), lambda: Section("", "<p>x</p>")),
    _row("Section", "no letters", ConfigError, ("letters",), lambda: Section("?!", "<p>x</p>")),
    _row("Section", "no text", ConfigError, ("body",), lambda: Section("A", 3)),
    _row("render_page", "no sections", ConfigError, ("sections",), lambda: render_page([], title="t")),
    _row(
        "render_page",
        "HTML for a section",
        ConfigError,
        ("Section",),
        lambda: render_page(["<p>"], title="t"),
    ),
    _row("render_page", "a word", ConfigError, ("sections",), lambda: render_page("<p>", title="t")),
    _row(
        "render_page",
        "two of a name",
        ConfigError,
        ("`a`", "Rename"),
        lambda: render_page([Section("A", ""), Section("a", "")], title="t"),
    ),
    _build("no model", ("model", "WorldModel"), model="lewm-tworoom-tiny"),
    _build("no episodes", ("episodes",), episodes="held.h5"),
    _build("an arena for a task", ("`task`", "task_of"), task=TwoRoomArena()),
    _build("no pairs", ("num_pairs",), num_pairs=0),
    _build("negative seed", ("seed",), seed=-1),
    _compare("one model", ("two models", "`models`"), ["a"]),
    _compare("a list of models", ("two models",), ("a", "b")),
    _compare("a name without letters", ("letters",), ["a", "?"]),
    _compare("names that look alike", ("'a b'", "Rename"), ["a b", "a-b"]),
    _compare("the name of a baseline", ("random", "Rename"), ["a", "random"]),
    _compare("no model among them", ("`model`", "WorldModel"), {"a": tiny_lewm(), "b": 3}),
    _compare("a source of no model", ("`sources`", "a, b"), ["a", "b"], sources={"c": "runs/c"}),
    _compare("no episodes", ("episodes",), ["a", "b"], episodes="held.h5"),
    _compare("no pairs", ("num_pairs",), ["a", "b"], num_pairs=0),
    _line("another grade", ("grade", "good"), grade="fair"),
    _line("no text", ("text",), text=" "),
    _line("a number for text", ("text",), text=3),
    _line("nothing to compare with", ("against",), against=""),
    _line("no section", ("section",), section=None),
    _row("verdict_lines", "a dictionary", ConfigError, ("SurpriseResult",), lambda: verdict_lines({})),
    _row("verdict_section", "no lines", ConfigError, ("VerdictLine",), lambda: verdict_section([])),
    _row("verdict_section", "a sentence", ConfigError, ("VerdictLine",), lambda: verdict_section("good")),
    _row("verdict_section", "text among them", ConfigError, ("lines",), lambda: verdict_section(["good"])),
    _row(
        "training_section",
        "a number for a name",
        ConfigError,
        ("name",),
        lambda: training_section("metrics.csv", 3),
    ),
    _row(
        "open_loop_section",
        "the name of a baseline",
        ConfigError,
        ("copy", "baselines"),
        lambda: open_loop_section(_curves(), "copy"),
    ),
    _row("card_section", "no model", ConfigError, ("WorldModel",), lambda: card_section("lewm-pusht")),
    _row(
        "card_section",
        "a name for a record",
        ConfigError,
        ("checkpoint_info",),
        lambda: card_section(tiny_lewm(), "lewm-pusht"),
    ),
    _row("training_section", "no path", ConfigError, ("path",), lambda: training_section(3)),
    _row("training_section", "no file", DataError, ("metrics.csv",), lambda: training_section("nowhere.csv")),
    _row(
        "training_section",
        "another file",
        DataError,
        ("metrics.csv", "bad_inputs.py"),
        lambda: training_section(__file__),
    ),
    _row(
        "gaussianity_section",
        "one sample",
        ShapeError,
        ("sample=1",),
        lambda: gaussianity_section(torch.zeros(1, 4)),
    ),
    _row(
        "gaussianity_section",
        "with time",
        ShapeError,
        ("embeddings",),
        lambda: gaussianity_section(torch.zeros(9, 2, 4)),
    ),
    _row(
        "gaussianity_section",
        "integers",
        ShapeError,
        ("embeddings",),
        lambda: gaussianity_section(torch.zeros(9, 4).long()),
    ),
    _row(
        "gaussianity_section",
        "NaN",
        NonFiniteError,
        ("embeddings",),
        lambda: gaussianity_section(torch.full((9, 4), _NAN)),
    ),
    _row(
        "gaussianity_section",
        "more slices than components",
        ConfigError,
        ("num_slices",),
        lambda: gaussianity_section(torch.zeros(9, 4), num_slices=5),
    ),
    _another_result(probing_section, "ProbingResult"),
    _another_result(diagnosis_section, "DiagnosisResult"),
    _another_result(surprise_section, "SurpriseResult"),
    _another_result(planning_section, "GoalReachingResult"),
    _another_result(imagination_section, "ImaginedRollouts"),
    _another_result(open_loop_section, "OpenLoopResult"),
    _another_result(monotonicity_section, "GoalMonotonicity"),
    _another_result(latent_map_section, "LatentMap"),
    _row(
        "latent_map_section",
        "values of another length",
        ShapeError,
        ("20 points",),
        lambda: latent_map_section(_map(), {"x": np.zeros(3)}),
    ),
    _row(
        "latent_map_section",
        "NaN values",
        ShapeError,
        ("finite",),
        lambda: latent_map_section(_map(), {"x": np.full(20, _NAN)}),
    ),
]
