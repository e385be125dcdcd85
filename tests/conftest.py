"""What every test shares: one thread, a fixed global random state, a fresh compiler, Triton's interpreter."""

import importlib
import os
import sys
from collections.abc import Iterator

import pytest
import torch

torch.set_num_threads(1)

if sys.platform == "linux":
    # Triton decides at its first import whether it interprets, and torch.compile may import it before a test
    os.environ["TRITON_INTERPRET"] = "1"
    importlib.import_module("triton.language")
    del os.environ["TRITON_INTERPRET"]


@pytest.fixture(autouse=True)
def _fixed_global_random_state() -> Iterator[None]:
    """Module constructors draw their initial weights from torch's global generator: make that repeatable."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(autouse=True)
def _fresh_compiler() -> None:
    """Forget what earlier tests compiled, or their recompilations count against later ones."""
    if "torch._dynamo" in sys.modules:
        torch._dynamo.reset()


@pytest.fixture
def generator() -> torch.Generator:
    """A CPU generator with a fixed seed, for test data."""
    return torch.Generator().manual_seed(0)
