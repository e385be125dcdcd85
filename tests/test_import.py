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
REACHES_GYMNASIUM = ("envs", "evaluation", "explorer", "report", "tasks")


def run(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
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


COUNTED = """
import sys, torch
from torch.utils._python_dispatch import TorchDispatchMode

calls, operations = 0, []

class Operations(TorchDispatchMode):
    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        operations.append(operation)
        return operation(*arguments, **options or {{}})

def count(frame, event, argument):
    global calls
    calls += event in ("call", "c_call")

with Operations():
    sys.setprofile(count)
    {statement}
    sys.setprofile(None)
print(calls, len(operations))
"""


def cost(statement: str) -> tuple[int, int]:
    """Return how many functions a statement calls beyond torch, and how many tensors it computes."""
    calls, operations = run(COUNTED.format(statement=statement)).split()
    return int(calls), int(operations)


CALLS = {"import leworld": 5_000, "from leworld import SIGReg, CEMPlanner": 200_000}


@pytest.mark.parametrize("statement", CALLS)
def test_import_costs_little_beyond_torch(statement: str) -> None:
    calls, operations = cost(statement)
    assert calls <= CALLS[statement]
    assert operations == 0


def test_a_costly_import_is_noticed() -> None:
    assert cost("import leworld; import torch._dynamo")[0] > max(CALLS.values())
    assert cost("import leworld; torch.ones(3) + 1")[1] == 2
