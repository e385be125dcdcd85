"""Exported programs compute what the model does, whatever the batch and the number of frames."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import leworld
from leworld.data import Processor
from leworld.errors import CheckpointError, ConfigError
from leworld.hub import export
from leworld.hub.programs import _programs
from leworld.models import to_weights
from tests.hub.examples import tiny_lewm
from tests.hub.released import MINI

Run = Callable[..., np.ndarray]


def mini() -> Any:
    model = leworld.load(MINI)
    model.processor = Processor(28, frameskip=5, action_dim=model.action_dim // 5)
    return model


MODELS = {"conv": tiny_lewm, "released ViT": mini}


@functools.cache
def loaded(file: Path) -> torch.export.ExportedProgram:
    return torch.export.load(file)


@functools.cache
def opened(file: Path) -> Run:
    if file.suffix == ".pt2":
        program = loaded(file).module()
        return lambda *inputs: program(*map(torch.from_numpy, inputs)).detach().numpy()
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    return lambda *inputs: session.run(None, dict(zip(names, inputs, strict=True)))[0]


@pytest.fixture(scope="module", params=[(name, form) for name in MODELS for form in ("onnx", "pt2")], ids=str)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    name, form = request.param
    if form == "onnx":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnxscript")
    model = MODELS[name]()
    return model.eval(), export(model, tmp_path_factory.mktemp("robots") / "out", format=form)


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("batch", [1, 7])
def test_both_programs_equal_the_model(exported: tuple[Any, Path], batch: int) -> None:
    model, folder = exported
    facts = json.loads((folder / "export.json").read_text())
    size, time = facts["processor"]["image_size"], facts["history_size"]
    files = {name: folder / program["file"] for name, program in facts["programs"].items()}
    images = normal(batch, 3, size, size)
    embeddings, actions = normal(batch, time, model.embedding_dim), normal(batch, time, model.action_dim)
    with torch.no_grad():
        frames, latents, blocks = (
            to_weights(model, torch.from_numpy(part)) for part in (images[:, None], embeddings, actions)
        )
        encoded = model.encode(frames)[:, 0].numpy()
        predicted = model.predict(latents, blocks).numpy()
        one_frame = model.predict(latents[:, :1], blocks[:, :1])
    np.testing.assert_allclose(opened(files["encoder"])(images), encoded, atol=1e-4, rtol=0)
    predict = opened(files["predictor"])
    np.testing.assert_allclose(predict(embeddings, actions), predicted, atol=1e-4, rtol=0)
    embeddings[:, 1:], actions[:, 1:] = 0, 0
    np.testing.assert_allclose(predict(embeddings, actions)[:, 0], one_frame[:, 0], atol=1e-4, rtol=0)


def test_the_free_axis_of_an_onnx_program_is_called_batch(exported: tuple[Any, Path]) -> None:
    _, folder = exported
    onnx = pytest.importorskip("onnx")
    for path in folder.glob("*.onnx"):
        onnx.checker.check_model(str(path))
        graph = onnx.load(path).graph
        facts = json.loads((folder / "export.json").read_text())["programs"][path.stem]
        told = {name: shape for kind in ("inputs", "outputs") for name, shape in facts[kind].items()}
        assert {value.name: axes(value) for value in (*graph.input, *graph.output)} == told
        inner = {axis for value in graph.value_info for axis in axes(value) if isinstance(axis, str)}
        assert all(axis.endswith("batch") for axis in inner), inner


def axes(value: Any) -> list[str | int]:
    return [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]


def test_the_folder_says_what_is_in_it(exported: tuple[Any, Path]) -> None:
    model, folder = exported
    facts = json.loads((folder / "export.json").read_text())
    window = ["batch", model.history_size]
    assert facts["programs"]["predictor"]["inputs"] == {
        "embeddings": [*window, model.embedding_dim],
        "actions": [*window, model.action_dim],
    }
    assert facts["programs"]["encoder"]["outputs"] == {"embeddings": ["batch", model.embedding_dim]}
    assert Processor.from_json(facts["processor"]) == model.processor
    files = {"export.json", *(program["file"] for program in facts["programs"].values())}
    assert {path.name for path in folder.iterdir()} == files


def test_a_program_holds_its_own_weights_only(exported: tuple[Any, Path]) -> None:
    model, folder = exported
    size = sum(path.stat().st_size for path in folder.glob("*.onnx"))
    if not size:
        encoder, predictor = (loaded(folder / f"{n}.pt2").state_dict for n in ("encoder", "predictor"))
        assert all(".encoder." in name or ".projector." in name for name in encoder)
        assert not any(".encoder." in name or ".projector." in name for name in predictor)
        assert len(encoder) + len(predictor) <= len(model.state_dict())
        return
    onnx = pytest.importorskip("onnx")
    graphs = [onnx.load(path).graph for path in folder.glob("*.onnx")]
    held = sum(int(np.prod(tensor.dims)) for graph in graphs for tensor in graph.initializer)
    assert held < 1.2 * sum(parameter.numel() for parameter in model.parameters())


def test_a_program_that_computes_something_else_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(_programs, "TOLERANCE", -1.0)
    with pytest.raises(CheckpointError, match="encoder that computes what the model does"):
        export(tiny_lewm(), tmp_path / "out", format="pt2")
    assert not list((tmp_path / "out").iterdir())
    assert not [path for path in tmp_path.iterdir() if path.name != "out"]


def test_an_earlier_export_is_replaced_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(name: str, part: Any, file: Path) -> Callable[..., torch.Tensor]:
        file.write_text(name)
        return lambda inputs: part.module(*inputs)

    monkeypatch.setattr("leworld.hub.programs._export._write_pt2", write)
    monkeypatch.setattr("leworld.hub.programs._export.write_onnx", write)
    export(tiny_lewm(), tmp_path / "out", format="pt2")
    export(tiny_lewm(), tmp_path / "out", format="onnx", overwrite=True)
    assert (tmp_path / "out" / "encoder.onnx").exists()
    assert not (tmp_path / "out" / "encoder.pt2").exists()
    (tmp_path / "out" / "thesis.tex").write_text("")
    with pytest.raises(CheckpointError, match="holds"):
        export(tiny_lewm(), tmp_path / "out", format="pt2")
    assert (tmp_path / "out" / "thesis.tex").exists()


def test_training_mode_and_weights_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "leworld.hub.programs._export._write_pt2", lambda name, part, file: lambda x: part.module(*x)
    )
    model = tiny_lewm().train().double()
    export(model, tmp_path / "out", format="pt2")
    assert model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float64}
    assert all(parameter.requires_grad for parameter in model.predictor.parameters())


def test_what_export_refuses(tmp_path: Path) -> None:
    model = tiny_lewm()
    with pytest.raises(ConfigError, match="torchscript"):
        export(model, tmp_path / "out", format="torchscript")  # type: ignore[arg-type]
    model.processor = None
    with pytest.raises(CheckpointError, match="processor"):
        export(model, tmp_path / "out")
    assert not list(tmp_path.iterdir())
