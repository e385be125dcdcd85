"""A file that costs more than it weighs: pipes, devices, links, holes in place of its files."""

import json
import os
import pickle
import pickletools
import signal
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import leworld
from leworld._json import MAX_DEPTH, parse_json
from leworld.decoders import CrossAttentionDecoder, load_decoder, save_decoder
from leworld.errors import CheckpointError
from leworld.nn import Projector
from leworld.probes import KNNProbe, MLPProbe
from leworld.serialise import load_module, read_module, save_module
from leworld.serialise._weights import write_weights
from tests.hub.examples import tiny_lewm
from tests.hub.released import MINI

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes among files here")


class Late(Exception):
    """No error of the system's, which a reader could take for one of the file."""


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """Turn an endless wait into a failure."""

    def late(*_: object) -> None:
        raise Late("it still waits")

    was = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, was)


def loop(path: Path) -> None:
    path.symlink_to(path.name)


ODD: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a folder": os.mkdir,
    "a link to itself": loop,
    "a link that leads nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to a pipe": lambda path: (os.mkfifo(path.with_name("pipe")), path.symlink_to("pipe")),
    "holes": lambda path: (path.touch(), os.truncate(path, 2**40)),
    "nothing": lambda path: path.touch(),
    "": lambda path: None,
}


def ours(place: Path) -> Path:
    return leworld.save(tiny_lewm(), place / "m")


def released(place: Path) -> Path:
    return leworld.hub.convert(MINI, place / "m", layout="released")


def decoder(place: Path) -> Path:
    return save_decoder(
        CrossAttentionDecoder(4, image_size=8, patch_size=4, hidden_dim=8, depth=1), place / "m"
    )


READERS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], object], tuple[str, ...]]] = {
    "load": (ours, leworld.load, ("config.json", "model.safetensors")),
    "load, released": (released, leworld.load, ("config.json", "weights.pt")),
    "load_decoder": (decoder, load_decoder, ("config.json", "model.safetensors")),
    "load_module": (ours, load_module, ("config.json", "model.safetensors")),
    "read_module": (ours, read_module, ("config.json",)),
    "checkpoint_info": (ours, leworld.hub.checkpoint_info, ("config.json",)),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("reader", READERS)
def test_a_file_that_is_no_regular_one_is_refused(reader: str, odd: str, tmp_path: Path) -> None:
    make, read, files = READERS[reader]
    folder = make(tmp_path)
    for file in files:
        kept = (folder / file).rename(tmp_path / "kept")
        ODD[odd](folder / file)
        with pytest.raises(CheckpointError) as caught:
            read(folder)
        assert len(str(caught.value)) < 3_000
        if odd == "a folder":
            (folder / file).rmdir()
        else:
            (folder / file).unlink(missing_ok=True)
        (folder / "pipe").unlink(missing_ok=True)
        kept.rename(folder / file)
    read(folder)


@pytest.mark.parametrize("odd", ["a pipe", "a link to itself", "a link that leads nowhere", "nothing", ""])
@pytest.mark.parametrize("reader", READERS)
def test_a_path_that_is_no_folder_is_refused(reader: str, odd: str, tmp_path: Path) -> None:
    ODD[odd](tmp_path / "m")
    with pytest.raises(CheckpointError):
        READERS[reader][1](tmp_path / "m")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("path", ["x" * 300, "a\0b", "m/" * 3_000, "~nobody-at-all/m"])
def test_a_path_that_cannot_be_is_refused(reader: str, path: str) -> None:
    with pytest.raises(CheckpointError):
        READERS[reader][1](Path(path))


def test_any_object_that_stands_for_a_path_is_taken(tmp_path: Path) -> None:
    class Place:
        def __init__(self, path: str | bytes) -> None:
            self.path = path

        def __fspath__(self) -> str | bytes:
            return self.path

    decoder = CrossAttentionDecoder(4, image_size=16, depth=1)
    save_decoder(decoder, tmp_path / "decoder")
    assert load_decoder(Place(str(tmp_path / "decoder"))).image_size == 16
    with pytest.raises(CheckpointError, match="a text or a Path"):
        load_decoder(Place(bytes(tmp_path / "decoder")))


@pytest.mark.parametrize("odd", ["a pipe", "a folder", "a link to a device"])
def test_a_card_is_not_read(odd: str, tmp_path: Path) -> None:
    folder = ours(tmp_path)
    (folder / "README.md").unlink()
    ODD[odd](folder / "README.md")
    leworld.load(folder)
    if odd != "a link to a device":
        leworld.hub.checkpoint_info(folder)


def poisoned(code: bytes) -> Callable[[Path], None]:
    """Put a pickle in the place of that of a state dict."""

    def write(path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            content = {entry.filename: archive.read(entry) for entry in archive.infolist()}
        name = next(name for name in content if name.endswith("/data.pkl"))
        with zipfile.ZipFile(path, "w") as archive:
            for entry, data in content.items():
                archive.writestr(entry, code if entry == name else data)

    return write


def laughs(levels: int) -> bytes:
    """A dict whose key is a tuple of tuples of tuples: to hash it takes 2^levels steps."""
    code = b"\x80\x02)q\x00"
    for level in range(levels):
        code += b"0" + 2 * (b"h" + bytes([level])) + b"\x86q" + bytes([level + 1])
    return code + b"0}h" + bytes([levels]) + b"K\x01s."


PICKLES = {
    "a tuple that takes for ever to hash": (laughs(60), "over and over"),
    "ten billion bytes": (b"\x80\x02c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.", "other objects"),
    "a tensor of a size": (b"\x80\x02ctorch\nTensor\nJ\xff\xff\xff\x7f\x85R.", "other objects"),
    "a command": (b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.", "other objects"),
    "a list": (b"\x80\x02].", "state dict"),
    "no end": (b"\x80\x02}", "whole"),
    "no code": (b"\xff\xff", "whole"),
}


@pytest.mark.parametrize("name", PICKLES)
def test_a_pickle_that_costs_more_than_it_weighs_is_refused(name: str, tmp_path: Path) -> None:
    code, word = PICKLES[name]
    folder = released(tmp_path)
    poisoned(code)(folder / "weights.pt")
    with pytest.raises(CheckpointError, match=word):
        leworld.load(folder)


def test_the_pickles_are_real_ones() -> None:
    assert pickle.loads(laughs(3)) == {((((),) * 2,) * 2,) * 2: 1}
    assert [op.name for op, _, _ in pickletools.genops(laughs(1))].count("BINGET") == 3


def test_a_storage_that_claims_more_numbers_than_its_file_is_refused(tmp_path: Path) -> None:
    folder = released(tmp_path)
    with zipfile.ZipFile(folder / "weights.pt") as archive:
        content = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    name = max((n for n in content if "/data/" in n), key=lambda n: len(content[n]))
    with zipfile.ZipFile(folder / "weights.pt", "w") as archive:
        for entry, data in content.items():
            archive.writestr(entry, data[:8] if entry == name else data)
    with pytest.raises(CheckpointError):
        leworld.load(folder)


BAD_JSON = {
    "deep": b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2),
    "very deep": b"[" * 100_000,
    "a billion": b'{"a": 1e400}',
    "long": b'{"a": ' + b"1" * 200 + b"}",
    "very long": b'{"a": ' + b"1" * 100_000 + b"}",
    "half a character": b'{"a": "\\ud800"}',
    "no Unicode": b'{"a": "\xff"}',
    "many": b'{"a": [' + b"0," * 600_000 + b"0]}",
    "large": b'{"a": "' + b"x" * 2**22 + b'"}',
    "infinite": b'{"a": -Infinity}',
    "twice": b'{"a": 1, "a": 1}',
}


@pytest.mark.parametrize("name", BAD_JSON)
def test_json_that_costs_more_than_it_weighs_is_refused(name: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        parse_json(BAD_JSON[name], where="here")
    assert len(str(caught.value)) < 500
    assert parse_json(b'{"a": [1, -0.0, 1e-320, "\\ud83d\\ude00"]}', where="here")["a"][3] == "\U0001f600"


def changed(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> Path:
    from safetensors.torch import load_file

    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    write_weights(folder / "model.safetensors", tensors)
    return folder


def fitted(probe: KNNProbe | MLPProbe) -> torch.nn.Module:
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    return probe.fit(x, x[:, :1], validation_embeddings=x, validation_targets=x[:, :1])


VALUES: dict[str, tuple[Callable[[], torch.nn.Module], Callable[[dict[str, torch.Tensor]], object], str]] = {
    "a negative variance": (
        lambda: Projector(4, hidden_dim=8), lambda t: t["norm.running_var"][0].fill_(-1e-3), "running_var"
    ),
    "a negative count": (
        lambda: Projector(4, hidden_dim=8), lambda t: t["norm.num_batches_tracked"].fill_(-1), "num_batches"
    ),
    "a deviation of 0": (
        lambda: fitted(MLPProbe(3, 1, max_epochs=1)), lambda t: t["input_std"][0].fill_(0), "input_std"
    ),
    "a negative deviation": (
        lambda: fitted(MLPProbe(3, 1, max_epochs=1)), lambda t: t["target_std"].fill_(-1), "target_std"
    ),
    "more neighbours than samples": (
        lambda: fitted(KNNProbe(3, 1)), lambda t: t["chosen"].fill_(41), "chosen"
    ),
    "fewer answers than samples": (
        lambda: fitted(KNNProbe(3, 1)), lambda t: t.update(answers=t["answers"][:5].clone()), "answers"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_values_that_cannot_be_are_refused_at_loading(name: str, tmp_path: Path) -> None:
    make, change, word = VALUES[name]
    folder = save_module(make(), tmp_path / "m")
    load_module(folder)
    with pytest.raises(CheckpointError, match=word):
        load_module(changed(folder, change))


def test_a_negative_variance_is_refused_at_saving(tmp_path: Path) -> None:
    module = Projector(4, hidden_dim=8)
    assert module.norm.running_var is not None
    module.norm.running_var[0] = -1
    with pytest.raises(CheckpointError, match="running_var"):
        save_module(module, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_a_truth_value_that_is_neither_is_refused(tmp_path: Path) -> None:
    from leworld._tensor_file import open_tensors

    write_weights(tmp_path / "w", {"flag": torch.tensor([True, False])})
    raw = (tmp_path / "w").read_bytes()
    (tmp_path / "w").write_bytes(raw[:-1] + b"\x07")
    with open_tensors(tmp_path / "w") as file, pytest.raises(CheckpointError, match="neither true nor false"):
        file.read("flag")


CROOKED_PROCESSORS = {
    "image_std": [1e-320, 1.0, 1.0], "image_mean": [1e308, 0.0, 0.0], "image_size": 10**9,
    "frameskip": 10**9, "action_dim": 10**9, "action_std": [1e-320, 1.0], "action_mean": [1e308, 0.0],
    "environment_id": "x" * 5_000, "statistics_source": "x" * 5_000, "action_choices": 10**9,
    "parts": [{"name": f"p{i}", "kind": "picture", "image_size": 8, "mean": [0] * 3, "std": [1] * 3}
              for i in range(2_000)],
}  # fmt: skip


@pytest.mark.parametrize("field", CROOKED_PROCESSORS)
def test_a_processor_that_no_data_leads_to_is_refused(field: str, tmp_path: Path) -> None:
    folder = ours(tmp_path)
    content = json.loads((folder / "config.json").read_text())
    content["processor"][field] = CROOKED_PROCESSORS[field]
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="processor") as caught:
        leworld.load(folder)
    assert field in str(caught.value)
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize(
    "facts", [{"scores": 3}, {"scores": [{"protocol": "p", "success": "x", "source": "s"}]}]
)
def test_facts_that_the_record_cannot_tell_are_an_error_of_the_checkpoint(
    facts: object, tmp_path: Path
) -> None:
    folder = ours(tmp_path)
    content = json.loads((folder / "config.json").read_text())
    content["provenance"] = facts
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="scores"):
        leworld.hub.checkpoint_info(folder)
    content["provenance"], content["architecture"]["predictor"] = {}, 3
    (folder / "config.json").write_text(json.dumps(content))
    assert leworld.hub.checkpoint_info(folder).history_size is None


def test_this_module_waits_in_vain_for_an_open_that_blocks(tmp_path: Path) -> None:
    """The watch can fail: a plain `open` of a pipe does not come back by itself."""
    os.mkfifo(tmp_path / "pipe")
    signal.alarm(1)
    with pytest.raises(Late):
        (tmp_path / "pipe").read_bytes()
    assert sys.platform != "win32"
