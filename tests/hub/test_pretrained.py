"""A backbone's weights from a Hub, kept by value or by reference, with the digest looked at before use."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import leworld
from leworld.encoders import ActionEncoder, ConvEncoder, DINOv2Encoder, TimmEncoder
from leworld.errors import CheckpointError, ConfigError
from leworld.hub import pretrained
from leworld.models import LeWM
from leworld.nn import Frozen, Projector
from leworld.predictors import TransformerPredictor
from leworld.serialise import check_saveable, load_module, load_weights, save_module
from tests._source import ROOT
from tests.hub.hub_server import Hub, point_at, serving

PLACE = "me/dinov2-mini"
WEIGHTS = ROOT / "tests" / "fixtures" / "dinov2_mini" / "weights_transformers.safetensors"
SIZE = {"hidden_dim": 24, "depth": 2, "num_heads": 3, "mlp_dim": 48}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving() as hub:
        point_at(monkeypatch, hub.url)
        hub.add(PLACE, {"model.safetensors": WEIGHTS.read_bytes()})
        yield hub


def mini(**options) -> DINOv2Encoder:
    return DINOv2Encoder(SIZE, image_size=42, position_grid=5, **options)


def fetched(cache: Path, **options) -> Frozen:
    return pretrained(mini(), f"hf-hub:{PLACE}", cache_dir=cache, **options)


def model_of(encoder: torch.nn.Module) -> LeWM:
    return LeWM(
        encoder,
        TransformerPredictor(4, history_size=1, depth=1, num_heads=1, head_dim=4, mlp_dim=4),
        action_encoder=ActionEncoder(2, 4),
        projector=Projector(encoder.embedding_dim, 4, hidden_dim=4),
        prediction_projector=Projector(4, hidden_dim=4),
    ).float()  # as the weights of files are


def pictures() -> torch.Tensor:
    return torch.randn(2, 3, 42, 42, generator=torch.Generator().manual_seed(5), dtype=torch.float32)


def test_it_reads_the_weights_freezes_them_and_notes_where_they_are_from(hub: Hub, tmp_path: Path) -> None:
    frozen = fetched(tmp_path / "cache")
    by_hand = mini()
    load_weights(by_hand, WEIGHTS)
    assert torch.equal(frozen(pictures()), by_hand(pictures()))
    assert frozen.source == {
        "repository": PLACE,
        "revision": hub.branches[PLACE, "main"],
        "file": "model.safetensors",
        "sha256": hashlib.sha256(WEIGHTS.read_bytes()).hexdigest(),
    }
    assert not any(weight.requires_grad for weight in frozen.parameters())


def test_a_file_of_its_own_names_is_read_as_it_is(tmp_path: Path) -> None:
    one, other = mini(num_registers=2).float(), mini(num_registers=2).float()
    save_file(one.state_dict(), tmp_path / "mine.safetensors")
    load_weights(other, tmp_path / "mine.safetensors")
    assert torch.equal(one(pictures()), other(pictures()))
    with pytest.raises(CheckpointError, match="register"):
        load_weights(mini(num_registers=2), WEIGHTS)  # the names of another library still count its registers


def test_by_value_the_checkpoint_has_all(hub: Hub, tmp_path: Path) -> None:
    model = model_of(fetched(tmp_path / "cache"))
    folder = leworld.save(model, tmp_path / "m")
    hub.requests.clear()
    again = leworld.load(folder, cache_dir=tmp_path / "another")
    assert not hub.requests
    assert torch.equal(again.encoder(pictures()), model.encoder(pictures()))
    assert again.encoder.source == model.encoder.source


def test_by_reference_it_has_the_rest_and_loading_fetches(hub: Hub, tmp_path: Path) -> None:
    model = model_of(fetched(tmp_path / "cache", stored="reference"))
    folder = leworld.save(model, tmp_path / "m")
    held = load_file(folder / "model.safetensors")
    assert held
    assert not [name for name in held if name.startswith("encoder.")]
    again = leworld.load(folder, cache_dir=tmp_path / "cold")
    assert any("/resolve/" in request for request in hub.requests)
    assert torch.equal(again.encoder(pictures()), model.encoder(pictures()))
    assert torch.equal(again.encode(pictures()[:, None]), model.eval().encode(pictures()[:, None]))
    assert isinstance(again.encoder, Frozen)
    assert not any(weight.requires_grad for weight in again.encoder.parameters())
    assert not again.train().encoder.training
    hub.requests.clear()
    leworld.load(folder, cache_dir=tmp_path / "cold")
    assert not hub.requests  # a pinned file of the cache
    assert leworld.save(again, tmp_path / "twice")  # it knows that its weights are those of the source


def test_a_folder_of_the_users_serves_without_a_hub(hub: Hub, tmp_path: Path) -> None:
    model = model_of(fetched(tmp_path / "cache", stored="reference"))
    folder = leworld.save(model, tmp_path / "m")
    own = tmp_path / "own" / PLACE
    own.mkdir(parents=True)
    (own / "model.safetensors").write_bytes(WEIGHTS.read_bytes())
    hub.requests.clear()
    again = leworld.load(folder, cache_dir=tmp_path / "own", local_files_only=True)
    assert torch.equal(again.encoder(pictures()), model.encoder(pictures()))
    lower = load_module(folder, LeWM, sources=tmp_path / "own")
    assert torch.equal(lower.encoder(pictures()), model.encoder(pictures()))
    assert not hub.requests


def test_another_digest_is_refused_before_use(hub: Hub, tmp_path: Path) -> None:
    folder = leworld.save(model_of(fetched(tmp_path / "cache", stored="reference")), tmp_path / "m")
    tensors = load_file(WEIGHTS)
    tensors["layernorm.bias"] += 1.0
    own = tmp_path / "own" / PLACE
    own.mkdir(parents=True)
    save_file(tensors, own / "model.safetensors")
    with pytest.raises(CheckpointError, match="digest"):
        leworld.load(folder, cache_dir=tmp_path / "own")
    config = json.loads((folder / "config.json").read_text())
    config["architecture"]["encoder"]["source"]["sha256"] = "0" * 64
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="0000"):
        leworld.load(folder, cache_dir=tmp_path / "cache")
    fetched(tmp_path / "cache", local_files_only=True)  # what lay in the cache lies there still


def test_what_is_not_there_is_told(hub: Hub, tmp_path: Path) -> None:
    folder = leworld.save(model_of(fetched(tmp_path / "cache", stored="reference")), tmp_path / "m")
    with pytest.raises(CheckpointError, match=r"model\.safetensors.*not in the cache"):
        leworld.load(folder, cache_dir=tmp_path / "cold", local_files_only=True)
    with pytest.raises(CheckpointError, match="no folder was given"):
        load_module(folder)
    with pytest.raises(CheckpointError, match="there is no "):
        load_module(folder, sources=tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("repository", "../../etc/x"),
        ("file", "../model.safetensors"),
        ("file", "/etc/passwd"),
        ("file", "model.bin"),
        ("revision", "../x"),
        ("sha256", 7),
    ],
)
def test_a_source_that_points_outwards_is_refused(hub: Hub, tmp_path: Path, field: str, value) -> None:
    folder = leworld.save(model_of(fetched(tmp_path / "cache", stored="reference")), tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    config["architecture"]["encoder"]["source"][field] = value
    (folder / "config.json").write_text(json.dumps(config))
    hub.requests.clear()
    with pytest.raises(CheckpointError):
        leworld.load(folder, cache_dir=tmp_path / "cache")
    assert not hub.requests


def test_weights_that_were_changed_are_not_saved_by_reference(hub: Hub, tmp_path: Path) -> None:
    frozen = fetched(tmp_path / "cache", stored="reference")
    check_saveable(frozen)
    frozen.module.norm.bias.data.add_(1e-3)
    with pytest.raises(CheckpointError, match="changed since"):
        save_module(frozen, tmp_path / "m")
    never = Frozen(mini(), source=frozen.source, stored="reference")
    with pytest.raises(CheckpointError, match="nobody has read"):
        check_saveable(never)
    frozen.stored = "value"
    again = load_module(save_module(frozen, tmp_path / "m"))
    assert torch.equal(again(pictures()), frozen(pictures()))


def test_a_part_that_is_replaced_needs_no_file(hub: Hub, tmp_path: Path) -> None:
    folder = leworld.save(model_of(fetched(tmp_path / "cache", stored="reference")), tmp_path / "m")
    mine = Frozen(mini())
    hub.requests.clear()
    again = leworld.load(folder, cache_dir=tmp_path / "cold", replace={"encoder": mine})
    assert again.encoder is mine
    assert not hub.requests


def test_a_file_of_timm_comes_without_its_classifier(hub: Hub, tmp_path: Path) -> None:
    import timm

    whole = timm.create_model("resnet18", num_classes=7).float()  # as its files are
    save_file(whole.state_dict(), tmp_path / "w.safetensors")
    hub.add("timm/resnet18", {"model.safetensors": (tmp_path / "w.safetensors").read_bytes()})
    frozen = pretrained(TimmEncoder("resnet18"), "hf-hub:timm/resnet18", cache_dir=tmp_path / "cache")
    x = torch.randn(2, 3, 64, 64, dtype=torch.float32)
    whole.eval()
    assert torch.equal(frozen(x), whole.forward_head(whole.forward_features(x), pre_logits=True))


def test_weights_of_another_network_are_refused_and_nothing_is_changed(hub: Hub, tmp_path: Path) -> None:
    other = DINOv2Encoder({**SIZE, "depth": 3}, position_grid=5)
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(CheckpointError, match="missing"):
        pretrained(other, f"hf-hub:{PLACE}", cache_dir=tmp_path / "cache")
    with pytest.raises(CheckpointError, match="num_registers=0"):
        pretrained(mini(num_registers=2), f"hf-hub:{PLACE}", cache_dir=tmp_path / "cache")
    with pytest.raises(CheckpointError, match="shape"):
        pretrained(DINOv2Encoder(SIZE), f"hf-hub:{PLACE}", cache_dir=tmp_path / "cache")
    with pytest.raises(CheckpointError, match="ConvEncoder"):
        load_weights(ConvEncoder(8, 4, channels=(2,)), WEIGHTS)
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())


def test_names_and_digests_are_looked_at(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="hf-hub:me/x"):
        pretrained(mini(), "me/x")
    with pytest.raises(ConfigError, match="safetensors"):
        pretrained(mini(), f"hf-hub:{PLACE}", file="pytorch_model.bin")
    with pytest.raises(CheckpointError, match="digest"):
        fetched(tmp_path / "cache", sha256="0" * 64)
