"""Folders in the published layout: loaded as they lie in the wild, and refused when they are traps."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import leworld
from leworld.errors import CheckpointError
from leworld.hub.catalog._known import PINNED
from leworld.models import to_weights
from leworld.serialise._build import build
from tests.hub.released import MINI
from tests.hub.test_refusals import Bomb

State = dict[str, torch.Tensor]


def state() -> State:
    return torch.load(MINI / "weights.pt", weights_only=True)


def newer_names(tensors: State) -> State:
    """The names that transformers writes from 5.9 on."""
    pairs = {
        "encoder.encoder.layer.": "encoder.layers.",
        "attention.attention.query": "attention.q_proj",
        "attention.attention.key": "attention.k_proj",
        "attention.attention.value": "attention.v_proj",
        "attention.output.dense": "attention.o_proj",
        "intermediate.dense": "mlp.fc1",
        "output.dense": "mlp.fc2",
    }
    renamed = {}
    for name, value in tensors.items():
        for old, new in pairs.items():
            name = name.replace(old, new) if name.startswith("encoder.") else name
        renamed[name] = value
    return renamed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "mini"
    path.mkdir()
    (path / "config.json").write_bytes((MINI / "config.json").read_bytes())
    (path / "weights.pt").write_bytes((MINI / "weights.pt").read_bytes())
    return path


WRAPPED: dict[str, Callable[[State], Any]] = {
    "plain": lambda s: s,
    "new names": newer_names,
    "model. prefix": lambda s: {f"model.{k}": v for k, v in s.items()},
    "module. prefix": lambda s: {f"module.{k}": v for k, v in s.items()},
    "state_dict": lambda s: {"state_dict": s},
    "half the story in another dtype": lambda s: {
        k: v.double() if v.is_floating_point() else v for k, v in s.items()
    },
}


@pytest.mark.parametrize("case", WRAPPED)
@torch.no_grad()
def test_le_wm_80_and_68_both_generations_and_every_wrapping_load_strictly(folder: Path, case: str) -> None:
    torch.save(WRAPPED[case](state()), folder / "weights.pt")
    model = leworld.load(folder)
    reference = torch.load(MINI / "reference.pt", weights_only=True)
    torch.testing.assert_close(model.encode(reference["pixels"]), reference["emb"], atol=1e-5, rtol=0)
    prediction = model.predict(reference["emb"], reference["actions"])
    torch.testing.assert_close(prediction, reference["prediction"], atol=1e-5, rtol=0)


def test_no_tensor_is_left_without_memory_and_none_shares_it(folder: Path) -> None:
    tied = state()
    tied["pred_proj.net.0.bias"] = tied["projector.net.0.bias"]
    whole = torch.stack([tied["projector.net.1.weight"], tied["projector.net.1.bias"]])
    tied["projector.net.1.weight"], tied["projector.net.1.bias"] = whole
    torch.save(tied, folder / "weights.pt")
    model = leworld.load(folder)
    tensors = [*model.parameters(), *model.buffers()]
    assert not any(tensor.is_meta for tensor in tensors)
    assert len({tensor.untyped_storage().data_ptr() for tensor in tensors if tensor.numel()}) == len(tensors)
    assert all(tensor.untyped_storage().nbytes() == tensor.nbytes for tensor in tensors)
    assert torch.equal(model.projector.widen.bias, model.prediction_projector.widen.bias)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_le_wm_17_weights_load_without_a_conversion_step(folder: Path) -> None:
    assert leworld.load(folder).embedding_dim == 24


@torch.no_grad()
def test_a_model_returned_in_train_mode_is_what_others_give(folder: Path) -> None:
    model = leworld.load(folder)
    assert not any(module.training for module in model.modules())
    pixels = torch.load(MINI / "reference.pt", weights_only=True)["pixels"]
    first = model.encode(pixels)
    assert torch.equal(model.encode(pixels), first)  # no dropout, no statistics that move
    torch.testing.assert_close(model.encode(pixels[:1]), first[:1], atol=1e-6, rtol=0)  # nor those of a batch
    model.train()
    assert not torch.allclose(model.encode(pixels), first, atol=1e-2)


@pytest.mark.parametrize("history", [1, 3])
def test_stable_worldmodel_225_and_233_history_size_is_the_configs(folder: Path, history: int) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["predictor"]["num_frames"] = history
    (folder / "config.json").write_text(json.dumps(config))
    tensors = state()
    tensors["predictor.pos_embedding"] = tensors["predictor.pos_embedding"][:, :history].clone()
    torch.save(tensors, folder / "weights.pt")
    model = leworld.load(folder)
    assert model.history_size == history
    inputs = (to_weights(model, torch.zeros(shape)) for shape in ((1, 1, 24), (1, 0, 10), (1, 2, 4, 10)))
    assert model.rollout(*inputs).shape[2] == 4


def test_safetensors_in_the_published_layout(folder: Path) -> None:
    tensors = {name: value.contiguous() for name, value in state().items()}
    (folder / "weights.pt").unlink()
    save_file(tensors, folder / "model.safetensors")
    theirs, ours = leworld.load(folder).state_dict(), leworld.load(MINI).state_dict()
    assert all(
        torch.equal(value, theirs[name]) for name, value in ours.items() if isinstance(value, torch.Tensor)
    )


def test_without_statistics_the_model_loads_and_acting_says_what_is_missing(folder: Path) -> None:
    from leworld.control import MPCPolicy
    from leworld.errors import ConfigError
    from leworld.planners import CEMPlanner

    torch.save({k: v + 1 if v.is_floating_point() else v for k, v in state().items()}, folder / "weights.pt")
    model = leworld.load(folder)
    assert not model.has_processor
    with pytest.raises(ConfigError, match="processor"):
        MPCPolicy(model, CEMPlanner())
    model.processor = PINNED["lewm-reacher"].processor
    with pytest.raises(ConfigError, match="statistics"):
        MPCPolicy(model, CEMPlanner())


def torch_world_names(depth: int = 1) -> list[str]:
    """The tensors of torch-world 0.2's LeWM around any encoder, as its modules are nested."""
    block = ("attn.qkv", "attn.proj", "mlp.0", "mlp.3", "modulation.1")
    layers = [f"predictor.blocks.{i}.{part}" for i in range(depth) for part in block]
    layers += ["predictor.norm", "action_encoder.0", "action_encoder.1.0", "action_encoder.1.2"]
    layers += [f"{name}.{i}" for name in ("projector", "pred_proj") for i in (0, 1, 3)]
    return ["pos_embed", *(f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias"))]


def test_torch_worlds_lewm_is_refused_saying_where_its_architecture_differs(folder: Path) -> None:
    (folder / "weights.pt").unlink()
    (folder / "config.json").write_text(json.dumps({"model": "LeWM", "embed_dim": 4, "history": 3}))
    save_file({name: torch.zeros(4) for name in torch_world_names()}, folder / "model.safetensors")
    with pytest.raises(
        CheckpointError, match="LeWM of torch-world, whose architecture does not map"
    ) as caught:
        leworld.load(folder)
    assert "no LayerNorm inside attention and MLP, and biases on queries" in str(caught.value)
    (folder / "model.safetensors").write_bytes(b"noise")
    with pytest.raises(CheckpointError, match="it has `model`, `embed_dim`, `history`"):
        leworld.load(folder)


def archive(files: dict[str, bytes], *, compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return buffer.getvalue()


def edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        content = json.loads((folder / "config.json").read_text())
        change(content)
        (folder / "config.json").write_text(json.dumps(content))

    return apply


def write(data: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / "weights.pt").write_bytes(data) and None


def saved(content: Callable[[], object]) -> Callable[[Path], None]:
    return lambda folder: torch.save(content(), folder / "weights.pt")


def stretched() -> State:
    tensors = state()
    shape = tensors["predictor.pos_embedding"].shape
    tensors["predictor.pos_embedding"] = torch.zeros(1).expand(shape)
    return tensors


def poisoned() -> State:
    tensors = state()
    tensors["projector.net.0.weight"][0, 0] = float("inf")
    return tensors


BOMB = {"archive/data.pkl": pickle.dumps(Bomb()), "archive/version": b"3\n", "archive/byteorder": b"little"}
TRAPS: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "a bare booby-trapped pickle": (write(pickle.dumps(Bomb())), ("zip archive",)),
    "a booby-trapped pickle in an archive": (write(archive(BOMB)), ("plain state dict",)),
    "a whole pickled module": (saved(lambda: torch.nn.Linear(2, 2)), ("whole module", "state_dict()")),
    "a list": (saved(lambda: [1]), ("state dict",)),
    "a zip bomb": (
        write(archive({"archive/data.pkl": bytes(2**28)}, compression=zipfile.ZIP_DEFLATED)),
        ("unpack",),
    ),
    "a truncated archive": (
        lambda f: (f / "weights.pt").write_bytes((f / "weights.pt").read_bytes()[:-2000]) and None,
        ("weights.pt", "damaged"),
    ),
    "an empty file": (write(b""), ("zip archive",)),
    "a lying directory": (
        write(archive({"a": b"b"})[:-22] + struct.pack("<I", 0x06054B50) + bytes(18)),
        ("weights.pt",),
    ),
    "no weights": (lambda f: (f / "weights.pt").unlink(), ("weights.pt", "readable")),
    "a stretched tensor": (saved(stretched), ("predictor.pos_embedding", "repeats")),
    "an infinite weight": (saved(poisoned), ("projector.net.0.weight", "infinity")),
    "hydra.instantiate of os.system": (
        edit(lambda c: c["encoder"].update({"_target_": "os.system"})),
        ("os.system", "_target_"),
    ),
    "another top": (edit(lambda c: c.update({"_target_": "builtins.exec"})), ("builtins.exec",)),
    "an unknown field": (edit(lambda c: c["predictor"].update(depht=1)), ("depht", "Did you mean `depth`")),
    "another width": (edit(lambda c: c["projector"].update(hidden_dim=64)), ("projector",)),
    "a width that no memory holds": (
        edit(lambda c: c["projector"].update(hidden_dim=10**12)),
        ("projector",),
    ),
    "neither layout": (
        lambda f: (f / "config.json").write_text('{"model_type": "x"}') and None,
        ("model_type",),
    ),
}


@pytest.mark.parametrize("case", TRAPS)
def test_a_trap_is_refused_and_nothing_runs(folder: Path, case: str) -> None:
    lay, words = TRAPS[case]
    lay(folder)
    with pytest.raises(CheckpointError) as caught:
        leworld.load(folder)
    message = str(caught.value)
    assert all(word in message for word in (str(folder), *words)), message
    assert not Path("/tmp/leworld-was-here").exists()


@pytest.mark.parametrize("name", PINNED)
def test_a_records_architecture_is_the_published_one(name: str) -> None:
    record = PINNED[name]
    with torch.device("meta"):
        model = build(record.architecture, where=name)
    extra = {"lewm-cube": 15 * 10}.get(name, 0)  # a block of 25 numbers where the others have 10
    assert sum(parameter.numel() for parameter in model.parameters()) == 18_034_478 + extra
    assert record.processor is not None
    assert record.processor.block_dim == model.action_dim
    assert record.history_size == model.history_size
    assert len(record.commit or "") == 40
    assert len(record.files["weights.pt"] or "") == 64


def test_names_and_aliases_are_unique() -> None:
    names = [*PINNED, *(alias for record in PINNED.values() for alias in record.aliases), "lewm-tworoom-tiny"]
    assert len(names) == len(set(names))
    assert leworld.list_checkpoints("*reacher") == ["lewm-reacher"]
    assert leworld.list_checkpoints("lewm-tworoom") == ["lewm-tworooms"]
    assert leworld.hub.checkpoint_info("lewm-tworoom").name == "lewm-tworooms"
