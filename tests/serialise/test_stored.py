"""One format for every kind of module, files of leworld 0.1 included, and parts replaced while loading."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import leworld
from leworld.control import GoalConditionedInverseModel
from leworld.decoders import CrossAttentionDecoder, load_decoder
from leworld.encoders import ConvEncoder, FusedEncoder, VectorEncoder
from leworld.errors import CheckpointError, ConfigError
from leworld.models import LeWM
from leworld.nn import Projector, configurable
from leworld.probes import Probe
from leworld.regularizers import SIGReg, VICReg, WeakSIGReg
from leworld.serialise import load_module, read_module, save_module
from leworld.serialise._registry import lookup, registered
from leworld.training import load_inverse
from tests._source import public_objects
from tests.hub.examples import tiny_lewm
from tests.hub.released import MINI
from tests.probes.test_every_probe import MAKERS, standard, task

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.mark.parametrize("name", MAKERS)
def test_a_fitted_probe_comes_back(name: str, tmp_path: Path) -> None:
    x, y = task(name)
    probe = standard(name)
    folder = save_module(probe, tmp_path / "probe", provenance={"quantity": "position"})
    again = load_module(folder, Probe)
    assert type(again) is type(probe)
    assert torch.equal(again(x), probe(x))
    assert again.score(x, y) == probe.score(x, y)
    assert vars(again)["config"] == vars(probe)["config"]
    assert read_module(folder).provenance == {"quantity": "position"}


@pytest.mark.parametrize("name", ["linear", "mlp", "attentive"])
def test_a_probe_of_embeddings_that_stand_still_in_one_direction_is_saved(name: str, tmp_path: Path) -> None:
    x, y = task(name)
    x = x.clone()
    x[..., 1] = 0.3
    held = {"validation_embeddings": x[400:500], "validation_targets": y[400:500]}
    probe = MAKERS[name](3, 2).fit(x[:400], y[:400], **held)
    assert torch.equal(load_module(save_module(probe, tmp_path / "p"), Probe)(x), probe(x))
    other = x.clone()
    other[..., 1] += 100.0
    assert torch.equal(probe(other), probe(x))


def test_every_probe_has_a_maker_or_a_test_of_its_own() -> None:
    probes = {
        value.__name__
        for path, value in public_objects().items()
        if path.startswith("leworld.probes.") and isinstance(value, type) and issubclass(value, Probe)
    }
    made = {type(make(3, 2)).__name__ for make in MAKERS.values()}
    assert probes - {"Probe"} == made | {"LogisticProbe"}


def test_a_logistic_probe_comes_back(tmp_path: Path) -> None:
    x = torch.randn(80, 3, generator=torch.Generator().manual_seed(0))
    answers = nn.functional.one_hot((x[:, 0] > 0).long(), 2).float()
    probe = leworld.probes.LogisticProbe(3, 2, penalties=(1e-2,)).fit(x, answers)
    assert torch.equal(load_module(save_module(probe, tmp_path / "p"), Probe)(x), probe(x))


def test_a_neighbour_probe_whose_samples_were_cut_off_is_refused(tmp_path: Path) -> None:
    folder = save_module(standard("knn"), tmp_path / "p")
    tensors = load_file(folder / "model.safetensors")
    tensors["samples"] = tensors["samples"][:, :2].contiguous()
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="samples"):
        load_module(folder)


def test_a_decoder_of_leworld_0_1_still_loads() -> None:
    """The fixture was written by leworld 0.1 and is never written anew."""
    decoder = load_decoder(FIXTURES / "decoder_0_1.safetensors")
    stored = load_file(FIXTURES / "decoder_0_1.safetensors")
    assert all(torch.equal(decoder.state_dict()[name], value) for name, value in stored.items())
    with torch.no_grad():
        picture = decoder(torch.linspace(-1, 1, 8, dtype=torch.float32).reshape(2, 4))
    assert float(picture.sum()) == pytest.approx(191.667, abs=0.01)


def test_an_inverse_model_of_leworld_0_1_still_loads() -> None:
    inverse = load_inverse(FIXTURES / "inverse_0_1")
    z = torch.linspace(-1, 1, 8, dtype=torch.float32).reshape(2, 4)
    with torch.no_grad():
        block = inverse(z, z.flip(0), torch.tensor([1, 2]))
    due = torch.tensor([[-0.23477864, -0.05938135], [-0.19666141, -0.08449160]], dtype=torch.float32)
    torch.testing.assert_close(block, due, rtol=1e-5, atol=1e-6)
    assert read_module(FIXTURES / "inverse_0_1").processor is not None


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({}, "header"),
        ({"leworld_decoder": "{"}, "header"),
        ({"leworld_decoder": '{"class": "Evil"}'}, "another class"),
        ({"leworld_decoder": '{"class": "CrossAttentionDecoder", "colour": 1}'}, "colour"),
    ],
)
def test_an_old_file_with_a_crooked_header_is_refused(
    header: dict[str, str], words: str, tmp_path: Path
) -> None:
    file = tmp_path / "d.safetensors"
    save_file(load_file(FIXTURES / "decoder_0_1.safetensors"), file, metadata=header)
    with pytest.raises(CheckpointError, match=words):
        load_decoder(file)
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(CheckpointError, match="whole safetensors"):
        load_decoder(file)


def test_another_kind_is_refused(tmp_path: Path) -> None:
    folder = save_module(ConvEncoder(image_size=16, embedding_dim=8, channels=(4, 4)), tmp_path / "e")
    for load in (leworld.load, load_decoder, load_inverse, lambda path: load_module(path, SIGReg)):
        with pytest.raises(CheckpointError, match="ConvEncoder"):
            load(folder)


def test_parts_and_settings_are_replaced_by_name(tmp_path: Path) -> None:
    folder = leworld.save(tiny_lewm(), tmp_path / "m")
    regularizer = VICReg()
    model = leworld.load(folder, replace={"regularizer": regularizer, "regularizer_weight": 0.25})
    assert isinstance(model, LeWM)
    assert model.regularizer is regularizer
    assert model.regularizer_weight == 0.25
    assert torch.equal(model.projector.narrow.weight, tiny_lewm().projector.narrow.weight)
    again = leworld.load(leworld.save(model, tmp_path / "n"))
    assert again.config == model.config


def test_the_tensors_of_a_replaced_part_are_neither_demanded_nor_read(tmp_path: Path) -> None:
    folder = leworld.save(tiny_lewm(), tmp_path / "m")
    encoder = ConvEncoder(image_size=32, embedding_dim=8, channels=(2, 2))
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    model = leworld.load(folder, replace={"encoder": encoder})
    assert isinstance(model, LeWM)
    assert all(torch.equal(value, before[name]) for name, value in model.encoder.state_dict().items())
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("projector.narrow.bias")
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"projector\.narrow\.bias"):
        leworld.load(folder, replace={"encoder": encoder})


@configurable
class Body(nn.Module):
    """Keeps an argument under another name."""

    def __init__(self, net: nn.Module, size: int = 1) -> None:
        super().__init__()
        if size > 4:
            raise KeyError(size)
        self.body, self.size = net, size


def test_a_replaced_part_keeps_its_tensors_in_a_mapping_and_under_another_name(tmp_path: Path) -> None:
    parts = {"one": VectorEncoder(3, 4), "two": VectorEncoder(3, 4)}
    folder = save_module(FusedEncoder(parts), tmp_path / "parts")
    fresh = {name: VectorEncoder(3, 4) for name in parts}
    before = {name: part.output.weight.clone() for name, part in fresh.items()}
    loaded = load_module(folder, FusedEncoder, replace={"encoders": fresh})
    assert all(torch.equal(part.output.weight, before[name]) for name, part in loaded.encoders.items())

    folder = save_module(Body(Projector(4)), tmp_path / "body")
    fresh = Projector(4)
    weight = fresh.narrow.weight.clone()
    loaded = load_module(folder, Body, classes=[Body], replace={"net": fresh})
    assert torch.equal(loaded.body.narrow.weight, weight)


def test_whatever_a_constructor_raises_is_told_with_its_place(tmp_path: Path) -> None:
    folder = save_module(Body(Projector(4)), tmp_path / "body")
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"size": 1', '"size": 9'))
    with pytest.raises(
        CheckpointError, match=r"architecture needs settings that `Body` accepts.*KeyError: 9"
    ):
        load_module(folder, classes=[Body])


def test_two_classes_of_one_name_are_refused(tmp_path: Path) -> None:
    folder = save_module(Body(Projector(4)), tmp_path / "body")
    other = type("Body", (nn.Module,), {})
    with pytest.raises(ConfigError, match="two are called `Body`"):
        load_module(folder, classes=[Body, other])


def test_a_replaced_part_need_not_be_known(tmp_path: Path) -> None:
    folder = leworld.save(tiny_lewm(), tmp_path / "m")
    content = json.loads((folder / "config.json").read_text())
    content["architecture"]["regularizer"] = {"class": "SomebodyElses"}
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="SomebodyElses"):
        leworld.load(folder)
    assert isinstance(leworld.load(folder, replace={"regularizer": SIGReg()}), LeWM)


@pytest.mark.parametrize(
    ("replace", "error", "words"),
    [
        ({"regulariser": VICReg()}, ConfigError, "Did you mean `regularizer`"),
        ({"regularizer_weight": -1.0}, CheckpointError, "regularizer_weight"),
        ({"encoder": nn.Identity()}, CheckpointError, "embedding_dim"),
    ],
)
def test_a_replacement_that_cannot_be_is_refused(
    replace: dict[str, Any], error: type[Exception], words: str, tmp_path: Path
) -> None:
    folder = leworld.save(tiny_lewm(), tmp_path / "m")
    with pytest.raises(error, match=words):
        leworld.load(folder, replace=replace)


def test_weights_in_the_published_layout_take_a_regularizer_and_its_weight() -> None:
    model = leworld.load(MINI, replace={"regularizer": WeakSIGReg(4), "regularizer_weight": 0.5})
    assert isinstance(model, LeWM)
    assert (type(model.regularizer), model.regularizer_weight) == (WeakSIGReg, 0.5)
    with pytest.raises(ConfigError, match="convert"):
        leworld.load(MINI, replace={"encoder": nn.Identity()})


def test_the_folder_of_a_run_stands_for_its_model(tmp_path: Path) -> None:
    leworld.save(tiny_lewm(), tmp_path / "run" / "model")
    assert leworld.load(tmp_path / "run").action_dim == 4
    assert leworld.checkpoint_info(tmp_path / "run").architecture["class"] == "LeWM"
    shutil.rmtree(tmp_path / "run" / "model")
    with pytest.raises(CheckpointError, match=r"config\.json"):
        leworld.load(tmp_path / "run")


def registration_faults(found: Callable[[str], object]) -> list[str]:
    """Public concrete modules that record a config and that `found` does not know by their own class."""
    return [
        path
        for path, value in public_objects().items()
        if isinstance(value, type)
        and issubclass(value, nn.Module)
        and value.__init__.__code__.co_filename.endswith("_config.py")  # the wrapper of `configurable`
        and getattr(value, "__final__", False)
        and found(value.__name__) is not value
    ]


def test_a_class_registers_where_it_is_defined() -> None:
    assert not registration_faults(lookup)
    assert registration_faults({}.get)
    assert {"LeWM", "SIGReg", "RidgeProbe", "CrossAttentionDecoder", "EppsPulley"} <= set(registered())
    assert isinstance(GoalConditionedInverseModel, type)
    assert lookup("GoalConditionedInverseModel") is GoalConditionedInverseModel
    assert lookup("CrossAttentionDecoder") is CrossAttentionDecoder
    assert lookup("system") is None
