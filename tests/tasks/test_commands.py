"""Every command works in a world of the user's own, named by `--task`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from torch import Tensor, nn

import leworld
from leworld.cli._main import top
from leworld.decoders import CrossAttentionDecoder, save_decoder
from leworld.nn import configurable
from leworld.tasks import _registry as registry
from leworld.tasks import load_task


@configurable
class Tinted(nn.Module):
    """An encoder of the user's own."""

    def __init__(self, image_size: int, embedding_dim: int) -> None:
        super().__init__()
        self.image_size, self.embedding_dim = image_size, embedding_dim
        self.output = nn.Linear(3 * image_size**2, embedding_dim)

    def forward(self, images: Tensor) -> Tensor:
        return self.output(images.flatten(1))


DOT = ["--task", "tests.tasks.worlds:Dot"]


@pytest.fixture(scope="module", autouse=True)
def _known_tasks_as_before() -> Iterator[None]:
    known = dict(registry._KNOWN)
    yield
    registry._KNOWN.clear()
    registry._KNOWN.update(known)


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(top, list(arguments))
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("dot")
    small = ["--steps", "2", "--episodes", "4", "--batch-size", "8", "--out", str(out)]
    assert f"{out / 'model'} --task tests.tasks.worlds:Dot`" in run("train", "dot", *DOT, *small).stdout
    return str(out / "model")


def test_plan(model: str, tmp_path: Path) -> None:
    quick = ["--pairs", "3", "--samples", "4", "--iterations", "1", "--out", str(tmp_path)]
    text = run("plan", model, *DOT, *quick).stdout
    assert all(word in text for word in ("trajectory-5: 3 pairs", "LeWM", "random", "oracle"))
    assert json.loads((tmp_path / "trajectory-5.json").read_text(encoding="utf-8"))["num_pairs"] == 3
    refused = CliRunner().invoke(top, ["plan", model, *DOT, "--protocol", "cross-door"])
    assert refused.exit_code == 2
    assert "trajectory-5" in refused.stderr


def test_probe_and_surprise(model: str) -> None:
    assert "state" in run("probe", model, *DOT, "--episodes", "8", "--stride", "2", "--linear").stdout
    text = run("surprise", model, *DOT, "--episodes", "8", "--kind", "freeze", "--kind", "teleport").stdout
    assert "freeze" in text
    assert "at the door" not in text


def test_report(model: str, tmp_path: Path) -> None:
    decoder = CrossAttentionDecoder(
        leworld.load(model).embedding_dim, 16, patch_size=8, hidden_dim=8, depth=1
    )
    path = save_decoder(decoder, tmp_path / "decoder.safetensors")
    options = ["--episodes", "14", "--pairs", "2", "--decoder", str(path), "--out", str(tmp_path / "r.html")]
    run("report", model, *DOT, *options)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    for words in ("Protocol trajectory-5: 2 pairs", "lower the distance", "Facts about the model"):
        assert words in page


def test_an_inverse_model_needs_a_model_where_none_ships(tmp_path: Path) -> None:
    refused = CliRunner().invoke(top, ["train", "dot-inverse", *DOT, "--out", str(tmp_path)])
    assert refused.exit_code == 2
    assert "--model" in refused.stderr
    other = CliRunner().invoke(top, ["train", "dat", *DOT])
    assert other.exit_code == 2
    assert "'dot'" in other.stderr


def test_a_model_of_classes_of_ones_own(model: str, tmp_path: Path) -> None:
    """A checkpoint that names a user's class is refused with the class's name, and loads where it is told."""
    own = leworld.load(model)
    own.encoder = Tinted(16, own.encoder.embedding_dim).float()  # a recipe's model is float32
    folder = str(leworld.save(own, tmp_path / "own"))
    assert "classes=[Tinted])" in (tmp_path / "own" / "README.md").read_text(encoding="utf-8")
    assert "classes" not in (Path(model) / "README.md").read_text(encoding="utf-8")
    quick = ["--pairs", "2", "--samples", "4", "--iterations", "1"]
    refused = CliRunner().invoke(top, ["plan", folder, *DOT, *quick])
    assert refused.exit_code == 2
    assert "Tinted" in refused.stderr
    assert "--class" in refused.stderr
    told = ["--class", "tests.tasks.test_commands:Tinted"]
    assert "LeWM" in run("plan", folder, *DOT, *quick, *told).stdout
    assert "state" in run("probe", folder, *DOT, *told, "--episodes", "4", "--linear").stdout
    for place, words in (("tests.tasks.test_commands:Nobody", "no such name"), ("Tinted", "FILE.py:NAME")):
        wrong = CliRunner().invoke(top, ["plan", folder, *DOT, "--class", place])
        assert (wrong.exit_code, wrong.stderr.count("\n")) == (2, 1)
        assert words in wrong.stderr


def test_a_task_of_another_world_is_refused() -> None:
    wrong = CliRunner().invoke(top, ["plan", "lewm-tworoom-tiny", *DOT, "--pairs", "1"])
    assert (wrong.exit_code, wrong.stderr.count("\n")) == (2, 1)
    assert "leworld/TwoRoom-v0" in wrong.stderr
    assert "tests/Dot-v0" in wrong.stderr


def test_a_task_file_finds_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "physics_beside.py").write_text(
        "from tests.tasks.worlds import Dot as Base\n", encoding="utf-8"
    )
    source = "from physics_beside import Base\n\n\nclass Mine(Base):\n    name = 'mine'\n"
    (tmp_path / "mine.py").write_text(source, encoding="utf-8")
    before = list(sys.path)
    assert load_task(f"{tmp_path / 'mine.py'}:Mine").name == "mine"
    assert sys.path == before
