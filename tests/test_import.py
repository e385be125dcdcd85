"""`import leworld` is light: nothing optional, no warning, little beyond torch."""

import subprocess
import sys

import pytest

from tests._source import rooms

OPTIONAL = (
    "lightning",
    "pytorch_lightning",
    "h5py",
    "gymnasium",
    "matplotlib",
    "imageio",
    "PIL",
    "tensorboard",
    "triton",
    "sklearn",
    "scipy",
    "pandas",
)
NEEDS_AN_EXTRA = ("training",)
# These rooms register or run gymnasium environments, and do so only where gymnasium is installed.
REACHES_GYMNASIUM = ("envs", "evaluation", "report", "tasks")


def run(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("room", ["", *(room for room in rooms() if room not in NEEDS_AN_EXTRA)])
def test_imports_nothing_optional(room: str) -> None:
    statement = f"import leworld.{room}" if room else "import leworld"
    allowed = {"gymnasium"} if room in REACHES_GYMNASIUM else set()
    loaded = run(
        f"import torch, sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    ).split()
    assert not {name.split(".")[0] for name in loaded} & (set(OPTIONAL) - allowed)


def test_import_does_not_import_torch() -> None:
    assert run("import leworld, sys; print('torch' in sys.modules)").strip() == "False"


@pytest.mark.parametrize(
    ("statement", "limit"), [("import leworld", 0.3), ("from leworld import SIGReg, CEMPlanner", 0.3)]
)
def test_import_costs_little_beyond_torch(statement: str, limit: float) -> None:
    """CPU seconds, the least of three processes, because a busy machine stretches wall time."""
    code = f"import time, torch; start = time.process_time(); {statement}; print(time.process_time() - start)"
    assert min(float(run(code)) for _ in range(3)) <= limit
