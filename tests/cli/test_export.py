"""`leworld export`: the model reaches the exporter, and a mistake is one line."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import leworld
from leworld.cli._main import top
from leworld.models import WorldModel
from tests.hub.examples import tiny_lewm


@pytest.mark.parametrize("form", ["onnx", "pt2"])
def test_the_format_reaches_the_exporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    seen: list[object] = []

    def record(model: WorldModel, folder: Path, *, format: str, overwrite: bool) -> Path:
        seen.extend((model.action_dim, folder, format, overwrite))
        return folder

    monkeypatch.setattr("leworld.hub.export", record)
    leworld.save(tiny_lewm(), tmp_path / "m")
    options = [] if form == "onnx" else ["--format", form, "--overwrite"]
    result = CliRunner().invoke(top, ["export", str(tmp_path / "m"), *options, "--out", str(tmp_path / "o")])
    assert (result.exit_code, result.stdout) == (0, f"written  {tmp_path / 'o'}\n"), result.output
    assert seen == [4, tmp_path / "o", form, form == "pt2"]


def test_a_model_without_a_processor_is_one_line(tmp_path: Path) -> None:
    model = tiny_lewm()
    model.processor = None
    leworld.save(model, tmp_path / "m")
    result = CliRunner().invoke(top, ["export", str(tmp_path / "m"), "--out", str(tmp_path / "o")])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "processor" in result.stderr
