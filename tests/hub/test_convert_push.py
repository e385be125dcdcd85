"""Conversion both ways, uploads, and action statistics."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import leworld
from leworld.data import action_statistics
from leworld.errors import CheckpointError
from leworld.hub import Score, convert, push_to_hub
from leworld.hub.catalog._known import PINNED
from tests.hub.examples import tiny_lewm
from tests.hub.hub_server import Hub, point_at, serving
from tests.hub.released import MINI, mini_files


@pytest.fixture
def recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the record of Push-T own the small checkpoint's digest."""
    digest = hashlib.sha256(mini_files()["weights.pt"]).hexdigest()
    record = replace(PINNED["lewm-pusht"], files={"config.json": None, "weights.pt": digest})
    monkeypatch.setitem(PINNED, "lewm-pusht", record)


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return all(torch.equal(v, theirs[k]) for k, v in ours.items() if isinstance(v, torch.Tensor))


def test_published_to_ours_and_back_is_the_identity(tmp_path: Path) -> None:
    ours = convert(MINI, tmp_path / "ours")
    back = convert(ours, tmp_path / "back", layout="released")
    original = torch.load(MINI / "weights.pt", weights_only=True)
    returned = torch.load(back / "weights.pt", weights_only=True)
    assert original.keys() == returned.keys()
    assert all(value.equal(returned[name]) for name, value in original.items())
    assert same(leworld.load(MINI), leworld.load(ours))
    assert same(leworld.load(MINI), leworld.load(back))
    config, given = (json.loads((folder / "config.json").read_text()) for folder in (back, MINI))
    assert config["predictor"] == given["predictor"]
    assert config["encoder"] == given["encoder"]


@pytest.mark.usefixtures("recognised")
def test_conversion_keeps_what_is_known(tmp_path: Path) -> None:
    ours = convert(MINI, tmp_path / "ours")
    assert leworld.load(ours).processor == leworld.load(MINI).processor
    assert leworld.load(ours).processor == PINNED["lewm-pusht"].processor
    assert str(MINI) in (ours / "README.md").read_text()
    back = convert(ours, tmp_path / "back", layout="released")
    assert "swm/PushT-v1" in (back / "README.md").read_text()


def test_conversion_repeats_byte_for_byte(tmp_path: Path) -> None:
    for layout in ("leworld", "released"):
        for name in ("a", "b", "a"):
            convert(MINI, tmp_path / layout / name, layout=layout, overwrite=True)
        a, b = tmp_path / layout / "a", tmp_path / layout / "b"
        assert {p.name: p.read_bytes() for p in a.iterdir()} == {p.name: p.read_bytes() for p in b.iterdir()}


def test_what_the_published_layout_cannot_say_is_refused(tmp_path: Path) -> None:
    leworld.save(tiny_lewm("conv"), tmp_path / "conv")
    with pytest.raises(CheckpointError, match="ConvEncoder"):
        convert(tmp_path / "conv", tmp_path / "out", layout="released")
    assert not (tmp_path / "out").exists()
    leworld.save(tiny_lewm("vit"), tmp_path / "vit")
    there = convert(tmp_path / "vit", tmp_path / "out", layout="released")
    assert same(leworld.load(there), tiny_lewm("vit").float())  # that layout is read in float32


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving() as hub:
        point_at(monkeypatch, hub.url)
        yield hub


def test_push_then_load(hub: Hub, tmp_path: Path) -> None:
    scores = [Score("same-room", 90.0, "x.json", low=80.0, high=95.0, episodes=50)]
    name = push_to_hub(tiny_lewm(), "me/new", provenance={"scores": scores, "licence": "MIT"}, token="hf_x")
    assert name == f"hf-hub:me/new@{hub.branches['me/new', 'main']}"
    again = leworld.load(name, cache_dir=tmp_path / "cache")
    assert same(again, tiny_lewm())
    assert again.processor == tiny_lewm().processor
    card = hub.files["me/new", hub.branches["me/new", "main"]]["README.md"].decode()
    for text in ("library_name: leworld", 'leworld.load("hf-hub:me/new")', "80.0 to 95.0 %", "license: mit"):
        assert text in card


def test_push_is_refused_in_our_words(hub: Hub) -> None:
    hub.status = 403
    with pytest.raises(CheckpointError, match="403"):
        push_to_hub(tiny_lewm(), "me/new", token="hf_x")


def dataset(path: Path, actions: np.ndarray, name: str = "action") -> Path:
    with h5py.File(path, "w") as file:
        file[name] = actions
    return path


def test_statistics_against_numpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leworld.data._action_statistics._ROWS_AT_ONCE", 7)
    actions = np.random.default_rng(0).normal(3.0, [1e-3, 50.0, 0.0], (100, 3)).astype(np.float32)
    actions[9::10] = np.nan
    found = action_statistics(dataset(tmp_path / "d.h5", actions))
    finite = actions[np.isfinite(actions).all(axis=1)].astype(np.float64)
    assert found.mean == pytest.approx(finite.mean(axis=0), rel=1e-12)
    assert found.std == pytest.approx(finite.std(axis=0), rel=1e-9, abs=0)
    assert found.std[2] == 0.0
    assert found.source == "90 rows of d.h5"


@pytest.mark.usefixtures("recognised")
def test_statistics_travel_with_the_model(tmp_path: Path) -> None:
    actions = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    statistics = action_statistics(dataset(tmp_path / "d.h5", actions, "act"), column="act")
    model = leworld.load(MINI).with_action_stats(statistics)
    again = leworld.load(leworld.save(model, tmp_path / "m"))
    assert again.has_processor
    assert (again.processor.action_mean, again.processor.action_std) == (statistics.mean, statistics.std)
    assert again.processor.statistics_source == "50 rows of d.h5"
