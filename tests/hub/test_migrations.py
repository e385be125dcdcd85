"""A checkpoint of every schema version that leworld ever wrote still loads.

`tests/hub/fixtures/schema_N` is a checkpoint as version N was written; it is never written anew. Whoever
raises `SCHEMA_VERSION` adds a migration from the version before and a fixture of the new one. Version 1 is
the first.
"""

import json
import shutil
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import leworld
from leworld.errors import CheckpointError
from leworld.serialise import _schema

FIXTURES = Path(__file__).parent / "fixtures"
STORED = {int(path.name.removeprefix("schema_")): path for path in FIXTURES.glob("schema_*")}


def gaps(migrations: Mapping[int, Any], stored: Set[int], current: int) -> list[str]:
    """What is missing for every version up to `current` to be read and to be tested."""
    steps = [f"migration {n}" for n in range(1, current) if n not in migrations]
    strays = [f"stray migration {n}" for n in migrations if not 1 <= n < current]
    return steps + strays + [f"fixture {n}" for n in range(1, current + 1) if n not in stored]


def test_every_version_has_its_migration_and_its_fixture() -> None:
    assert gaps(_schema._MIGRATIONS, STORED.keys(), _schema.SCHEMA_VERSION) == []


def test_the_check_sees_gaps() -> None:
    assert gaps({}, {1}, 2) == ["migration 1", "fixture 2"]
    assert gaps({2: None}, {1, 2, 3}, 3) == ["migration 1"]
    assert gaps({1: None}, {1}, 1) == ["stray migration 1"]


@pytest.mark.parametrize("version", sorted(STORED))
def test_a_stored_checkpoint_loads(version: int) -> None:
    folder = STORED[version]
    config = json.loads((folder / "config.json").read_text())
    assert config["schema_version"] == version
    model = leworld.load(folder)
    stored = load_file(folder / "model.safetensors")
    state = {name: value for name, value in model.state_dict().items() if isinstance(value, torch.Tensor)}
    assert stored
    assert all(torch.equal(state[name], value) for name, value in stored.items())
    processor = model.processor
    assert (processor.frameskip, processor.action_mean, processor.action_std) == (2, (0.1, -0.2), (0.5, 0.6))
    assert (processor.environment_id, processor.statistics_source) == ("leworld/TwoRoom-v0", "a test")
    frames = torch.linspace(-1, 1, 2 * 3 * 16 * 16, dtype=torch.float32).reshape(1, 2, 3, 16, 16)
    with torch.no_grad():
        future = model.predict(model.encode(frames), torch.ones(1, 2, 4, dtype=torch.float32))
    assert future.isfinite().all()


def test_migrations_run_in_order_each_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions 2 and 3 are made up: 2 calls the architecture `model`, 3 calls it `architecture` again."""
    folder = shutil.copytree(STORED[1], tmp_path / "old")
    calls: list[int] = []

    def rename(step: int, old: str, new: str) -> Any:
        def migrate(data: dict[str, Any]) -> dict[str, Any]:
            calls.append(step)
            return {new if key == old else key: value for key, value in data.items()}

        return migrate

    steps = {1: rename(1, "architecture", "model"), 2: rename(2, "model", "architecture")}
    monkeypatch.setattr(_schema, "SCHEMA_VERSION", 3)
    monkeypatch.setattr(_schema, "_MIGRATIONS", steps)
    config = _schema.read_config(folder / "config.json")
    assert calls == [1, 2]
    assert config.architecture["class"] == "LeWM"
    calls.clear()
    data = json.loads((folder / "config.json").read_text())
    data["model"] = data.pop("architecture")
    (folder / "config.json").write_text(json.dumps(data | {"schema_version": 2}))
    _schema.read_config(folder / "config.json")
    assert calls == [2]


@pytest.mark.parametrize("version", [0, -1, 1.5, True, "1", None])
def test_a_version_that_never_was_is_refused(tmp_path: Path, version: object) -> None:
    folder = shutil.copytree(STORED[1], tmp_path / "odd")
    data = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(data | {"schema_version": version}))
    with pytest.raises(CheckpointError, match="schema_version"):
        leworld.load(folder)
