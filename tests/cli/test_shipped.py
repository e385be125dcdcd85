"""Every command that takes a model works on every model that ships, and each belongs to a task."""

import json

import pytest
from click.testing import CliRunner

import leworld
from leworld.cli._main import top
from leworld.hub.catalog._known import SHIPPED, shipped_folder
from leworld.tasks import task_of

COMMANDS = {
    "plan": ["--pairs", "2", "--samples", "8", "--iterations", "1"],
    "probe": ["--episodes", "8", "--stride", "4", "--linear"],
    "surprise": ["--episodes", "8", "--kind", "freeze"],
    "info": [],
}


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_works(name: str, command: str) -> None:
    result = CliRunner().invoke(top, [command, name, *COMMANDS[command]])
    assert result.exit_code == 0, result.output
    assert "LeWM" in result.stdout or "freeze" in result.stdout


@pytest.mark.parametrize("name", SHIPPED)
def test_it_belongs_to_its_task_and_is_small(name: str) -> None:
    model, folder = leworld.load(name), shipped_folder(name)
    task = task_of(model)
    assert task.shipped_model == name
    assert sum(path.stat().st_size for path in folder.iterdir()) < 3_000_000
    facts = json.loads((folder / "config.json").read_text(encoding="utf-8"))["provenance"]
    assert facts["command"].startswith(f"leworld train {task.name} ")
    assert facts["scores"]
    processor = model.processor
    assert (processor.image_size, processor.frameskip) == (task.image_size, task.frameskip)
