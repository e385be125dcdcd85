"""An encoder, a predictor, a regularizer, a planner, a model and a task: each is a file and one line."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests._source import PACKAGE

# A class of each kind joins a copy of the package: the file of an existing one, with the class renamed.
ADDED = {
    "encoders": ("_conv", "ConvEncoder"),
    "predictors": ("_transformer", "TransformerPredictor"),
    "regularizers": ("_visreg", "VISReg"),
    "planners": ("_cem", "CEMPlanner"),
    "models": ("_lewm", "LeWM"),
    "tasks": ("tworoom/_task", "TwoRoomTask"),
}
USE = """
import tempfile, leworld
from leworld import encoders, models, nn, planners, predictors, regularizers, tasks
model = models.NewLeWM(
    encoders.NewConvEncoder(16, 8, channels=(4, 4)),
    predictors.NewTransformerPredictor(8, history_size=1, depth=1, num_heads=2, head_dim=4, mlp_dim=16),
    action_encoder=encoders.ActionEncoder(4, 8),
    projector=nn.Projector(8, hidden_dim=16),
    prediction_projector=nn.Projector(8, hidden_dim=16),
    regularizer=regularizers.NewVISReg(),
)
with tempfile.TemporaryDirectory() as folder:
    again = leworld.load(leworld.save(model, folder + "/model"))
planner = planners.NewCEMPlanner(horizon=1)
planner.plan(lambda actions: actions.sum((2, 3)), batch=1, action_dim=1)
parts = again, again.encoder, again.predictor, again.regularizer, planner, tasks.get_task("new")
print(*sorted(type(part).__name__ for part in parts))
"""


def added(folder: Path) -> Path:
    package = folder / "leworld"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__", "checkpoints"))
    for room, (file, name) in ADDED.items():
        source = re.sub(rf"\b{name}\b", f"New{name}", (package / room / f"{file}.py").read_text())
        source = re.sub('"(tworoom|leworld/TwoRoom-v0)"', '"new"', source)
        (package / room / f"{file}_new.py").write_text(source)
        with (package / room / "__init__.py").open("a") as init:
            init.write(f"\nfrom .{file.replace('/', '.')}_new import New{name} as New{name}\n")
    return package


def use(package: Path) -> subprocess.CompletedProcess[str]:
    path = {"PYTHONPATH": str(package.parent), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    run = [sys.executable, "-c", USE]
    return subprocess.run(run, env=path, cwd=package.parent, capture_output=True, text=True, timeout=300)


def test_a_file_and_a_line_are_enough(tmp_path: Path) -> None:
    result = use(added(tmp_path))
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout.split() == sorted(f"New{name}" for _, name in ADDED.values())


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("_config.py", "        _register(cls)", "        cls.__name__[:3] != 'New' and _register(cls)"),
        ("tasks/_registry.py", "    _check(task)", "    assert task.name == 'tworoom', 'NewTwoRoomTask'"),
        ("encoders/__init__.py", "import NewConvEncoder as", "import NewConvEncoder as Other  #"),
    ],
)
def test_a_table_by_hand_or_a_missing_line_is_seen(tmp_path: Path, file: str, old: str, new: str) -> None:
    package = added(tmp_path)
    source = (package / file).read_text()
    assert old in source
    (package / file).write_text(source.replace(old, new))
    result = use(package)
    assert re.search(r"New(LeWM|ConvEncoder|TwoRoomTask)", result.stderr.splitlines()[-1])
