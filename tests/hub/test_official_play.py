"""The official Push-T checkpoint plays in its world: everything but its bytes, which are random here."""

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytest.importorskip("pymunk")
from leworld.cli import main
from leworld.hub import checkpoint_info
from leworld.hub.catalog import _known
from leworld.hub.released._to_released import to_released
from leworld.serialise._build import build
from tests.hub.hub_server import Hub, point_at, serving

NAME = "lewm-pusht"


def released_files() -> dict[str, bytes]:
    """A full-size LeWM of random weights, as the official repository lays its files out."""
    torch.manual_seed(0)
    model = build(checkpoint_info(NAME).architecture, where=NAME)
    config, state = to_released(model)
    weights = io.BytesIO()
    torch.save(state, weights)
    return {"config.json": json.dumps(config).encode(), "weights.pt": weights.getvalue()}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    files = released_files()
    with serving() as hub:
        point_at(monkeypatch, hub.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        commit = hub.add(f"quentinll/{NAME}", files)
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        record = replace(checkpoint_info(NAME), commit=commit, files=digests)
        monkeypatch.setitem(_known.PINNED, NAME, record)
        yield hub


def test_it_plays_at_the_published_size(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "played"
    options = ["--pairs", "1", "--samples", "4", "--iterations", "1", "--no-baselines", "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["leworld", "plan", NAME, *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert "with agent and block within 20 px and 20 degrees" in capsys.readouterr().out
    (numbers,) = out.glob("*.json")
    result = json.loads(numbers.read_text(encoding="utf-8"))
    assert (result["protocol"], result["budget"]) == ("trajectory-25", 50)
    assert len(result["start"][0]) == 7
    assert hub.count("GET") == 2
