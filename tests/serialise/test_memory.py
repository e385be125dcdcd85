"""What is saved is what is in memory: a change is in the file, or it is refused by its name."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

import leworld
from leworld._tensors import check_storable, checked_tensors
from leworld.encoders import ConvEncoder, ViTEncoder
from leworld.errors import CheckpointError, ConfigError
from leworld.models import LeWM
from leworld.nn import Projector, configurable
from leworld.predictors import TransformerPredictor
from leworld.regularizers import SIGReg, VICReg
from leworld.serialise import _memory, check_saveable, load_module, save_module
from tests.hub.examples import tiny_lewm


class Plain(nn.Module):
    """A frozen backbone of somebody else's, which records nothing."""

    embedding_dim = 8

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.body(images)


@configurable
class Counting(nn.Module):
    """A part that keeps a list of parts, an option under another name, and a count of its calls."""

    def __init__(self, parts: list[nn.Module], width: int = 3, *, scale: float = 1.0) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.width = 2 * width
        self.scale = scale
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        for part in self.parts:
            x = part(x) * self.scale
        return x


def vit() -> ViTEncoder:
    return ViTEncoder(image_size=16, patch_size=8, hidden_dim=8, depth=1, num_heads=2, mlp_dim=16)


def predictor(history_size: int) -> TransformerPredictor:
    return TransformerPredictor(8, history_size=history_size, depth=1, num_heads=2, head_dim=4, mlp_dim=16)


def changed(change: Callable[[Any], object]) -> LeWM:
    model = tiny_lewm()
    change(model)
    return model


def put(path: str, value: Any) -> Callable[[Any], None]:
    *owners, name = path.split(".")
    return lambda model: setattr(model.get_submodule(".".join(owners)), name, value)


IN_THE_FILE: dict[str, tuple[Callable[[Any], None], Callable[[Any], Any], Any]] = {
    "another regularizer": (
        put("regularizer", VICReg(std_weight=3.0)), lambda m: m.regularizer.std_weight, 3.0
    ),
    "a weight": (put("regularizer_weight", 0.5), lambda m: m.regularizer_weight, 0.5),
    "a weight of numpy's": (put("regularizer_weight", np.float32(0.5)), lambda m: m.regularizer_weight, 0.5),
    "another encoder": (put("encoder", vit()), lambda m: type(m.encoder), ViTEncoder),
    "a setting of a part": (
        put("regularizer.implementation", "reference"), lambda m: m.regularizer.implementation, "reference"
    ),
    "a part of a part": (put("regularizer", SIGReg(7, 9)), lambda m: m.regularizer.directions.num, 7),
}  # fmt: skip

REFUSED: dict[str, tuple[Callable[[Any], object], tuple[str, ...]]] = {
    "a plain encoder": (put("encoder", Plain()), ("`model.encoder`", "Plain", "configurable", "classes=[")),
    "a plain regularizer": (put("regularizer", nn.Identity()), ("`model.regularizer`", "Identity")),
    "a plain part deep inside": (
        put("predictor.blocks.0.mlp", nn.Linear(8, 8)), ("`model.predictor.blocks.0.mlp`", "Linear")
    ),
    "an added layer": (
        lambda m: m.projector.add_module("extra", nn.ReLU()), ("`model.projector.extra`", "added")
    ),
    "a removed layer": (lambda m: delattr(m.predictor, "norm"), ("`model.predictor.norm`", "removed")),
    "one block fewer": (put("predictor.blocks", nn.ModuleList()), ("`model.predictor.blocks.0`", "removed")),
    "another norm": (put("projector.norm", nn.LayerNorm(16)), ("`model.projector.norm`", "LayerNorm")),
    "a resized layer": (
        put("projector.widen", nn.Linear(8, 17)), ("`model.projector.widen.out_features`", "17")
    ),
    "a resized parameter": (
        put("predictor.positions", nn.Parameter(torch.zeros(1, 9, 8))), ("`model.predictor.positions`", "9")
    ),
    "a dropout": (
        put("predictor.blocks.0.mlp.dropout", 0.5), ("`model.predictor.blocks.0.mlp.dropout`", "0.5")
    ),
    "directions": (put("regularizer.directions.num", 5), ("`model.regularizer.directions.num`", "5")),
    "a knot more": (put("regularizer.statistic.num_knots", 33), ("`model.regularizer.statistic",)),
    "another history": (put("predictor", predictor(1)), ("`model.history_size`", "2", "1")),
    "no part": (put("projector", None), ("`model.projector` was removed",)),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_THE_FILE)
def test_a_change_is_in_the_file(name: str, tmp_path: Path) -> None:
    change, read, due = IN_THE_FILE[name]
    model = changed(change)
    assert read(leworld.load(leworld.save(model, tmp_path / "m"))) == read(model) == due


@pytest.mark.parametrize("name", REFUSED)
def test_a_change_that_no_constructor_makes_is_refused(name: str, tmp_path: Path) -> None:
    change, words = REFUSED[name]
    model = changed(change)
    with pytest.raises(CheckpointError) as caught:
        leworld.save(model, tmp_path / "m")
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", REFUSED)
def test_without_the_proof_some_changes_would_be_lost(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check can fail: what only the comparison with a shadow sees is written in silence without it."""
    change, _ = REFUSED[name]
    monkeypatch.setattr("leworld.serialise._save.check_rebuilds", lambda config, module, where: None)
    model = changed(change)
    try:
        leworld.save(model, tmp_path / "m")
    except CheckpointError:
        assert name in ("a plain encoder", "a plain regularizer")
    else:
        assert name not in ("a plain encoder", "a plain regularizer")


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_save_refuses_is_refused_before_the_work(name: str) -> None:
    change, words = REFUSED[name]
    with pytest.raises(CheckpointError) as caught:
        check_saveable(changed(change))
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_what_a_save_takes_is_taken_before_the_work_whatever_the_weights() -> None:
    for change, _, _ in IN_THE_FILE.values():
        model = changed(change)
        model.projector.widen.weight.data[0] = torch.nan
        check_saveable(model, provenance={"seed": np.int64(3)})


class Holding(nn.Module):
    """A module with one buffer or parameter, whatever it is."""

    def __init__(self, held: torch.Tensor) -> None:
        super().__init__()
        if isinstance(held, nn.Parameter):
            self.held = held
        else:
            self.register_buffer("held", held)


UNSTORABLE = {
    "complex": (torch.zeros(2, dtype=torch.complex64), "complex64"),
    "eight bits": (torch.zeros(2).to(torch.float8_e4m3fn), "float8"),
    "unsigned": (torch.zeros(2, dtype=torch.uint16), "uint16"),
    "sparse": (torch.eye(2).to_sparse(), "sparse"),
    "meta": (torch.zeros(2, device="meta"), "meta"),
    "lazy": (nn.parameter.UninitializedParameter(), "initialised"),
}


@pytest.mark.parametrize("name", UNSTORABLE)
def test_a_tensor_that_no_file_holds_is_refused_by_name(name: str, tmp_path: Path) -> None:
    held, word = UNSTORABLE[name]
    for call in (check_storable, checked_tensors):
        with pytest.raises(CheckpointError, match=word) as caught:
            call(Holding(held))
        assert "`held`" in str(caught.value)


UNWRITABLE: dict[str, tuple[Any, str]] = {
    "half a character": ("\ud800", "surrogates"),
    "NaN": (float("nan"), "JSON"),
    "too deep": (functools.reduce(lambda inner, _: [inner], range(80), 0), "nested"),
    "far too deep": (functools.reduce(lambda inner, _: [inner], range(100_000), 0), "JSON"),
    "too long a number": (10**120, "digits"),
    "far too long a number": (10**5000, "JSON"),
    "too much": ("x" * 2**22, "larger"),
}


@pytest.mark.parametrize("name", UNWRITABLE)
def test_facts_that_no_reader_takes_back_are_refused_before_the_work(name: str, tmp_path: Path) -> None:
    value, word = UNWRITABLE[name]
    for call in (
        lambda: check_saveable(Projector(4), provenance={"fact": value}),
        lambda: save_module(Projector(4), tmp_path / "m", provenance={"fact": value}),
        lambda: leworld.save(tiny_lewm(), tmp_path / "m", provenance={"fact": value}),
    ):
        with pytest.raises(CheckpointError, match=word):
            call()
    assert list(tmp_path.iterdir()) == []


def test_a_card_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="`card`"):
        leworld.save(tiny_lewm(), tmp_path / "m", card="\ud800")
    assert list(tmp_path.iterdir()) == []


def test_any_module_is_a_part_and_only_saving_asks(tmp_path: Path) -> None:
    right = tiny_lewm()
    parts = {name: getattr(right, name) for name in ("action_encoder", "projector", "prediction_projector")}
    model = LeWM(Plain().requires_grad_(False), predictor(2), **parts)
    assert model.encode(torch.zeros(2, 1, 3, 16, 16)).shape == (2, 1, 8)
    with pytest.raises(CheckpointError, match=r"`model\.encoder`.*`Plain`|`model\.encoder`.*Plain"):
        leworld.save(model, tmp_path / "m")
    with pytest.raises(ConfigError, match="`encoder`"):
        model.config.to_json()
    wrapped = configurable(type("Wrapped", (Plain,), {"__module__": "elsewhere"}))
    model.encoder = wrapped()
    again = leworld.load(leworld.save(model, tmp_path / "m"), classes=[wrapped])
    assert type(again.encoder) is wrapped


def test_a_class_of_ones_own_may_count_and_hold_lists(tmp_path: Path) -> None:
    module = Counting([Projector(4, hidden_dim=8), Projector(4, hidden_dim=8)])
    module.eval()(torch.zeros(2, 4))
    module.scale = 2.0
    module.parts[1] = Projector(4, hidden_dim=5)
    again = load_module(save_module(module, tmp_path / "m"), Counting, classes=[Counting])
    assert (again.scale, again.width, again.calls) == (2.0, 6, 0)
    assert [part.config.arguments["hidden_dim"] for part in again.parts] == [8, 5]
    module.width = 8
    assert load_module(save_module(module, tmp_path / "n"), Counting, classes=[Counting]).width == 6


@configurable
class Cameras(nn.Module):
    """Parts by name, and settings by name."""

    def __init__(self, views: dict[str, nn.Module], sizes: dict[str, int] | None = None) -> None:
        super().__init__()
        self.views = nn.ModuleDict(views)
        self.sizes = sizes


def test_parts_by_name_come_back_and_change_in_the_file(tmp_path: Path) -> None:
    module = Cameras(
        {"front": Projector(4, hidden_dim=8), "wrist": Projector(4, hidden_dim=6)}, {"front": 64}
    )
    module.views["wrist"] = Projector(4, hidden_dim=5)
    folder = save_module(module, tmp_path / "m")
    again = load_module(folder, Cameras, classes=[Cameras])
    assert {name: part.config.arguments["hidden_dim"] for name, part in again.views.items()} == {
        "front": 8, "wrist": 5
    }  # fmt: skip
    assert again.sizes == {"front": 64}
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in module.state_dict().items())
    module.views["wrist"] = Plain()
    with pytest.raises(CheckpointError, match=r"`model\.views\.wrist`"):
        save_module(module, tmp_path / "n")
    with pytest.raises(ConfigError, match=r"`views`|`wrist`"):
        Cameras({"wrist": Plain()}).config.to_json()
    with pytest.raises(ConfigError, match="sizes"):
        Cameras({}, {"class": 3}).config.to_json()


@pytest.mark.parametrize("value", [np.int64(3), np.int32(3), np.array(3)])
def test_numbers_of_numpy_become_pythons(value: Any) -> None:
    config = Counting([], width=value).config
    assert type(config.arguments["width"]) is int
    assert config == Counting([], width=3).config


def test_defaults_that_are_modules_are_recorded() -> None:
    right = tiny_lewm()
    parts = {name: getattr(right, name) for name in ("action_encoder", "projector", "prediction_projector")}
    model = LeWM(right.encoder, predictor(2), **parts)
    assert model.config.to_json()["regularizer"]["class"] == "SIGReg"


def test_further_arguments_have_no_name_in_a_file() -> None:
    @configurable
    class Many(nn.Module):
        def __init__(self, *sizes: int, **options: int) -> None:
            super().__init__()

    assert Many().config.to_json() == {"class": "Many"}
    with pytest.raises(ConfigError, match="sizes"):
        Many(3).config.to_json()
    with pytest.raises(ConfigError, match="options"):
        Many(wide=3).config.to_json()


def test_an_inherited_constructor_is_recorded_and_an_undecorated_heir_refused(tmp_path: Path) -> None:
    heir = type("Heir", (Counting,), {"__module__": "elsewhere"})
    with pytest.raises(CheckpointError, match=r"Heir.*configurable"):
        save_module(heir([]), tmp_path / "m")
    config = configurable(heir)([], 5).config
    assert (config.class_name, config.arguments["width"]) == ("Heir", 5)


WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "compile": lambda model: torch.compile(model, backend="eager"),  # type: ignore[dict-item, return-value]
    "DataParallel": nn.DataParallel,
    "AveragedModel": AveragedModel,
    "two of them": lambda model: AveragedModel(torch.compile(model, backend="eager")),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapped_model_is_saved_as_what_it_wraps(name: str, tmp_path: Path) -> None:
    leworld.save(tiny_lewm(), tmp_path / "bare")
    leworld.save(WRAPPERS[name](tiny_lewm()), tmp_path / "wrapped")
    for file in (tmp_path / "bare").iterdir():
        assert file.read_bytes() == (tmp_path / "wrapped" / file.name).read_bytes()


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapped_part_is_saved_as_what_it_wraps(name: str, tmp_path: Path) -> None:
    leworld.save(tiny_lewm(), tmp_path / "bare")
    model = tiny_lewm()
    model.encoder = WRAPPERS[name](model.encoder)
    model.predictor.blocks[0] = WRAPPERS[name](model.predictor.blocks[0])
    leworld.save(model, tmp_path / "wrapped")
    for file in (tmp_path / "bare").iterdir():
        assert file.read_bytes() == (tmp_path / "wrapped" / file.name).read_bytes()


def test_an_unknown_wrapper_is_told_what_to_pass(tmp_path: Path) -> None:
    class Accelerated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = tiny_lewm()

    for call in (
        lambda: leworld.save(Accelerated(), tmp_path / "m"),
        lambda: leworld.push_to_hub(Accelerated(), "me/mine"),
    ):
        with pytest.raises(ConfigError, match=r"Pass `model\.inner`"):
            call()


def test_a_part_on_another_device_and_a_shared_one(tmp_path: Path) -> None:
    model = tiny_lewm()
    model.prediction_projector = model.projector
    with pytest.raises(CheckpointError, match="shares"):
        leworld.save(model, tmp_path / "m")


def test_the_shadow_asks_for_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = set()
    build = _memory.build

    def watched(*args: Any, **kwargs: Any) -> nn.Module:
        module = build(*args, **kwargs)
        devices.update(parameter.device.type for parameter in module.parameters())
        return module

    monkeypatch.setattr(_memory, "build", watched)
    model = tiny_lewm()
    _memory.check_rebuilds(_memory.config_in_memory(model, "model"), model, "model")
    assert devices == {"meta"}
    assert isinstance(model.encoder, ConvEncoder)


def test_a_model_in_distributed_data_parallel_is_saved_as_what_it_wraps(tmp_path: Path) -> None:
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1
    )
    try:
        wrapped = nn.parallel.DistributedDataParallel(tiny_lewm())
        leworld.save(wrapped, tmp_path / "wrapped")
    finally:
        torch.distributed.destroy_process_group()
    leworld.save(tiny_lewm(), tmp_path / "bare")
    for file in (tmp_path / "bare").iterdir():
        assert file.read_bytes() == (tmp_path / "wrapped" / file.name).read_bytes()


@configurable
class Bounded(nn.Module):
    """A layer whose weight is parametrized, of a class that torch makes for this one module."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3))

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        return self.layer(vectors)


def test_a_parametrized_layer_comes_back(tmp_path: Path) -> None:
    module = Bounded()
    vectors = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    module(vectors)  # a step of the power iteration
    again = load_module(save_module(module, tmp_path / "m"), Bounded, classes=[Bounded])
    assert torch.equal(again(vectors), module.eval()(vectors))
