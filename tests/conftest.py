"""What every test shares: one thread, a fixed global random state, a fresh compiler, Triton's interpreter."""

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)

# At the end, so that timm and transformers themselves are taken where they are installed.
sys.path.append(str(Path(__file__).parent / "stand_ins"))

if sys.platform == "linux":
    # Triton decides at its first import whether it interprets, and torch.compile may import it before a test
    os.environ["TRITON_INTERPRET"] = "1"
    importlib.import_module("triton.language")
    del os.environ["TRITON_INTERPRET"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--default-dtype",
        choices=("float32", "float64"),
        default="float32",
        help="torch's default dtype for the whole run; tests of what float32 alone gives are left out",
    )


def pytest_configure(config: pytest.Config) -> None:
    torch.set_default_dtype(getattr(torch, config.getoption("--default-dtype")))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, and count as deselected, what a mode of the whole suite switches off."""
    out = set()
    if os.environ.get("LEWORLD_SHAPECHECK") == "0":
        out.add("shapecheck")
    if config.getoption("--default-dtype") != "float32":
        out.add("float32")
    left = [item for item in items if out & {mark.name for mark in item.iter_markers()}]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@pytest.fixture(autouse=True)
def _fixed_global_random_state() -> Iterator[None]:
    """Module constructors draw their initial weights from torch's global generator: make that repeatable."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(autouse=True)
def _default_dtype_is_left_alone() -> Iterator[None]:
    """A test that left another one would have all later tests of its process run in that, unseen."""
    usual = torch.get_default_dtype()
    yield
    left = torch.get_default_dtype()
    torch.set_default_dtype(usual)
    assert left == usual, f"the test left {left} as torch's default dtype"


@pytest.fixture(autouse=True)
def _fresh_compiler() -> None:
    """Forget what earlier tests compiled, or their recompilations count against later ones."""
    if "torch._dynamo" in sys.modules:
        torch._dynamo.reset()


@pytest.fixture
def generator() -> torch.Generator:
    """A CPU generator with a fixed seed, for test data."""
    return torch.Generator().manual_seed(0)
