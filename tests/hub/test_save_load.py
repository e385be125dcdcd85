"""Saving and loading is the identity, whatever the class and the dtype, and writes the same bytes twice."""

import inspect
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import leworld
from leworld._tensor_file import TensorFile
from leworld._tensors import tensor_state
from leworld.data import VectorPart
from leworld.errors import CheckpointError, ConfigError
from leworld.hub import Score
from leworld.hub.catalog._card import model_card
from leworld.nn import configurable
from leworld.serialise import _weights
from leworld.serialise._build import build
from leworld.serialise._registry import registered, resolve
from tests._source import public_objects
from tests.hub.examples import class_names, example_of, tiny_lewm

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


def same_tensors(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    ours = {k: v for k, v in a.state_dict().items() if isinstance(v, torch.Tensor)}
    theirs = {k: v for k, v in b.state_dict().items() if isinstance(v, torch.Tensor)}
    return ours.keys() == theirs.keys() and all(
        v.dtype == theirs[k].dtype and torch.equal(v, theirs[k]) for k, v in ours.items()
    )


@pytest.mark.parametrize("encoder", ["conv", "vit"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_load_brings_back_what_was_saved(tmp_path: Path, encoder: str, dtype: torch.dtype) -> None:
    model = tiny_lewm(encoder).to(dtype)
    leworld.save(model, tmp_path / "m")
    again = leworld.load(tmp_path / "m")
    assert same_tensors(model, again)
    assert again.config == model.config
    assert again.processor == model.processor
    assert not any(module.training for module in again.modules())
    assert [p.requires_grad for p in again.parameters()] == [p.requires_grad for p in model.parameters()]


@pytest.mark.parametrize("name", registered())
def test_every_registered_class_survives(name: str, tmp_path: Path) -> None:
    module = example_of(name)
    config = module.config.to_json()
    again = build(config, where=name)
    assert type(again) is type(module)
    assert again.config == module.config
    ours, theirs = tensor_state(module), tensor_state(again)
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}
    model = tiny_lewm(part=module)
    if name in class_names(model.config.to_json()):
        leworld.save(model, tmp_path / "m")
        assert same_tensors(model, leworld.load(tmp_path / "m"))


def test_every_class_that_records_its_config_is_registered() -> None:
    rooms = ("models", "encoders", "predictors", "decoders", "regularizers", "normality", "probes")
    found = {
        path.split(".")[-1]
        for path, value in public_objects().items()
        if path.split(".")[1] in rooms and is_part(value)
    }
    assert found - set(registered()) == set()


def is_part(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, torch.nn.Module) and not inspect.isabstract(value)


@configurable
class Centre(torch.nn.Module):
    """An encoder of somebody else's: the middle of each picture."""

    def __init__(self, embedding_dim: int = 8) -> None:
        super().__init__()
        self.embedding_dim = embedding_dim
        self.scale = torch.nn.Parameter(torch.ones(embedding_dim))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(1, 2, 3))[:, None] * self.scale


def test_a_class_of_ones_own_is_saved_and_loaded_only_when_handed_over(tmp_path: Path) -> None:
    model = tiny_lewm(part=Centre())
    leworld.save(model, tmp_path / "m")
    with pytest.raises(CheckpointError, match="`Centre`"):
        leworld.load(tmp_path / "m")
    assert same_tensors(model, leworld.load(tmp_path / "m", classes=[Centre]))


@configurable
class Seeded(Centre):
    """An encoder with numbers that its constructor draws and that no file holds."""

    def __init__(self, seed: int = 3) -> None:
        super().__init__()
        drawn = torch.randn(self.embedding_dim, generator=torch.Generator().manual_seed(seed))
        self.plain = drawn.clone()
        self.register_buffer("drawn", drawn, persistent=False)


def test_what_a_constructor_draws_besides_parameters_is_there_after_loading(tmp_path: Path) -> None:
    leworld.save(tiny_lewm(part=Seeded()), tmp_path / "m")
    encoder = leworld.load(tmp_path / "m", classes=[Seeded]).encoder
    assert isinstance(encoder, Seeded)
    assert torch.equal(encoder.get_buffer("drawn").float(), Seeded().get_buffer("drawn").float())
    assert torch.equal(encoder.plain, Seeded().plain.float())  # a constructor runs under torch's own defaults
    assert encoder.plain.any()


def replace_while_reading(monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object]) -> None:
    """Call `change` with the path of the weights once the first of the projector's has been read."""
    fill = _weights._fill

    def fill_and_change(file: TensorFile, name: str, target: torch.Tensor) -> None:
        fill(file, name, target)
        if name.startswith("projector"):
            monkeypatch.setattr("leworld.serialise._weights._fill", fill)
            change(file.path)

    monkeypatch.setattr("leworld.serialise._weights._fill", fill_and_change)


def test_weights_that_are_replaced_while_they_are_read_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leworld.save(tiny_lewm(), tmp_path / "m")
    leworld.save(tiny_lewm(seed=1), tmp_path / "other")
    other = tmp_path / "other" / "model.safetensors"
    replace_while_reading(monkeypatch, lambda path: os.replace(other, path))
    with pytest.raises(CheckpointError, match="replaced meanwhile"):
        leworld.load(tmp_path / "m")
    assert same_tensors(tiny_lewm(seed=1), leworld.load(tmp_path / "m"))


def test_weights_that_are_cut_short_while_they_are_read_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leworld.save(tiny_lewm(), tmp_path / "m")
    replace_while_reading(monkeypatch, lambda path: os.truncate(path, 100))
    with pytest.raises(CheckpointError, match="cut short"):
        leworld.load(tmp_path / "m")


def test_weights_that_are_removed_while_they_are_read_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leworld.save(tiny_lewm(), tmp_path / "m")
    replace_while_reading(monkeypatch, os.unlink)
    with pytest.raises(CheckpointError, match="replaced meanwhile"):
        leworld.load(tmp_path / "m")


def test_a_class_of_ones_own_cannot_pose_as_leworlds(tmp_path: Path) -> None:
    impostor = configurable(type("ConvEncoder", (Centre,), {"__module__": "elsewhere"}))
    leworld.save(tiny_lewm(), tmp_path / "m")
    with pytest.raises(ConfigError, match="ConvEncoder"):
        leworld.load(tmp_path / "m", classes=[impostor])
    with pytest.raises(CheckpointError, match="called like"):
        leworld.save(tiny_lewm(part=impostor()), tmp_path / "n")


def test_the_registry_holds_classes_of_that_name() -> None:
    for name in registered():
        assert resolve(name, {}, where="here").__name__ == name


def test_mixed_dtypes_survive(tmp_path: Path) -> None:
    model = tiny_lewm()
    model.predictor.to(torch.bfloat16)
    leworld.save(model, tmp_path / "m")
    assert same_tensors(model, leworld.load(tmp_path / "m"))


def test_the_loaded_model_computes_the_same(tmp_path: Path) -> None:
    model = tiny_lewm().eval()
    leworld.save(model, tmp_path / "m")
    frames = torch.randn(2, 2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model.encode(frames), leworld.load(tmp_path / "m").encode(frames))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_saves_are_byte_identical(tmp_path: Path) -> None:
    provenance = {
        "seed": 3,
        "command": "leworld train tworoom",
        "scores": [Score("same-room", 90.0, "x.json")],
    }
    leworld.save(tiny_lewm(), tmp_path / "a", provenance=provenance)
    leworld.save(tiny_lewm(), tmp_path / "b" / "c", provenance=provenance)
    assert contents(tmp_path / "a") == contents(tmp_path / "b" / "c")
    leworld.save(leworld.load(tmp_path / "a"), tmp_path / "a", provenance=provenance, overwrite=True)
    assert contents(tmp_path / "a") == contents(tmp_path / "b" / "c")
    leworld.save(tiny_lewm(seed=1), tmp_path / "a", provenance=provenance, overwrite=True)
    assert contents(tmp_path / "a") != contents(tmp_path / "b" / "c")


def test_the_folder_holds_three_files_and_the_documented_fields(tmp_path: Path) -> None:
    folder = leworld.save(tiny_lewm(), tmp_path / "m", provenance={"seed": 3})
    assert sorted(contents(folder)) == ["README.md", "config.json", "model.safetensors"]
    config = json.loads((folder / "config.json").read_text())
    assert list(config) == ["schema_version", "written_by", "architecture", "processor", "provenance"]
    assert config["schema_version"] == 1
    assert config["architecture"]["class"] == "LeWM"
    assert config["processor"]["frameskip"] == 2
    assert config["provenance"] == {"seed": 3}


def test_a_regularizer_has_no_weights_in_the_file(tmp_path: Path) -> None:
    from safetensors import safe_open

    leworld.save(tiny_lewm(), tmp_path / "m")
    with safe_open(tmp_path / "m" / "model.safetensors", "pt") as file:
        names = list(file.keys())
    assert names
    assert not [name for name in names if "regularizer" in name or "extra" in name]


def test_loading_leaves_the_global_generator_alone(tmp_path: Path) -> None:
    leworld.save(tiny_lewm(), tmp_path / "m")
    before = torch.get_rng_state()
    leworld.load(tmp_path / "m")
    assert torch.equal(before, torch.get_rng_state())


def test_device_and_dtype(tmp_path: Path) -> None:
    leworld.save(tiny_lewm(), tmp_path / "m")
    model = leworld.load(str(tmp_path / "m"), device="cpu", dtype=torch.float64)
    assert {p.dtype for p in model.parameters()} == {torch.float64}
    assert {p.device.type for p in leworld.load(tmp_path / "m", device="meta").parameters()} == {"meta"}
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="cuda"):
            leworld.load(tmp_path / "m", device="cuda")


def test_home_and_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert leworld.save(tiny_lewm(), "~/m") == tmp_path / "m"
    for path in ("~/m", "m", "./m", Path("m")):
        assert same_tensors(tiny_lewm(), leworld.load(path))


def test_a_name_wins_over_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    leworld.save(tiny_lewm(), "lewm-tworoom-tiny")
    monkeypatch.setattr("leworld.hub._sources.shipped_folder", lambda name: tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match="elsewhere"):
        leworld.load("lewm-tworoom-tiny")
    assert same_tensors(tiny_lewm(), leworld.load("./lewm-tworoom-tiny"))


def test_the_card_tells_latents_and_parts_of_any_kind(tmp_path: Path) -> None:
    card = (leworld.save(tiny_lewm(), tmp_path / "m") / "README.md").read_text()
    assert "| embedding size | 8 |" in card
    assert "| observation |" not in card
    model = tiny_lewm()
    model.latent_shape = (4, 2)
    model.processor = replace(model.processor, parts={"proprio": VectorPart((0.0,), (1.0,))})
    text = model_card(model, {}, address="here")
    assert "| embedding size | 4 x 2 |" in text
    assert "| observation | `pixels`, `proprio` |" in text


def test_the_card_says_what_matters(tmp_path: Path) -> None:
    provenance = {
        "name": "my-model",
        "summary": "Plans in two rooms.",
        "licence": "MIT",
        "command": "leworld train tworoom --seed 3",
        "limits": "Two rooms only.",
        "scores": [Score("same-room", 92.5, "plan.json", low=85.0, high=96.0, episodes=100)],
        "seed": 3,
    }
    card = (leworld.save(tiny_lewm(), tmp_path / "m", provenance=provenance) / "README.md").read_text()
    front, rest = card.removeprefix("---\n").split("---\n", maxsplit=1)
    assert "library_name: leworld" in front
    assert "license: mit" in front
    for text in (
        "# my-model",
        "Plans in two rooms.",
        "leworld train tworoom --seed 3",
        "Two rooms only.",
        "seed: 3",
    ):
        assert text in rest
    assert "| same-room | 92.5 % | 85.0 to 96.0 % | 100 | measured: plan.json |" in rest
    assert 'leworld.load("path/to/this/folder")' in rest
    named = leworld.save(tiny_lewm(), tmp_path / "n", address="hf-hub:me/my-model")
    assert 'leworld.load("hf-hub:me/my-model")' in (named / "README.md").read_text()
    again = leworld.save(tiny_lewm(), tmp_path / "o", card="my own words")
    assert (again / "README.md").read_text() == "my own words"


def test_a_model_without_a_processor_loads_without_one(tmp_path: Path) -> None:
    model = tiny_lewm()
    model.processor = None
    leworld.save(model, tmp_path / "m")
    assert not leworld.load(tmp_path / "m").has_processor
