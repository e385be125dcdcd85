"""What a loader must refuse, told by the file and the field; nothing is executed and nothing half-written is
taken."""

import json
import os
import pickle
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import leworld
from leworld.errors import CheckpointError, LeWorldError, NonFiniteError
from tests.hub.examples import tiny_lewm


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return leworld.save(tiny_lewm(), tmp_path / "m", provenance={"seed": 0})


def edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        content = json.loads((folder / "config.json").read_text())
        change(content)
        (folder / "config.json").write_text(json.dumps(content))

    return apply


def reweigh(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return apply


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


BIAS = "projector.narrow.bias"


def rename(tensors: dict[str, torch.Tensor]) -> None:
    tensors["projector.narow.bias"] = tensors.pop(BIAS)


def poison(tensors: dict[str, torch.Tensor]) -> None:
    tensors[BIAS][3] = float("nan")


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch /tmp/leworld-was-here",)


CROOKED: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "no config": (lambda f: (f / "config.json").unlink(), ("config.json", "readable")),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), ("model.safetensors", "readable")),
    "config is no json": (write("config.json", b"{"), ("config.json", "JSON")),
    "config is empty": (write("config.json", b""), ("config.json", "JSON")),
    "config is a list": (write("config.json", b"[1]"), ("[1]",)),
    "config repeats a key": (write("config.json", b'{"a": 1, "a": 2}'), ("twice",)),
    "config holds NaN": (write("config.json", b'{"schema_version": NaN}'), ("NaN",)),
    "config is huge": (write("config.json", b" " * (5 * 2**20)), ("larger",)),
    "config is deep": (write("config.json", b"[" * 100_000), ("config.json",)),
    "newer schema": (edit(lambda c: c.update(schema_version=2)), ("schema_version", "2", "Upgrade")),
    "no schema": (edit(lambda c: c.pop("schema_version")), ("schema_version",)),
    "schema 0": (edit(lambda c: c.update(schema_version=0)), ("schema_version", "0")),
    "schema is text": (edit(lambda c: c.update(schema_version="1")), ("schema_version", "'1'")),
    "unknown field": (edit(lambda c: c.update(procesor=1)), ("procesor", "Did you mean `processor`")),
    "missing field": (edit(lambda c: c.pop("provenance")), ("provenance", "missing")),
    "architecture is text": (edit(lambda c: c.update(architecture="LeWM")), ("architecture", "LeWM")),
    "unknown class": (
        edit(lambda c: c["architecture"]["encoder"].update({"class": "ConvEncode"})),
        ("architecture.encoder", "ConvEncode", "Did you mean `ConvEncoder`"),
    ),
    "a callable as class": (
        edit(lambda c: c["architecture"]["encoder"].update({"class": "os.system"})),
        ("os.system", "architecture.encoder"),
    ),
    "no class": (
        edit(lambda c: c["architecture"]["encoder"].pop("class")),
        ("architecture.encoder", "class"),
    ),
    "not a world model": (
        edit(lambda c: c.update(architecture=c["architecture"]["encoder"])),
        ("world model", "ConvEncoder"),
    ),
    "unknown argument": (
        edit(lambda c: c["architecture"]["predictor"].update(depht=2)),
        ("architecture.predictor", "depht", "Did you mean `depth`"),
    ),
    "missing argument": (
        edit(lambda c: c["architecture"].pop("projector")),
        ("architecture", "projector", "missing"),
    ),
    "argument out of range": (edit(lambda c: c["architecture"]["predictor"].update(depth=-1)), ("depth",)),
    "argument of another type": (
        edit(lambda c: c["architecture"]["encoder"].update(channels="x")),
        ("channels",),
    ),
    "wrong class in a slot": (
        edit(lambda c: c["architecture"].update(encoder={"class": "SIGReg"})),
        ("architecture", "encoder"),
    ),
    "text in a slot": (edit(lambda c: c["architecture"].update(encoder="x")), ("architecture",)),
    "endless nesting": (
        edit(lambda c: c.update(architecture=nested(40))),
        ("deep",),
    ),
    "processor has an unknown field": (
        edit(lambda c: c["processor"].update(frame_skip=1)),
        ("processor", "frame_skip", "frameskip"),
    ),
    "processor lacks a field": (edit(lambda c: c["processor"].pop("image_mean")), ("image_mean", "missing")),
    "processor out of range": (edit(lambda c: c["processor"].update(frameskip=0)), ("frameskip",)),
    "processor is text": (edit(lambda c: c.update(processor="x")), ("processor",)),
    "processor of another action size": (
        edit(lambda c: c["processor"].update(frameskip=3)),
        ("block_dim", "action_dim", "6"),
    ),
    "other width": (
        edit(lambda c: c["architecture"]["projector"].update(hidden_dim=32)),
        ("projector.", "(32", "(16"),
    ),
    "a width that no memory holds": (
        edit(lambda c: c["architecture"]["projector"].update(hidden_dim=10**12)),
        ("projector.",),
    ),
    "a width that no number holds": (
        edit(lambda c: c["architecture"]["projector"].update(hidden_dim=10**30)),
        ("architecture.projector",),
    ),
    "a depth that no time builds": (
        edit(lambda c: c["architecture"]["predictor"].update(depth=10**9)),
        ("architecture.predictor", "depth"),
    ),
    "missing tensor": (reweigh(lambda t: t.pop(BIAS)), (BIAS, "missing")),
    "extra tensor": (reweigh(lambda t: t.update(surplus=torch.zeros(1))), ("surplus", "unknown")),
    "renamed tensor": (reweigh(rename), ("narow", f"Did you mean `{BIAS}`")),
    "other shape": (reweigh(lambda t: t.update({BIAS: torch.zeros(7)})), (BIAS, "(7,)", "(8,)")),
    "integers for floats": (
        reweigh(lambda t: t.update({BIAS: torch.zeros(8, dtype=torch.int64)})),
        (BIAS, "int64"),
    ),
    "eight-bit floats": (
        reweigh(lambda t: t.update({BIAS: torch.zeros(8).to(torch.float8_e4m3fn)})),
        (BIAS, "F8_E4M3"),
    ),
    "not finite": (reweigh(poison), (BIAS, "1 of 8")),
    "weights are empty": (write("model.safetensors", b""), ("model.safetensors", "damaged")),
    "weights are noise": (write("model.safetensors", bytes(range(256))), ("model.safetensors", "damaged")),
    "weights are cut": (
        lambda f: os.truncate(f / "model.safetensors", (f / "model.safetensors").stat().st_size - 5),
        ("model.safetensors", "damaged"),
    ),
    "header claims an exabyte": (
        write("model.safetensors", struct.pack("<Q", 2**60) + b"{}"),
        ("model.safetensors", "damaged"),
    ),
    "header lies about offsets": (
        write(
            "model.safetensors",
            struct.pack("<Q", 61) + b'{"a":{"dtype":"F32","shape":[99],"data_offsets":[0,99999999]}}'[:61],
        ),
        ("model.safetensors", "damaged"),
    ),
    "weights are a booby-trapped pickle": (
        write("model.safetensors", pickle.dumps(Bomb())),
        ("model.safetensors", "damaged"),
    ),
}


def nested(depth: int) -> dict[str, Any]:
    return {"class": "SIGReg", "seed": nested(depth - 1)} if depth else {"class": "SIGReg"}


@pytest.mark.parametrize("case", CROOKED)
def test_a_crooked_checkpoint_is_refused(folder: Path, case: str) -> None:
    damage, words = CROOKED[case]
    damage(folder)
    with pytest.raises(CheckpointError) as caught:
        leworld.load(folder)
    message = str(caught.value)
    assert all(word in message for word in (str(folder), *words)), message
    assert not Path("/tmp/leworld-was-here").exists()


def test_saving_refuses_what_loading_would(tmp_path: Path) -> None:
    model = tiny_lewm()
    model.projector.narrow.bias.data[3] = float("inf")
    with pytest.raises(NonFiniteError, match=BIAS):
        leworld.save(model, tmp_path / "m")
    model = tiny_lewm()
    model.prediction_projector = model.projector
    with pytest.raises(CheckpointError, match="shares"):
        leworld.save(model, tmp_path / "m")
    model = tiny_lewm()
    model.encoder = nn.Identity()
    with pytest.raises(LeWorldError):
        leworld.save(model, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_only_a_checkpoint_is_replaced(tmp_path: Path) -> None:
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    leworld.save(tiny_lewm(), thesis)
    (thesis / "chapter1.tex").write_text("years of work")
    with pytest.raises(CheckpointError, match=r"chapter1\.tex"):
        leworld.save(tiny_lewm(), thesis)
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"vite": true}')
    with pytest.raises(CheckpointError, match=r"config\.json"):
        leworld.save(tiny_lewm(), other)
    (tmp_path / "file").write_text("x")
    with pytest.raises(CheckpointError, match="is a file"):
        leworld.save(tiny_lewm(), tmp_path / "file")
    assert (thesis / "chapter1.tex").read_text() == "years of work"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "other", "thesis"]


def test_a_failed_save_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leworld.save(tiny_lewm(), tmp_path / "m")
    before = {p.name: p.read_bytes() for p in (tmp_path / "m").iterdir()}

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    for place in (
        "leworld.serialise._save.write_weights",
        "leworld._folder.flush",
    ):
        with monkeypatch.context() as patch:
            patch.setattr(place, full)
            with pytest.raises(CheckpointError, match="No space left"):
                leworld.save(tiny_lewm(seed=1), tmp_path / "m", overwrite=True)
        assert {p.name: p.read_bytes() for p in (tmp_path / "m").iterdir()} == before
        assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_a_failed_rename_puts_the_old_checkpoint_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system cannot exchange two names."""
    leworld.save(tiny_lewm(), tmp_path / "m")
    monkeypatch.setattr("leworld._folder._exchange", lambda one, other: False)
    rename, calls = Path.rename, []

    def second_fails(self: Path, target: Path) -> Path:
        calls.append(self)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", second_fails)
    with pytest.raises(CheckpointError, match="Input/output"):
        leworld.save(tiny_lewm(seed=1), tmp_path / "m", overwrite=True)
    monkeypatch.undo()
    assert torch.equal(leworld.load(tmp_path / "m").state_dict()[BIAS], tiny_lewm().state_dict()[BIAS])


def test_without_an_exchange_a_checkpoint_is_replaced_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leworld.save(tiny_lewm(), tmp_path / "m")
    monkeypatch.setattr("leworld._folder._exchange", lambda one, other: False)
    leworld.save(tiny_lewm(seed=1), tmp_path / "m", overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    assert torch.equal(leworld.load(tmp_path / "m").state_dict()[BIAS], tiny_lewm(seed=1).state_dict()[BIAS])


@pytest.mark.skipif(sys.platform != "linux", reason="the system call that exchanges two names is Linux's")
def test_a_checkpoint_is_there_at_every_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old one, then the new one: nothing but the exchange touches the name, and no rename does."""
    leworld.save(tiny_lewm(), tmp_path / "m")

    def never(self: Path, target: Path) -> Path:
        raise AssertionError(f"{self} was renamed to {target}")

    monkeypatch.setattr(Path, "rename", never)
    leworld.save(tiny_lewm(seed=1), tmp_path / "m", overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    assert torch.equal(leworld.load(tmp_path / "m").state_dict()[BIAS], tiny_lewm(seed=1).state_dict()[BIAS])


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    leworld.save(tiny_lewm(), tmp_path / "m")
    before = {p.name: p.read_bytes() for p in (tmp_path / "m").iterdir()}
    for write in (
        lambda: leworld.save(tiny_lewm(seed=1), tmp_path / "m"),
        lambda: leworld.hub.convert("lewm-tworoom-tiny", tmp_path / "m"),
        lambda: leworld.serialise.save_module(tiny_lewm(seed=1), tmp_path / "m"),
    ):
        with pytest.raises(CheckpointError, match="overwrite=True"):
            write()
    assert {p.name: p.read_bytes() for p in (tmp_path / "m").iterdir()} == before


def test_a_link_to_a_checkpoint_stays_a_link(tmp_path: Path) -> None:
    leworld.save(tiny_lewm(), tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    leworld.save(tiny_lewm(seed=1), tmp_path / "link", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert torch.equal(
        leworld.load(tmp_path / "real").state_dict()[BIAS], tiny_lewm(seed=1).state_dict()[BIAS]
    )
