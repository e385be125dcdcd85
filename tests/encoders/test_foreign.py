"""Backbones of timm and transformers: those libraries themselves where they are installed, else stand-ins."""

import json
import sys
from pathlib import Path

import pytest
import timm
import torch
import transformers

import leworld
from leworld.encoders import HuggingFaceEncoder, TimmEncoder
from leworld.errors import CheckpointError, ConfigError, MissingExtraError, ShapeError
from leworld.nn import Frozen
from leworld.serialise import load_module, save_module
from leworld.training import train
from tests.training.test_frozen import model_of
from tests.training.tiny import tiny_settings, tiny_windows

VIT = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
VIT |= {"image_size": 32, "patch_size": 8}


def pictures(side: int = 64) -> torch.Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("output", ["pooled", "patches"])
@pytest.mark.parametrize(
    "name", ["resnet18", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"]
)  # features with channels first, tokens, channels last
def test_timm_gives_what_the_backbone_does(name: str, output) -> None:
    encoder = TimmEncoder(name, image_size=64, output=output).eval()
    features, found = encoder.backbone.forward_features(pictures()), encoder(pictures())
    if output == "pooled":
        torch.testing.assert_close(found, encoder.backbone(pictures()))
        assert found.shape == (2, encoder.embedding_dim)
        return
    assert found.shape == (2, encoder.num_tokens, encoder.embedding_dim)
    if name.startswith("vit"):
        assert torch.equal(found, features[:, 1:])
    elif name.startswith("resnet"):
        assert torch.equal(found[:, 1], features[:, :, 0, 1])  # the second cell of the first row
    else:
        assert torch.equal(found[:, 1], features[:, 0, 1])


def test_timm_class_token() -> None:
    encoder = TimmEncoder("vit_tiny_patch16_224", image_size=64, output="cls").eval()
    assert torch.equal(encoder(pictures()), encoder.backbone.forward_features(pictures())[:, 0])
    with pytest.raises(ConfigError, match="class token"):
        TimmEncoder("resnet18", output="cls")


@pytest.mark.parametrize("size", [64, (32, 96), None])
def test_timm_takes_its_size_where_the_backbone_has_a_fixed_one(size) -> None:
    encoder = TimmEncoder("vit_tiny_patch16_224", image_size=size, output="patches").eval()
    height, width = (224, 224) if size is None else (size, size) if isinstance(size, int) else size
    assert encoder.num_tokens == (height // 16) * (width // 16)
    assert encoder(torch.randn(1, 3, height, width)).shape == (1, encoder.num_tokens, 192)


def test_a_backbone_that_was_handed_over_is_saved_by_its_name(tmp_path: Path) -> None:
    backbone = timm.create_model("resnet18", num_classes=0, drop_rate=0.25)
    encoder = TimmEncoder(backbone, options={"drop_rate": 0.25})
    assert encoder.backbone is backbone
    written = encoder.config.to_json()
    assert written["backbone"] == "resnet18"
    assert written["options"] == {"class": "dict", "drop_rate": 0.25}
    again = load_module(save_module(encoder, tmp_path / "m"), TimmEncoder)
    assert torch.equal(again(pictures()), encoder.eval()(pictures()))


def test_one_that_its_name_does_not_make_again_is_refused(tmp_path: Path) -> None:
    encoder = TimmEncoder(timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=64))
    with pytest.raises(CheckpointError, match="pos_embed"):
        save_module(encoder, tmp_path / "m")
    right = TimmEncoder(encoder.backbone, image_size=64)
    assert load_module(save_module(right, tmp_path / "m")).embedding_dim == 192


def test_a_classifier_is_refused_and_so_is_what_timm_did_not_make() -> None:
    with pytest.raises(ConfigError, match="num_classes=0"):
        TimmEncoder(timm.create_model("resnet18", num_classes=10))
    with pytest.raises(ConfigError, match="create_model"):
        TimmEncoder(torch.nn.Linear(3, 4))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("hf-hub:someone/model", None),
        ("local-dir:/tmp/x", None),
        ("no_such_net", None),
        ("resnet18", {"pretrained": True}),
        ("resnet18", {"checkpoint_path": "/tmp/pickle.pth"}),
        ("resnet18", {"pretrained_cfg": "x"}),
        ("resnet18", {"no_such_option": 3}),
    ],
)
def test_a_file_can_ask_timm_for_nothing_but_an_architecture(tmp_path: Path, name: str, options) -> None:
    folder = save_module(TimmEncoder("resnet18"), tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    config["architecture"] |= {"backbone": name, "options": options and {"class": "dict", **options}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="TimmEncoder"):
        load_module(folder)


def hugging(**options) -> HuggingFaceEncoder:
    return HuggingFaceEncoder({"model_type": "vit", **VIT}, **options).eval()


@pytest.mark.parametrize("side", [32, 48])
def test_transformers_gives_what_the_backbone_does(side: int) -> None:
    x = pictures(side)
    encoders = {output: hugging(output=output, image_size=side) for output in ("cls", "patches", "pooled")}
    for output, encoder in encoders.items():
        answer = encoder.model(x, interpolate_pos_encoding=side != 32)
        tokens = answer.last_hidden_state
        expected = {"cls": tokens[:, 0], "patches": tokens[:, 1:], "pooled": answer.pooler_output}[output]
        assert torch.equal(encoder(x), expected)
    assert encoders["patches"].num_tokens == (side // 8) ** 2


def test_a_model_of_transformers_is_saved_by_its_config(tmp_path: Path) -> None:
    model = transformers.ViTModel(transformers.ViTConfig(**VIT))
    encoder = HuggingFaceEncoder(model)
    assert encoder.model is model
    written = encoder.config.to_json()["backbone"]
    assert written["model_type"] == "vit"
    assert written["hidden_size"] == 16
    again = load_module(save_module(Frozen(encoder), tmp_path / "m"))
    assert torch.equal(again(pictures(32)), encoder.eval()(pictures(32)))


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "vitpose"},
        {"model_type": "vit", "auto_map": {"AutoModel": "someone/code--file.Class"}},
        {"model_type": "vit", "_attn_implementation": "someone/kernels"},
        {"model_type": "vit", "attn_implementation": "someone/kernels"},
        {"hidden_size": 16},
    ],
)
def test_a_config_asks_for_nothing_but_a_network(config) -> None:
    with pytest.raises(ConfigError, match="HuggingFaceEncoder"):
        HuggingFaceEncoder(config)


def test_an_output_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError, match="transformers"):
        HuggingFaceEncoder(torch.nn.Linear(2, 2))
    encoder = hugging(output="pooled")
    encoder.embedding_dim = 17
    with pytest.raises(ShapeError, match="pooled"):
        encoder(pictures(32))
    other = TimmEncoder("resnet18")
    other.embedding_dim = 17
    with pytest.raises(ShapeError, match="pooled"):
        other(pictures())


@pytest.mark.parametrize(("library", "extra"), [("timm", "timm"), ("transformers", "transformers")])
def test_without_the_library_the_extra_is_named(library: str, extra: str, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf"leworld\[{extra}\]"):
        TimmEncoder("resnet18") if library == "timm" else hugging()


def test_a_backbone_enters_lewm_in_one_line(tmp_path: Path) -> None:
    """It trains frozen, is saved, loads and is exported."""
    model = model_of(Frozen(TimmEncoder("resnet18"))).float()  # as programs are
    train(model, tiny_windows(), folder=tmp_path / "run", settings=tiny_settings(num_steps=2), progress=False)
    again = leworld.load(leworld.save(model, tmp_path / "m"))
    assert isinstance(again.encoder, Frozen)
    x = pictures(8)[:, None].float()
    assert torch.equal(again.encode(x), model.encode(x))
    folder = leworld.hub.export(again, tmp_path / "robot", format="pt2")
    program = torch.export.load(folder / "encoder.pt2").module()
    torch.testing.assert_close(program(x[:, 0]), again.encode(x)[:, 0], atol=1e-4, rtol=0)
    assert leworld.hub.export(again, tmp_path / "onnx").is_dir()
