"""What all results share: a table, JSON with kind and version, a file, a picture."""

import dataclasses
import json
from pathlib import Path

import pytest

import leworld.evaluation
from leworld.errors import ConfigError
from leworld.evaluation import ComparisonResult, OpenLoopResult, Result, latent_map
from tests.evaluation.bad_comparison_inputs import row
from tests.evaluation.bad_tuning_inputs import tuning_result, tuning_row
from tests.report.examples import (
    diagnosis_result,
    normals,
    planning_result,
    probing_result,
    rollouts,
    surprise_result,
)

CURVES = {"model": (0.1, 0.2), "copy": (1.0, 2.0), "shuffled": (1.5, 3.0)}
RESULTS: list[Result] = [
    planning_result(),
    probing_result(),
    surprise_result(),
    rollouts(),
    OpenLoopResult(latent=CURVES, physical=CURVES | {"probe": (0.1, 0.1)}, num_windows=9),
    latent_map(normals(20)),
    diagnosis_result(),
    ComparisonResult("room", rows=(row(), row(model="pldm")), budget="2 steps", settings={}),
    tuning_result(tuning_row(0.1, 0.9, float("nan")), tuning_row(0.01, 0.5, float("nan"))),
]


def check_result(result: Result, folder: Path) -> None:
    assert str(result) == result.table() != ""
    data = result.to_json()
    assert (data["kind"], data["schema_version"]) == (result.kind, result.version)
    assert len(data) > 2
    path = result.save(folder / "result.json")
    assert json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(data, allow_nan=False))
    assert result.plot(folder / "result.png").stat().st_size > 2000
    for write, name in ((result.save, "result.json"), (result.plot, "result.png")):
        (folder / name).write_bytes(b"earlier")
        with pytest.raises(ConfigError, match=r"exists.*`overwrite=True`"):
            write(folder / name)
        assert (folder / name).read_bytes() == b"earlier"
        assert write(folder / name, overwrite=True).stat().st_size > len(b"earlier")
        (folder / "file").write_bytes(b"")
        for place, words in (
            (folder, "is a folder"),
            (folder / "file" / name, "file"),
            ("a\0b", "null"),
            (3, "path"),
        ):
            with pytest.raises(ConfigError, match=words):
                write(place, overwrite=True)
    read = getattr(type(result), "from_json", None)
    if read is not None:
        assert read(json.loads(path.read_text(encoding="utf-8"))).to_json() == data


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.kind)
def test_no_label_of_a_picture_holds_mathematics(result: Result, tmp_path: Path) -> None:
    text = result.plot(tmp_path / "result.svg").read_text(encoding="utf-8")
    assert "mathdefault" not in text  # an SVG keeps its labels as comments


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.kind)
def test_it_is_told_saved_and_drawn(result: Result, tmp_path: Path) -> None:
    check_result(result, tmp_path)


def test_every_result_is_here_and_has_a_kind_of_its_own() -> None:
    public = {
        value
        for name in vars(leworld.evaluation)
        if isinstance(value := getattr(leworld.evaluation, name), type)
        and issubclass(value, Result)
        and value is not Result
    }
    assert public == {type(result) for result in RESULTS}
    assert len({kind.kind for kind in public}) == len(public)


def test_a_result_that_tells_another_kind_is_seen(tmp_path: Path) -> None:
    class Mute(type(RESULTS[4])):  # type: ignore[misc] -- final, for users
        def to_json(self):
            return super().to_json() | {"kind": "mute"}

    wrong = Mute(**{part.name: getattr(RESULTS[4], part.name) for part in dataclasses.fields(OpenLoopResult)})
    with pytest.raises(AssertionError):
        check_result(wrong, tmp_path)
