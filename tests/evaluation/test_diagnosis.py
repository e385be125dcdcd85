"""A diagnosis of models of every kind, its JSON, its words, and what it leaves as it was."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from leworld.evaluation import DiagnosisResult, Quantity, diagnose
from leworld.probes import RidgeProbe
from tests.evaluation import kinds
from tests.evaluation.kinds import KINDS

QUICK = {"probe": RidgeProbe, "horizon": 2, "num_problems": 12, "num_plans": 4}


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.__name__)
def found(request) -> DiagnosisResult:
    made, data = kinds.model(request.param), kinds.episodes()
    before = data.pixels.copy()
    result = diagnose(made, data, quantities={"state": Quantity("state")}, **QUICK)
    assert np.array_equal(data.pixels, before)
    names = [(row.part, row.change) for row in result.parts]
    assert names == [(part, how) for part in made.observation_parts for how in ("shuffled", "blanked")]
    again = diagnose(made, data, quantities={"state": Quantity("state")}, **QUICK)
    assert again.to_json() == result.to_json()
    return result


def test_every_kind_of_model(found: DiagnosisResult) -> None:
    assert 0 < found.within_share < 1
    assert 0 <= found.rank <= 1
    assert all(math.isfinite(row.moved) and row.moved >= 0 for row in found.parts)
    assert "state" in found.r2
    assert "state" in found.pixel_r2


def test_json_brings_it_back(found: DiagnosisResult, tmp_path) -> None:
    odd = replace(found, within_share=float("nan"), undefined={"wrist": "it does not vary"})
    path = odd.save(tmp_path / "diagnosis.json")
    back = DiagnosisResult.from_json(json.loads(path.read_text()))
    assert str(back) == str(odd)
    assert math.isnan(back.within_share)
    assert back.parts == odd.parts
    assert "undefined: wrist: it does not vary" in str(back)


def test_the_picture(found: DiagnosisResult, tmp_path) -> None:
    assert found.plot(tmp_path / "diagnosis.png").stat().st_size > 1000


def test_a_quantity_that_does_not_vary_says_so() -> None:
    data = kinds.episodes()
    still = replace(data, columns={**data.columns, "still": np.zeros((data.num_rows, 1), np.float32)})
    result = diagnose(kinds.model(KINDS[0]), still, quantities={"still": Quantity("still")}, **QUICK)
    assert result.r2 == {}
    assert list(result.undefined) == ["still"]


def test_one_latent_for_all_frames_is_called_a_collapse() -> None:
    model = kinds.model(KINDS[0])
    for parameter in model.parameters():
        parameter.data.zero_()
    result = diagnose(model, kinds.episodes(), **QUICK)
    assert result.collapsed
    assert result.blind_parts == model.observation_parts
    assert "collapsed: all frames have the same latent" in str(result)
    assert "blind to" not in str(result)


@pytest.mark.parametrize(
    ("pixels", "latent", "lost"),
    [(0.02, -0.5, False), (-3.0, -5.0, False), (0.3, -5.0, True), (0.3, 0.25, False), (0.9, 0.7, True)],
)
def test_what_no_probe_finds_is_not_lost(
    found: DiagnosisResult, pixels: float, latent: float, lost: bool
) -> None:
    assert replace(found, pixel_r2={"a": pixels}, r2={"a": latent}).lost == (("a",) if lost else ())
    assert replace(found, pixel_r2={"a": pixels}, r2={}).lost == ()
