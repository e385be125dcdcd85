"""What every test shares: one thread, and a global random state that starts fixed and is put back."""

from collections.abc import Iterator

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _fixed_global_random_state() -> Iterator[None]:
    """Module constructors draw their initial weights from torch's global generator: make that repeatable."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def generator() -> torch.Generator:
    """A CPU generator with a fixed seed, for test data."""
    return torch.Generator().manual_seed(0)
