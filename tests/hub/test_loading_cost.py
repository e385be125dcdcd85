"""Loading costs little beside the file: the committed measurement, and a smaller one made here."""

import json
import sys
from pathlib import Path

import pytest

import leworld
from benchmarks.harness import RESULTS
from benchmarks.hub.suite import BOUNDS, PARAMETERS, TENSORS
from leworld.encoders import ActionEncoder, ViTEncoder
from leworld.models import LeWM
from leworld.nn import Projector
from leworld.predictors import TransformerPredictor
from tests.hub import jobs
from tests.hub.processes import Child


def test_the_committed_measurement_keeps_its_bounds() -> None:
    result = json.loads((RESULTS / "hub_load.json").read_text())
    assert BOUNDS == result["settings"]["bounds"] == {"time_ratio": 1.5, "peak_ratio": 2.2}
    assert (result["settings"]["parameters"], result["settings"]["tensors"]) == (PARAMETERS, TENSORS)
    assert (PARAMETERS, TENSORS) == (18_034_478, 303)
    assert {row["layout"] for row in result["rows"]} == {"leworld", "released"}
    for row in result["rows"]:
        assert row["time_ratio"] <= BOUNDS["time_ratio"]
        assert row["peak_ratio"] == row["peak_bytes"] / row["file_bytes"] <= BOUNDS["peak_ratio"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("layout", ["leworld", "released"])
def test_nothing_lies_in_memory_twice(tmp_path: Path, layout: str) -> None:
    """31 MB of weights: twice that would be 2, once is 1 and a mapping of 8 MB and its largest tensor."""
    model = LeWM(
        ViTEncoder(28, 14, hidden_dim=192, depth=1, num_heads=2, mlp_dim=16),
        TransformerPredictor(192, history_size=1, depth=1, num_heads=2, head_dim=4, mlp_dim=16),
        action_encoder=ActionEncoder(4, 192),
        projector=Projector(192, hidden_dim=10_000),
        prediction_projector=Projector(192, hidden_dim=10_000),
    )
    folder = leworld.save(model, tmp_path / "leworld")
    if layout == "released":
        folder = leworld.hub.convert(folder, tmp_path / "released", layout="released")
    size = max(path.stat().st_size for path in folder.iterdir())
    code, growth = Child(jobs.memory_of_loading, str(folder)).finish()
    assert code == 0
    assert 0.9 * size < growth < 1.75 * size
